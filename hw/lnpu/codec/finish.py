"""Frame of a tensor in the encoder: clears the counters, collects the pointers, writes the descriptor."""

from amaranth.hdl import Array, C, Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import Codec
from lnpu.codec.descriptor import HISTOGRAM_BINS, MAGIC, VERSION
from lnpu.codec.packet import PacketFifo
from lnpu.codec.payloads import LENGTH_BITS, encoder_command, meta_word

__all__ = ["TensorFinish"]

_COUNTERS = ("fp8", "fp16", "flushed", "saturated", "entries8", "entries16")
HEAD_WORDS = 8


class TensorFinish(wiring.Component):
    """Sequence of one tensor: clear, run, pad the pointers, descriptor, histogram.

    Members:
        waiting: ready for a tensor. start: it begins; `tensor` and `block` describe it from then on.
        clear, address: clear a histogram bin and the counters. cleared: one cycle, elements may come.
        empty: all elements were taken and all words accepted.
        word, row_end: a word of the rows was accepted; it ends its row. room: pointers can be stored.
        counters (fp8 ... entries16), exponent, invalid, bin: the statistics; `bin` is that of `address`.
        meta: `Out(stream(meta_word))`.

    Timing: 32 cycles before and 41 or 42 behind a tensor.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "waiting": Out(1),
                "start": In(1),
                "tensor": In(encoder_command()),
                "block": In(LENGTH_BITS),
                "clear": Out(1),
                "address": Out(range(HISTOGRAM_BINS)),
                "cleared": Out(1),
                "empty": In(1),
                "word": In(1),
                "row_end": In(1),
                "room": Out(1),
                **{name: In(32) for name in _COUNTERS},
                "exponent": In(5),
                "invalid": In(1),
                "bin": In(32),
                "meta": Out(stream.Signature(meta_word())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = PacketFifo(meta_word(), 4)
        wiring.connect(m, queue.o, wiring.flipped(self.meta))
        words, rows, low, odd = Signal(32), Signal(32), Signal(32), Signal()
        index = Signal(range(HISTOGRAM_BINS))
        free = queue.level != 0
        m.d.comb += [
            self.room.eq(free),
            queue.keep.eq(1),
            queue.commit.eq(queue.write),
            self.address.eq(index),
        ]

        t = self.tensor
        head = Array(
            [
                Cat(
                    C(int.from_bytes(MAGIC, "little"), 32),
                    C(VERSION, 8),
                    C(Codec.FGMP_RLE.value, 8),
                    C(0, 8),
                    self.invalid,
                    C(0, 7),
                ),
                Cat(t.n, t.h, t.w, t.c),
                Cat(
                    t.bias,
                    t.bias[3].replicate(4),
                    t.k8,
                    C(0, 5),
                    t.k16,
                    C(0, 5),
                    self.exponent,
                    C(0, 3),
                    self.block,
                    C(0, 25),
                ),
                Cat(t.pointer_address, t.data_address),
                Cat(words, rows),
                Cat(self.fp8, self.fp16),
                Cat(self.flushed, self.saturated),
                Cat(self.entries8, self.entries16),
            ]
        )

        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += self.waiting.eq(1)
                with m.If(self.start):
                    # Pointer 0 is the start of the first row.
                    m.d.sync += [words.eq(0), rows.eq(0), low.eq(0), odd.eq(1), index.eq(0)]
                    m.next = "CLEAR"

            with m.State("CLEAR"):
                m.d.comb += self.clear.eq(1)
                m.d.sync += index.eq(index + 1)
                with m.If(index == HISTOGRAM_BINS - 1):
                    m.d.comb += self.cleared.eq(1)
                    m.next = "RUN"

            with m.State("RUN"):
                with m.If(self.word):
                    m.d.sync += words.eq(words + 1)
                    with m.If(self.row_end):
                        m.d.sync += [rows.eq(rows + 1), odd.eq(~odd), low.eq(words + 1)]
                        with m.If(odd):
                            m.d.comb += [
                                queue.write.eq(1),
                                queue.data.data.eq(Cat(low, (words + 1)[:32])),
                            ]
                with m.Elif(self.empty):
                    m.next = "PAD"

            with m.State("PAD"):
                with m.If(~odd):
                    m.next = "HEAD"
                with m.Elif(free):
                    m.d.comb += [queue.write.eq(1), queue.data.data.eq(low)]
                    m.next = "HEAD"

            with m.State("HEAD"):
                m.d.comb += [
                    queue.write.eq(free),
                    queue.data.data.eq(head[index[:3]]),
                    queue.data.descriptor.eq(1),
                ]
                with m.If(free):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == HEAD_WORDS - 1):
                        m.d.sync += index.eq(0)
                        m.next = "BINS"

            with m.State("BINS"):
                m.d.comb += [
                    queue.write.eq(free & index[0]),
                    queue.data.data.eq(Cat(low, self.bin)),
                    queue.data.descriptor.eq(1),
                    queue.data.last.eq(index == HISTOGRAM_BINS - 1),
                ]
                with m.If(~index[0]):
                    m.d.sync += [low.eq(self.bin), index.eq(index + 1)]
                with m.Elif(free):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == HISTOGRAM_BINS - 1):
                        m.next = "WAIT"
        return m

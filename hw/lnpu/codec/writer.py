"""Writer: finished blocks to the words of rows."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import WORD_BITS
from lnpu.codec.packer import BLOCK_BITS
from lnpu.codec.payloads import LENGTH_BITS, word
from lnpu.lib.pipeline import Rank

__all__ = ["WIDE_ROW_BITS", "RowWriter", "finished_block"]

WIDE_ROW_BITS = 2 * WORD_BITS
"""Row of the fp16 group's memory: the 88 bits of a vector fill at most one."""


def finished_block() -> data.StructLayout:
    """A block in the packers' memories; `bits8` includes the header's place, `row_last` ends its row."""
    return data.StructLayout(
        {
            "n8": LENGTH_BITS,
            "n16": LENGTH_BITS,
            "bits8": BLOCK_BITS,
            "bits16": BLOCK_BITS,
            "count_bits": 3,
            "row_last": 1,
        }
    )


def _masked(bits, count):
    return Cat(*(bits[n] & (count > n) for n in range(len(bits))))


class RowWriter(wiring.Component):
    """Joins header, fp8 and fp16 bits of each block and cuts them into words.

    A cycle takes up to one word of each group (the last one of the first and the first one of the second
    together), so a block of b bits never takes more than b / 64 + 1 cycles.

    Members:
        block: `In(stream(finished_block))`. fp8: `In(stream(64))`, fp16: `In(stream(128))`, the groups' rows.
        o: `Out(stream(word))`. idle: nothing is held.

    Timing: one word a cycle.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "block": In(stream.Signature(finished_block())),
                "fp8": In(stream.Signature(WORD_BITS)),
                "fp16": In(stream.Signature(WIDE_ROW_BITS)),
                "o": Out(stream.Signature(word())),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rank = rank = Rank(word())
        wiring.connect(m, rank.o, wiring.flipped(self.o))
        block = self.block.payload

        # ---- output register: up to 63 bits stay, up to 128 arrive -----------------------------------------
        held, fill, closing = Signal(3 * WORD_BITS), Signal(8), Signal()
        emit, rest = Signal(), Signal(8)
        m.d.comb += [
            rank.i.valid.eq(fill >= WORD_BITS),
            rank.i.payload.data.eq(held[:WORD_BITS]),
            rank.i.payload.last.eq(closing & (fill == WORD_BITS)),
            emit.eq(rank.i.valid & rank.i.ready),
            rest.eq(Mux(emit, fill - WORD_BITS, fill)),
            self.idle.eq((fill == 0) & ~self.o.valid),
        ]

        # ---- one piece of each group -----------------------------------------------------------------------
        fresh, upper = Signal(init=1), Signal()
        left8, left16 = Signal(BLOCK_BITS), Signal(BLOCK_BITS)
        now8, now16 = Signal(BLOCK_BITS), Signal(BLOCK_BITS)
        a, b = Signal(7), Signal(7)
        move, done = Signal(), Signal()
        header = Signal(2 * LENGTH_BITS)
        with m.Switch(block.count_bits):
            for width in range(1, LENGTH_BITS + 1):
                with m.Case(width):
                    m.d.comb += header.eq(Cat(block.n8[:width], block.n16[:width]))
        m.d.comb += [
            now8.eq(Mux(fresh, block.bits8, left8)),
            now16.eq(Mux(fresh, block.bits16, left16)),
            a.eq(Mux(now8 > WORD_BITS, WORD_BITS, now8)),
            b.eq(Mux(now8 > WORD_BITS, 0, Mux(now16 > WORD_BITS, WORD_BITS, now16))),
            move.eq(self.block.valid & (rest < WORD_BITS)),
            done.eq((now8 <= WORD_BITS) & (now16 <= WORD_BITS)),
        ]
        half = Array([self.fp16.payload[:WORD_BITS], self.fp16.payload[WORD_BITS:]])[upper]
        first, second = Signal(WORD_BITS), Signal(WORD_BITS)
        joined = Signal(2 * WORD_BITS)
        m.d.comb += [
            first.eq(_masked(self.fp8.payload | Mux(fresh, header, 0), a)),
            second.eq(_masked(half, b)),
            joined.eq(first | (second << a)),
            self.fp8.ready.eq(move & (a != 0)),
            self.fp16.ready.eq(move & (b != 0) & (upper | (now16 <= WORD_BITS))),
            self.block.ready.eq(move & done),
        ]
        with m.If(move):
            m.d.sync += [fresh.eq(done), left8.eq(now8 - a), left16.eq(now16 - b)]
            with m.If(b != 0):
                m.d.sync += upper.eq(~upper & ~done)

        # A row's last word is filled up with zeros; nothing is added before it has left: until then
        # `rest` is at least 64.
        filled, padded = Signal(8), Signal(8)
        m.d.comb += [
            filled.eq(rest + a + b),
            padded.eq((filled + (WORD_BITS - 1)) & ~(WORD_BITS - 1)),
        ]
        kept = Mux(emit, held >> WORD_BITS, held)
        with m.If(move):
            m.d.sync += [
                held.eq(kept | (joined << rest[:6])),
                fill.eq(Mux(done & block.row_last, padded, filled)),
                closing.eq(done & block.row_last),
            ]
        with m.Else():
            m.d.sync += [held.eq(kept), fill.eq(rest)]
        return m

"""DECODE: a compressed tensor to fp16 elements."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import command_layout
from lnpu.bus.limits import MAX_WORDS
from lnpu.bus.read import word_layout
from lnpu.bus.write import strobed_layout
from lnpu.codec.config import BLOCK
from lnpu.codec.dense import DenseDecoder
from lnpu.codec.payloads import LENGTH_BITS
from lnpu.codec.walk import TensorWalk
from lnpu.machine.commands import Opcode
from lnpu.machine.payloads import record_layout
from lnpu.vector.places import Places

__all__ = ["DecodeUnit"]

LANES = 4
"""fp16 elements of a word of memory."""


class DecodeUnit(wiring.Component):
    """Reads the pointers, the rows that they name, and writes the elements of each block.

    A row whose pointers name none (no words, or more than a transfer has) becomes zeros and is `bad`.

    Members:
        tasks: `In(stream(record_layout(DECODE)))`. a_requests, a_data: a `ReadDma` for the rows; b_requests,
            b_data: one for the pointers. requests, words: a `WriteDma`.
        idle: `Out(1)`. bad: `Out(1)`, sticky until clear: `In(1)`: something was malformed.

    Timing: up to 4 elements a cycle.
    """

    def __init__(self):
        super().__init__(
            {
                "tasks": In(stream.Signature(record_layout(Opcode.DECODE))),
                **{f"{port}_requests": Out(stream.Signature(command_layout())) for port in "ab"},
                **{f"{port}_data": In(stream.Signature(word_layout())) for port in "ab"},
                "requests": Out(stream.Signature(command_layout())),
                "words": Out(stream.Signature(strobed_layout())),
                "idle": Out(1),
                "bad": Out(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        task = Signal(self.tasks.payload.shape(), reset_less=True)
        active, begin = Signal(), Signal()
        m.submodules.decoder = decoder = DenseDecoder(LANES)
        m.submodules.walk = walk = TensorWalk(LANES)
        m.d.comb += [
            self.idle.eq(~active & ~begin),
            self.tasks.ready.eq(~active & ~begin),
            walk.restart.eq(begin),
            *(walk.shape[name].eq(task[name]) for name in "nhwc"),
            decoder.clear.eq(self.clear),
        ]
        m.d.sync += begin.eq(0)
        with m.If(self.tasks.valid & self.tasks.ready):
            m.d.sync += [task.eq(self.tasks.payload), begin.eq(1)]
        with m.If(begin):
            m.d.sync += active.eq(1)
        unnamed = self._read(m, task, begin, walk, decoder)
        self._write(m, task, begin, active, walk, decoder)
        stuck = Signal()
        m.d.sync += stuck.eq(~self.clear & (stuck | unnamed))
        m.d.comb += self.bad.eq(decoder.errors.any() | stuck)
        return m

    def _read(self, m, task, begin, walk, decoder):
        """Pointers to rows to words of the decoder; 1: a row is not named."""
        log = BLOCK.bit_length() - 1
        y, plane, image = (Signal(16, name=name) for name in ("y", "plane", "image"))
        planes = (task.c + (BLOCK - 1)) >> log
        rows_left, first = Signal(), Signal()  # rows to come; the first pointer is to come
        asking, pointer_at = Signal(), Signal(32)
        ask_y, ask_plane, ask_image, ask_odd = (
            Signal(bits, name=f"ask_{name}")
            for name, bits in (("y", 16), ("plane", 16), ("image", 16), ("odd", 1))
        )

        def count(step, counters):
            wrap = step
            for counter, size in counters:
                with m.If(wrap):
                    m.d.sync += counter.eq(Mux(counter + 1 == size, 0, counter + 1))
                wrap = wrap & (counter + 1 == size)
            return wrap  # with the last step

        # Words of the pointer table, one a request, two numbers each; there is one number more than rows.
        step = Signal()
        m.d.comb += [
            self.b_requests.valid.eq(asking & ~ask_odd),
            self.b_requests.payload.address.eq(pointer_at),
            self.b_requests.payload.words.eq(1),
            step.eq(asking & (ask_odd | self.b_requests.ready)),
        ]
        over = Signal()  # only the number behind the last row is left
        with m.If(step):
            m.d.sync += ask_odd.eq(~ask_odd)
            with m.If(~ask_odd):
                m.d.sync += pointer_at.eq(pointer_at + 8)
            with m.If(over):
                m.d.sync += asking.eq(0)
        ask_sizes = ((ask_y, task.h), (ask_plane, planes), (ask_image, task.n))
        ask_last = count(step & ~over, ask_sizes)
        with m.If(ask_last):
            m.d.sync += over.eq(1)

        half, previous, pointer = Signal(), Signal(32), Signal(32)
        take, fits = Signal(), Signal()
        size = Signal(32)
        row = data.StructLayout({"words": MAX_WORDS.bit_length()})
        m.submodules.rows = rows = SyncFIFOBuffered(width=row.size, depth=8)
        m.d.comb += [
            pointer.eq(self.b_data.payload.data.word_select(half, 32)),
            size.eq(pointer - previous),
            fits.eq((size != 0) & (size <= MAX_WORDS)),
            self.a_requests.payload.address.eq(task.source + (previous << 3)),
            self.a_requests.payload.words.eq(size),
        ]
        m.submodules.lengths = lengths = SyncFIFOBuffered(width=LENGTH_BITS, depth=8)
        command, c = decoder.command, decoder.command.payload
        wants = self.b_data.valid & rows_left & ~first & rows.w_rdy & lengths.w_rdy
        named = Signal()  # a row is handed on
        m.d.comb += [
            self.a_requests.valid.eq(wants & fits),
            named.eq(wants & (self.a_requests.ready | ~fits)),
            rows.w_en.eq(named),
            rows.w_data.eq(Mux(fits, size, 0)),
            lengths.w_en.eq(named),
            lengths.w_data.eq(Mux(plane + 1 == planes, (task.c - 1)[:log] + 1, BLOCK)),
            take.eq(self.b_data.valid & (first | named | ~rows_left)),
            self.b_data.ready.eq(take & (half | (~rows_left & ~first))),
            command.valid.eq(lengths.r_rdy),
            lengths.r_en.eq(command.ready),
            c.blocks.eq(task.w),
            c.length.eq(lengths.r_data),
            c.count_bits.eq(walk.count_bits),
            *(c[name].eq(task[name]) for name in ("k8", "k16", "bias")),
        ]
        done = count(named, ((y, task.h), (plane, planes), (image, task.n)))
        with m.If(done):
            m.d.sync += rows_left.eq(0)
        with m.If(take):
            m.d.sync += [half.eq(~half), previous.eq(pointer), first.eq(0)]
        with m.If(begin):
            m.d.sync += [counter.eq(0) for counter in (y, plane, image, ask_y, ask_plane, ask_image, ask_odd)]
            m.d.sync += [
                *(flag.eq(1) for flag in (rows_left, first, asking)),
                *(flag.eq(0) for flag in (half, over)),
                pointer_at.eq(task.pointers),
            ]

        # Words of a row with their end; a row that is not there is one word of zeros.
        at = Signal(MAX_WORDS.bit_length())
        left = rows.r_data
        absent = left == 0
        last = absent | (at + 1 == left)
        moved = decoder.i.valid & decoder.i.ready
        m.d.comb += [
            decoder.i.valid.eq(rows.r_rdy & (self.a_data.valid | absent)),
            decoder.i.payload.data.eq(Mux(absent, 0, self.a_data.payload.data)),
            decoder.i.payload.last.eq(last),
            self.a_data.ready.eq(rows.r_rdy & ~absent & decoder.i.ready),
            rows.r_en.eq(moved & last),
        ]
        with m.If(moved):
            m.d.sync += at.eq(Mux(last, 0, at + 1))
        return named & ~fits

    def _write(self, m, task, begin, active, walk, decoder):
        """A request for a block, or for a row of adjacent blocks, and its vectors."""
        m.submodules.target = target = Places(2, merge=True)
        beat = decoder.o
        left = Signal(MAX_WORDS.bit_length())  # words of the run
        strobe = Cat(*(bit.replicate(2) for bit in walk.mask))
        m.d.comb += [
            target.start.eq(begin),
            target.base.eq(task.target),
            *(target.shape[name].eq(task[name]) for name in "nhwc"),
            self.requests.payload.address.eq(target.o.payload.address),
            self.requests.payload.words.eq(target.o.payload.words),
            self.requests.valid.eq(target.o.valid & (left == 0)),
            target.o.ready.eq(self.requests.ready & (left == 0)),
            self.words.valid.eq(beat.valid & (left != 0)),
            self.words.payload.data.eq(Cat(*beat.payload.elements)),
            self.words.payload.strobe.eq(strobe),
            beat.ready.eq(self.words.ready & (left != 0)),
            walk.step.eq(beat.valid & beat.ready),
        ]
        with m.If(self.requests.valid & self.requests.ready):
            m.d.sync += left.eq(target.o.payload.words)
        with m.If(walk.step):
            m.d.sync += left.eq(left - 1)
            with m.If(walk.tensor_last):
                m.d.sync += active.eq(0)

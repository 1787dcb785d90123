"""Merger of the dense decoder: both groups in index order, and all checks of a block."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import CAUSE_BITS, Cause
from lnpu.codec.loader import block_record
from lnpu.codec.payloads import LENGTH_BITS
from lnpu.codec.reader import entry_layout

__all__ = ["GroupCursor", "Merger"]


class GroupCursor:
    """Where one group of the current block stands, and which of the shown entries end in the current vector.

    Every entry advances the position by at least one, so at most `lanes` entries end in a vector.

    Signals: `ready` (every entry that may be needed has arrived), `take` (entries to drop), `left` (entries
    that remain), `hit[lane]`, `code[lane]`, `defects`, `late` (an entry ends at or behind the block's end).
    """

    def __init__(self, m: Module, name: str, entries, count, base, drain, length, fresh, step, lanes: int):
        value_bits = len(entries[0].code)
        remaining, position = Signal(LENGTH_BITS, name=f"{name}_rem"), Signal(LENGTH_BITS, name=f"{name}_pos")
        now, start = Signal(LENGTH_BITS, name=f"{name}_now"), Signal(LENGTH_BITS, name=f"{name}_start")
        m.d.comb += [now.eq(Mux(fresh, count, remaining)), start.eq(Mux(fresh, 0, position))]
        self.take = Signal(range(lanes + 1), name=f"{name}_take")
        self.left = Signal(LENGTH_BITS, name=f"{name}_left")
        self.ready = Signal(name=f"{name}_ready")
        self.late = Signal(name=f"{name}_late")
        self.defects = Signal(CAUSE_BITS, name=f"{name}_defects")
        self.hit = [Signal(name=f"{name}_hit{n}") for n in range(lanes)]
        self.code = [Signal(value_bits, name=f"{name}_lane{n}") for n in range(lanes)]

        exists = [now > n for n in range(lanes)]
        # Position 64 and four entries of at most 64 elements.
        ends = [Signal(9, name=f"{name}_end{n}") for n in range(lanes)]
        taken = [Signal(name=f"{name}_taken{n}") for n in range(lanes)]
        ready, reserved, escape_last, late = Const(1), Const(0), Const(0), Const(0)
        for n, entry in enumerate(entries):
            before = ends[n - 1] + 1 if n else start
            earlier = taken[n - 1] if n else Const(1)
            m.d.comb += [
                ends[n].eq(before + entry.run),
                taken[n].eq(earlier & exists[n] & (drain | (ends[n] < base + lanes))),
            ]
            ready = ready & (entry.fits | ~exists[n])
            reserved = reserved | (taken[n] & entry.reserved)
            escape_last = escape_last | (taken[n] & entry.escape & (now == n + 1))
            late = late | (taken[n] & (ends[n] >= length))
            with m.If(taken[n]):
                m.d.comb += self.take.eq(n + 1)
            for lane in range(lanes):
                mine = ends[n][: (lanes - 1).bit_length()] == lane
                with m.If(taken[n] & ~entry.escape & ~drain & mine):
                    m.d.comb += [self.hit[lane].eq(1), self.code[lane].eq(entry.code)]
        m.d.comb += [
            self.ready.eq(ready),
            self.left.eq(now - self.take),
            self.late.eq(late),
            self.defects.eq(Mux(reserved, Cause.VALUE, 0) | Mux(escape_last, Cause.ESCAPE, 0)),
        ]
        with m.If(step):
            m.d.sync += [remaining.eq(self.left), position.eq(start)]
            for n in range(lanes):
                with m.If(taken[n]):
                    m.d.sync += position.eq(ends[n] + 1)


class Merger(wiring.Component):
    """Turns the groups of a block into vectors of fp16 elements.

    Args:
        lanes: elements of a vector, 1, 2 or 4.

    Members:
        block: `In(stream(block_record))`, the current block.
        entries8, entries16: next entries of the groups; take8, take16: how many to drop.
        ready: the vector store has room. write, elements, last: a vector.
        finish, bad: the block whose vectors were written is complete; its vectors count unless `bad`.
        raised: `Cause` bits, one cycle.

    Timing: one vector a cycle, blocks back to back.
    """

    def __init__(self, lanes: int):
        super().__init__(
            {
                "block": In(stream.Signature(block_record())),
                "entries8": In(data.ArrayLayout(entry_layout(8), lanes)),
                "entries16": In(data.ArrayLayout(entry_layout(16), lanes)),
                "take8": Out(range(lanes + 1)),
                "take16": Out(range(lanes + 1)),
                "ready": In(1),
                "write": Out(1),
                "elements": Out(data.ArrayLayout(16, lanes)),
                "last": Out(1),
                "finish": Out(1),
                "bad": Out(1),
                "raised": Out(CAUSE_BITS),
            }
        )
        self.lanes = lanes

    def elaborate(self, platform):
        m = Module()
        lanes, block = self.lanes, self.block.payload
        base = Signal(LENGTH_BITS)  # first element of the vector; 64 once a full block is out
        fresh, drain, step = Signal(init=1), Signal(), Signal()
        defects, row_bad = Signal(CAUSE_BITS), Signal()

        def cursor(name, entries, count):
            shown = [entries[n] for n in range(lanes)]
            return GroupCursor(m, name, shown, count, base, drain, block.length, fresh, step, lanes)

        narrow, wide = cursor("fp8", self.entries8, block.n8), cursor("fp16", self.entries16, block.n16)
        with m.If(step):
            m.d.comb += [self.take8.eq(narrow.take), self.take16.eq(wide.take)]

        # ---- the vector ------------------------------------------------------------------------------------
        twice = Const(0)
        for lane in range(lanes):
            code = narrow.code[lane]
            # E4M3 to fp16: the exponent moves by the difference of the biases (15 - 7) and the tensor's bias.
            exponent = (code[3:7] + block.bias.as_signed() + 8)[:5]
            widened = Cat(Const(0, 7), code[:3], exponent, code[7])
            with m.If(narrow.hit[lane]):
                m.d.comb += self.elements[lane].eq(widened)
            with m.If(wide.hit[lane]):
                m.d.comb += self.elements[lane].eq(wide.code[lane])
            twice = twice | (narrow.hit[lane] & wide.hit[lane] & (base + lane < block.length))

        # ---- the block -------------------------------------------------------------------------------------
        final, done, found = Signal(), Signal(), Signal(CAUSE_BITS)
        m.d.comb += [
            final.eq(base + lanes >= block.length),
            done.eq((narrow.left == 0) & (wide.left == 0)),
            found.eq(
                Mux(fresh, 0, defects)
                | narrow.defects
                | wide.defects
                | Mux(narrow.late | wide.late | (final & ~done), Cause.INDEX, 0)
                | Mux(twice, Cause.OVERLAP, 0)
            ),
        ]
        ends, already = Signal(), Signal()
        m.d.comb += already.eq(row_bad & ~block.first)
        with m.If(self.block.valid & block.blank):
            m.d.comb += self.block.ready.eq(1)
            with m.If(~row_bad):
                m.d.comb += self.raised.eq(block.cause)
        with m.Elif(self.block.valid & narrow.ready & wide.ready & (self.ready | drain)):
            m.d.comb += [
                step.eq(1),
                self.write.eq(~drain),
                self.last.eq(final),
                ends.eq((drain | final) & done),
            ]
            m.d.sync += [fresh.eq(ends), defects.eq(found)]
            with m.If(ends):
                m.d.comb += [
                    self.block.ready.eq(1),
                    self.finish.eq(1),
                    self.bad.eq(already | block.lost | (found != 0)),
                ]
                m.d.sync += [row_bad.eq(self.bad), base.eq(0), drain.eq(0)]
                with m.If(~already):
                    m.d.comb += self.raised.eq(found | block.cause)
            with m.Elif(final):
                m.d.sync += drain.eq(1)
            with m.Else():
                m.d.sync += base.eq(base + lanes)
        return m

"""Lean decoder of compressed rows: an entry a cycle, escapes included, to elements of the X buffer."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import CAUSE_BITS, Cause
from lnpu.codec.payloads import LENGTH_BITS, word
from lnpu.engine.config import EngineConfig
from lnpu.engine.halves import HalfWords
from lnpu.engine.row_payloads import item_layout, job_layout
from lnpu.engine.row_reader import RowReader

__all__ = ["RowDecoder"]


class RowDecoder(wiring.Component):
    """Rows to elements.

    That a block is bad is known at its end, when its elements are out: who stores them rolls back.

    Args:
        config: geometry.

    Members:
        jobs: `In(stream(job_layout))`; i: `In(stream(word))`: the words of their rows.
        free: `In(2)`, pulses: the bank is empty again.
        o: `Out(stream(item_layout))`, from a register. errors: `Out`, sticky `Cause` bits.

    Timing: an entry a cycle, one cycle for a block's header, one or two behind a row's last entry. Latency
    from a row's first word to its first element: 7 cycles.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "jobs": In(stream.Signature(job_layout(config))),
                "i": In(stream.Signature(word())),
                "free": In(2),
                "o": Out(stream.Signature(item_layout(config))),
                "errors": Out(CAUSE_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.halves = halves = HalfWords()
        m.submodules.reader = reader = RowReader(self.config)
        wiring.connect(m, wiring.flipped(self.i), halves.i)
        wiring.connect(m, halves.o, reader.i)
        wiring.connect(m, wiring.flipped(self.jobs), reader.jobs)
        step, steps = reader.o.payload, reader.o
        item = Signal(item_layout(self.config), reset_less=True)
        valid, take = Signal(), Signal()
        m.d.comb += [
            reader.free.eq(self.free),
            self.o.payload.eq(item),
            self.o.valid.eq(valid),
            steps.ready.eq(~valid | self.o.ready),
            take.eq(steps.valid & steps.ready),
        ]

        # ---- fields of the entry -------------------------------------------------------------------------
        run, code = Signal(6), Signal(16)
        longest, zero = Signal(), Signal()  # the run; low bits of the code, all of an fp8 one
        with m.Switch(step.k):
            for k in (1, 2, 4, 6):
                with m.Case(k):
                    m.d.comb += [
                        run.eq(step.bits[:k]),
                        code.eq(step.bits[k:]),
                        longest.eq(step.bits[:k].all()),
                    ]
        escape, reserved = Signal(), Signal()
        exponent = code[10:15]
        m.d.comb += [
            zero.eq((code[:8] == 0) & (~step.wide | (code[8:] == 0))),
            escape.eq(longest & zero),
            reserved.eq(
                Mux(
                    step.wide,
                    (exponent == 0) | exponent.all(),
                    (code[3:7] == 0) | code[:7].all(),
                )
            ),
        ]

        # ---- its place and its defects -------------------------------------------------------------------
        # Inside a block the position is at most 64 and a run at most 63; beyond, only `over` counts.
        position, at, over, beyond = Signal(LENGTH_BITS), Signal(LENGTH_BITS), Signal(), Signal()
        seen, twice = Signal(64), Signal()
        causes = Cause.INDEX | Cause.VALUE | Cause.ESCAPE | Cause.OVERLAP
        collected, found = Signal(CAUSE_BITS), Signal(CAUSE_BITS)
        m.d.comb += [
            at.eq(position + run),
            beyond.eq(over | (at >= step.length)),
            twice.eq(step.wide & seen.bit_select(at[:6], 1)),
        ]
        new = {
            Cause.INDEX: beyond,
            Cause.VALUE: reserved & ~escape,
            Cause.ESCAPE: step.group_end & escape,
            Cause.OVERLAP: twice & ~beyond & ~escape,
        }
        structure = step.count | step.truncated
        for cause in Cause:
            if cause & causes:
                bit = int(cause).bit_length() - 1
                m.d.comb += found[bit].eq(~structure & (collected[bit] | (step.entry & new[cause])))
        m.d.comb += [
            found[int(Cause.COUNT).bit_length() - 1].eq(step.count),
            found[int(Cause.TRUNCATED).bit_length() - 1].eq(step.truncated),
        ]

        # ---- from entry to entry, block to block ----------------------------------------------------------
        dead = Signal()  # a block of this row was bad
        with m.If(take):
            with m.If(step.entry):
                m.d.sync += [position.eq(Mux(step.group_end, 0, at + 1)), over.eq(beyond & ~step.group_end)]
                with m.If(~step.wide & ~escape & ~beyond):
                    m.d.sync += seen.eq(seen | (1 << at[:6]))
            m.d.sync += collected.eq(found)
            with m.If(step.block_end):
                m.d.sync += [collected.eq(0), position.eq(0), over.eq(0), seen.eq(0)]
                m.d.sync += dead.eq(dead | found.any())
                with m.If(~dead):
                    m.d.sync += self.errors.eq(self.errors | found)
            with m.If(step.trailing & ~dead):
                m.d.sync += self.errors.eq(self.errors | Cause.TRAILING)
            with m.If(step.row_end):
                m.d.sync += dead.eq(0)

        with m.If(steps.ready):
            m.d.sync += [
                # A row's end alone is of no interest.
                valid.eq(steps.valid & (step.entry | step.block_end | step.end)),
                item.index.eq(at),
                item.code.eq(Cat(code[:8], Mux(step.wide, code[8:], Const(0, 8)))),
                item.wide.eq(step.wide),
                item.element.eq(step.entry & ~escape),
                item.group_end.eq(step.group_end),
                item.bad.eq(dead | found.any()),
                item.block.eq(step.block),
                item.bank.eq(step.bank),
                item.block_end.eq(step.block_end),
                item.end.eq(step.end),
            ]
        return m

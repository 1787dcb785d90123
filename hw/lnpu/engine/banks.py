"""Who owns a line's banks: loaded operands, closed accumulators."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import slot_layout

__all__ = ["Banks"]


class Banks(wiring.Component):
    """Bank flags of a line and the marks that change them.

    Args:
        config: geometry.

    Members:
        active: `In(1)`: a pass runs and its accumulators are clear; started: `In(1)`: a pass runs.
        wg: `In(1)`: Tile accumulates.
        slot: `In(slot_layout)`, valid: `In(1)`, taken: `In(1)`: the slot at the line's input.
        pending: `Out(1)`: the slot's marks have not been applied before this cycle; that happens once, at the
        latest when the slot is taken.
        operands: `Out(1)`: the slot need not wait for a load; sums: `Out(1)`: nor for a drain or clear.
        closed: `Out(2)`, a bit a bank: no slot may add to it.
        occupied: `In(2)`: sums of this bank are in the PEs.
        loaded: `In(2)`, wanted: `Out(2)`, drained: `In(2)`, complete: `Out(2)`: see `Line`.

    Timing: `wanted` rises when the reads of all slots before the mark have met the operand file, `complete`
    when the last sum has been written; both are `settle` cycles or a bit more behind their cause.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        self.settle = config.groups + 4
        super().__init__(
            {
                "active": In(1),
                "started": In(1),
                "wg": In(1),
                "slot": In(slot_layout(config)),
                "valid": In(1),
                "taken": In(1),
                "pending": Out(1),
                "operands": Out(1),
                "sums": Out(1),
                "closed": Out(2),
                "occupied": In(2),
                "loaded": In(2),
                "wanted": Out(2),
                "drained": In(2),
                "complete": Out(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        slot, marks, wg = self.slot, self.slot.marks, self.wg
        applied = Signal()
        loaded = Signal(2)
        closed = Signal(2)
        release = Signal(2)
        last = Signal(2)
        released = Signal()
        closing = Signal()
        ended = Signal()
        pending = Signal()
        unloaded = Signal()
        undrained = Signal()
        mark_operands = Mux(wg, marks.row_bank, marks.tile_bank)
        mark_sums = Mux(wg, marks.tile_bank, marks.row_bank)
        operands = Mux(wg, slot.row_bank, slot.tile_bank)
        sums = Mux(wg, slot.tile_bank, slot.row_bank)
        m.d.comb += [
            pending.eq(self.valid & self.active & slot.end & ~applied),
            # A line without work in a walk meets its marks early, before the bank has had its turn.
            unloaded.eq(pending & marks.release & ~loaded.bit_select(mark_operands, 1)),
            undrained.eq(pending & marks.last & closed.bit_select(mark_sums, 1)),
            ended.eq(pending & ~unloaded & ~undrained),
            release.eq(Cat(~mark_operands, mark_operands) & (ended & marks.release).replicate(2)),
            last.eq(Cat(~mark_sums, mark_sums) & (ended & marks.last).replicate(2)),
            # As if the marks had been applied; where they cannot be, the slot waits anyway.
            released.eq(pending & marks.release & (mark_operands == operands)),
            closing.eq(pending & marks.last & (mark_sums == sums)),
            self.pending.eq(pending),
            self.closed.eq(closed),
            self.operands.eq(~unloaded & (~slot.work | (loaded.bit_select(operands, 1) & ~released))),
            self.sums.eq(self.active & ~undrained & (~slot.work | ~(closed.bit_select(sums, 1) | closing))),
        ]
        m.d.sync += applied.eq((applied | ended) & ~self.taken)
        m.d.sync += [
            loaded.eq((loaded & ~release) | self.loaded),
            closed.eq((closed | last) & ~self.drained),
        ]
        for bank in range(2):
            # Slots before the release are still on their way to the operand file, group after group.
            waiting = Signal(range(self.settle + 1), name=f"waiting{bank}")
            empty = Signal(init=1, name=f"empty{bank}")
            m.d.comb += self.wanted[bank].eq(empty & (waiting == 0) & self.started)
            with m.If(release[bank]):
                m.d.sync += [empty.eq(1), waiting.eq(self.config.groups)]
            with m.Elif(waiting != 0):
                m.d.sync += waiting.eq(waiting - 1)
            with m.If(self.loaded[bank]):
                m.d.sync += empty.eq(0)
            # Sums leave the PEs group after group too.
            quiet = Signal(range(self.settle + 1), name=f"quiet{bank}")
            m.d.comb += self.complete[bank].eq(quiet == self.settle)
            with m.If(~closed[bank] | self.occupied[bank] | self.drained[bank]):
                m.d.sync += quiet.eq(0)
            with m.Elif(~self.complete[bank]):
                m.d.sync += quiet.eq(quiet + 1)
        return m

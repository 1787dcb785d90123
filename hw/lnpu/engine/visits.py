"""Visits and runs: when operands are fetched, when sums change place between a file and the PEs."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import slot_layout

__all__ = ["Visits"]


class Visits(wiring.Component):
    """Judges a slot by the slots before it (`docs/engine.md`).

    A **visit** is a sequence of slots with the same `row`, a **run** one whose sums stay in the PEs: in FP
    and BP a visit, in WG a sequence with the same `tile`.

    Args:
        config: geometry.

    Members:
        wg: `In(1)`: Tile accumulates. slot: `In(slot_layout)`: at the line's input.
        pending: `In(1)`: its marks apply now or soon; closed: `In(2)`: accumulator banks without further
        slots.
        blocked: `Out(1)`: the slot must wait.
        take: `In(1)`: the slot is taken and carries work; drain: `In(1)`: a drain is taken instead (WG).
        visit: `Out(1)`: a taken slot starts a visit.
        read: `Out(1)`: the PEs get sums from the file, in this slot or drain.
        store: `Out(1)`: the sums that were in the PEs before go to the file; also without a slot (flush).
        occupied: `Out(2)`: a bit a bank: sums of this bank are in the PEs.

    Timing: combinational outputs; visits start at least `config.spacing` cycles apart, and a run does not
    start two cycles after a run with the same address (the word would be read while it is written).
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "wg": In(1),
                "slot": In(slot_layout(config)),
                "pending": In(1),
                "closed": In(2),
                "blocked": Out(1),
                "take": In(1),
                "drain": In(1),
                "visit": Out(1),
                "read": Out(1),
                "store": Out(1),
                "occupied": Out(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, slot, wg = self.config, self.slot, self.wg
        visiting = Signal()
        row = Signal(config.row_bits, reset_less=True)
        held = Signal()
        tile = Signal(config.tile_bits, reset_less=True)
        bank = Signal(reset_less=True)
        since = Signal(range(config.spacing + 1), init=config.spacing)
        moved = Signal()
        held_before = Signal()
        tile_before = Signal(config.tile_bits, reset_less=True)

        visit = Signal()
        run = Signal()
        far = Signal()
        near = Signal()
        flush = Signal()
        m.d.comb += [
            # In WG another walk's operands may be in the same place.
            visit.eq(~visiting | (wg & self.pending) | (row != slot.row)),
            run.eq(Mux(wg, ~held | (tile != slot.tile), visit)),
            far.eq(since == config.spacing),
            near.eq(wg & run & moved & held_before & (tile_before == slot.tile)),
            self.blocked.eq((visit & ~far) | near),
            flush.eq(held & self.closed.bit_select(bank, 1) & ~self.take & ~self.drain & (wg | far)),
            self.visit.eq(self.take & visit),
            self.read.eq((self.take & run) | self.drain),
            self.store.eq(held & (self.read | flush)),
            self.occupied.eq(Cat(~bank, bank) & held.replicate(2)),
        ]
        m.d.sync += [moved.eq(self.read | flush), held_before.eq(held), tile_before.eq(tile)]
        with m.If(self.visit):
            m.d.sync += since.eq(1)
        with m.Elif(~far):
            m.d.sync += since.eq(since + 1)
        with m.If(self.take):
            m.d.sync += [
                visiting.eq(1),
                row.eq(slot.row),
                held.eq(1),
                tile.eq(slot.tile),
                bank.eq(Mux(wg, slot.tile_bank, slot.row_bank)),
            ]
        with m.Else():
            with m.If(flush | self.drain):
                m.d.sync += held.eq(0)
            with m.If(Mux(wg, self.pending, flush)):
                m.d.sync += visiting.eq(0)
        return m

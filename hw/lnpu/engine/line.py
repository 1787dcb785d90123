"""A line: PEs that share one slot stream, with a Tile file and a Row file that swap roles."""

import functools
import operator

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.engine.banks import Banks
from lnpu.engine.config import EngineConfig
from lnpu.engine.drain import Drain
from lnpu.engine.group import Group, group_control
from lnpu.engine.payloads import line_drain, line_word, row_beat, slot_layout, tile_beat
from lnpu.engine.row_file import RowFile
from lnpu.engine.visits import Visits
from lnpu.numeric.pe import Pe, PeBroadcast

__all__ = ["CAUSES", "Line"]

CAUSES = (
    "issue8",
    "issue16",
    "lost_pixel",
    "lost_tile",
    "lost_drain",
    "lost_backpressure",
    "empty",
)
"""What a line says of a cycle."""


class Line(wiring.Component):
    """Executes slots (`docs/engine.md`, section 3).

    Args:
        config: geometry.

    Members:
        start: `In(1)`: begin a pass from any state: forget what is under way, all accumulators become zero.
        wg: `In(1)`: Tile accumulates, else Row. scale: `In(signed(9))`, exponent of fp8 inputs; top:
        `In(signed(9))`, of the window. Constant from `start` to the end of the pass.
        slots: `In(stream(slot_layout))`; a row is a multiple of `groups` (in WG of `operand_words`).
        tile_valid: `In(1)`, tile_beat: `In(tile_beat)`: operands for the Tile file (FP, BP);
        row_valid: `In(1)`, row_beat: `In(row_beat)`: for the Row file (WG). Written at once.
        wanted: `Out(2)`, a bit a bank: the operand bank may be written; loaded: `In(2)`: it is complete, with
        its last beat or later.
        complete: `Out(2)`, a bit a bank: the accumulator bank is closed and all its sums are written: it may
        be drained; drained: `In(2)`: it was, after the last word has come out; it may be added to again.
        drain: `In(stream(line_drain))`, words: `Out(stream(line_word))`: in the order of requests, a request
        for a bank only while it is `complete`. A drained address is zero.
        overflow: `Out(1)`: a sum that was written saturated; sticky until `start`.
        issue8, issue16: `Out(1)`: a slot with work is taken; lost_pixel, lost_tile, lost_drain,
        lost_backpressure: `Out(1)`: a slot waits, for the reasons in `docs/engine.md`, section 4 (or for the
        clear after `start`: `lost_backpressure`); empty: `Out(1)`: none is offered, or one without work is
        taken. Exactly one of them is set in a cycle.

    Timing: one slot a cycle; the sums of group `q` hold a slot `latency + q` cycles after it was taken.
    `start` clears for as many cycles as the accumulators' file has words; before the first one nothing is
    accepted or wanted.
    """

    latency = 3 + Pe.latency

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "wg": In(1),
                "scale": In(signed(9)),
                "top": In(signed(9)),
                "slots": In(stream.Signature(slot_layout(config))),
                "tile_valid": In(1),
                "tile_beat": In(tile_beat(config)),
                "row_valid": In(1),
                "row_beat": In(row_beat(config)),
                "loaded": In(2),
                "wanted": Out(2),
                "complete": Out(2),
                "drained": In(2),
                "drain": In(stream.Signature(line_drain(config))),
                "words": Out(stream.Signature(line_word(config))),
                "overflow": Out(1),
                **{cause: Out(1) for cause in CAUSES},
            }
        )

    def elaborate(self, platform):
        outer = Module()
        started = Signal()
        with outer.If(self.start):
            outer.d.sync += started.eq(1)
        # A pass starts from the state after reset, but for the files, which are cleared.
        outer.submodules.core = ResetInserter(self.start)(self._core(started))
        return outer

    def _core(self, started):
        m = Module()
        config, wg = self.config, self.wg
        m.submodules.banks = banks = Banks(config)
        m.submodules.visits = visits = Visits(config)
        m.submodules.drainer = drain = Drain(config)
        m.submodules.row_file = row = RowFile(config)
        clear, place = self._clear(m, started)
        active = Signal()
        m.d.comb += active.eq(started & ~clear & ~self.start)
        self._accept(m, active, started, banks, visits, drain)

        slot = self.slots.payload
        fields = {"tile": config.tile_bits, "row": config.row_bits, "dual": 1, "lane": 1, "code": 16}
        event = data.StructLayout(dict.fromkeys(["work", "visit", "read", "store", "drain"], 1))
        groups = Signal(drain.groups.shape())
        now = Signal(event)
        events, groups_at = [now], [self.drain.payload.groups]
        for stage in "abcde":
            events.append(Signal(event, name=f"event_{stage}"))
            groups_at.append(Signal(groups.shape(), name=f"groups_{stage}", reset_less=True))
            m.d.sync += [events[-1].eq(events[-2]), groups_at[-1].eq(groups_at[-2])]
        _, at_a, at_b, at_c, at_d, at_e = events
        with m.If(at_d.drain):
            m.d.sync += groups.eq(groups_at[4])
        m.d.comb += [
            now.work.eq(visits.take),
            now.visit.eq(visits.visit),
            now.read.eq(visits.read),
            now.store.eq(visits.store),
            now.drain.eq(drain.slot),
        ]
        a, b, c = (Signal(data.StructLayout(fields), name=f"slot_{n}", reset_less=True) for n in "abc")
        m.d.sync += [a[name].eq(slot[name]) for name in fields]
        with m.If(drain.slot):
            m.d.sync += a.tile.eq(self.drain.payload.address)
        m.d.sync += [b.eq(a), c.tile.eq(b.tile), c.row.eq(b.row)]

        # The place of the sums in the PEs after stage C, and of those before stage D.
        sums_at, before = (Signal.like(place, name=name, reset_less=True) for name in ("sums_at", "before"))
        m.d.sync += before.eq(sums_at)
        with m.If(at_c.read):
            m.d.sync += sums_at.eq(Mux(wg, c.tile, c.row))

        first = Signal(group_control(config))
        m.d.comb += [
            first.read.eq(Mux(wg, at_c.read, at_a.work)),
            first.tile.eq(Mux(wg, c.tile, a.tile)),
            first.take.eq(Mux(wg, at_b.visit, at_b.work)),
            first.factor.eq(self._broadcast(m, at_b.work, b)),
            first.load.eq(at_d.read),
            first.store.eq(at_d.store),
            first.write.eq(at_d.store | at_e.drain | clear),
            first.full.eq(at_d.store),
            first.place.eq(Mux(clear, place, before)),
            row.wg.eq(wg),
            row.visit.eq(Mux(wg, at_a.visit, at_c.read | at_c.store)),
            row.row.eq(Mux(wg, a.row, c.row)),
            row.store.eq(Mux(wg, at_e.drain, at_d.store)),
            row.store_row.eq(before),
            row.drain.eq(drain.read),
            row.drain_row.eq(drain.row),
            row.clear.eq(clear),
            row.clear_row.eq(place),
            row.load.valid.eq(self.row_valid),
            row.load.beat.eq(self.row_beat),
            drain.idle.eq(row.idle),
            drain.index.eq(row.index),
            drain.sweep.eq(row.storing),
            drain.groups.eq(groups),
            drain.passing.eq(row.passing),
        ]
        self._groups(m, first, row)
        return m

    def _clear(self, m: Module, started):
        """Whether accumulators are being cleared, and which word."""
        config = self.config
        clear = Signal()
        todo = Signal(init=1)
        word = Signal(max(config.tile_bits, config.row_bits))
        m.d.comb += clear.eq(started & todo)
        with m.If(clear):
            m.d.sync += word.eq(word + 1)
            with m.If(word == Mux(self.wg, 2 * config.tile_entries, config.row_words) - 1):
                m.d.sync += todo.eq(0)
        return clear, word

    def _accept(self, m: Module, active, started, banks: Banks, visits: Visits, drain: Drain):
        """Whether the slot at the input is taken, and the cause if not."""
        slots, wg = self.slots, self.wg
        slot = slots.payload
        ready = Signal()
        connect(m, flipped(self.drain), drain.request)
        connect(m, drain.o, flipped(self.words))
        m.d.comb += [
            banks.active.eq(active),
            banks.started.eq(started),
            banks.wg.eq(wg),
            banks.slot.eq(slot),
            banks.valid.eq(slots.valid),
            banks.taken.eq(slots.valid & slots.ready),
            banks.occupied.eq(visits.occupied),
            banks.loaded.eq(self.loaded),
            banks.drained.eq(self.drained),
            self.wanted.eq(banks.wanted),
            self.complete.eq(banks.complete),
            visits.wg.eq(wg),
            visits.slot.eq(slot),
            visits.pending.eq(banks.pending),
            visits.closed.eq(banks.closed),
            visits.take.eq(slots.valid & slot.work & ready),
            visits.drain.eq(drain.slot),
            drain.wg.eq(wg),
            drain.active.eq(active),
            ready.eq(banks.operands & banks.sums & (~slot.work | (~drain.slot & ~visits.blocked))),
            slots.ready.eq(ready),
            self.empty.eq(~slots.valid | (ready & ~slot.work)),
            self.issue8.eq(visits.take & slot.dual),
            self.issue16.eq(visits.take & ~slot.dual),
        ]
        with m.If(slots.valid & ~ready):
            with m.If(active & ~banks.operands):
                m.d.comb += self.lost_tile.eq(1)
            with m.Elif(~banks.sums):
                m.d.comb += self.lost_backpressure.eq(1)
            with m.Elif(drain.slot):
                m.d.comb += self.lost_drain.eq(1)
            with m.Else():
                m.d.comb += self.lost_pixel.eq(1)

    def _broadcast(self, m: Module, work, b):
        """The unpacked input of stage C."""
        m.submodules.broadcast = broadcast = PeBroadcast()
        factor = Signal.like(broadcast.o, name="factor", reset_less=True)
        m.d.comb += [
            broadcast.valid.eq(work),
            broadcast.dual.eq(b.dual),
            broadcast.lane.eq(b.lane),
            broadcast.code.eq(b.code),
            broadcast.s.eq(self.scale),
            broadcast.top.eq(self.top),
        ]
        m.d.sync += factor.eq(broadcast.o)
        return factor

    def _groups(self, m: Module, control, row: RowFile):
        """The groups, each a cycle behind its neighbour, and what they send to the Row file."""
        config = self.config
        overflows, words = [], []
        for index in range(config.groups):
            m.submodules[f"group{index}"] = group = Group(config, index)
            if index:
                ahead, control = control, Signal(group_control(config), name=f"control{index}")
                m.d.sync += control.eq(ahead)
            m.d.comb += [
                group.wg.eq(self.wg),
                group.control.eq(control),
                group.load.valid.eq(self.tile_valid),
                group.load.beat.eq(self.tile_beat),
                group.row.eq(row.word),
                group.row_full.eq(row.full),
            ]
            overflows.append(group.overflow)
            words.append(group.words)
        # At most one word gets through, and none while the Row file's own word passes.
        chosen = [
            word & (row.storing & (row.index == index)).replicate(len(word))
            for index, word in enumerate(words)
        ]
        m.d.comb += row.sums.eq(functools.reduce(operator.or_, chosen))
        with m.If(Cat(*overflows).any()):
            m.d.sync += self.overflow.eq(1)

"""A line: PEs that share one slot stream, with a Tile file and a Row file that swap roles."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.array.config import LineConfig
from lnpu.array.drain import Drain
from lnpu.array.payloads import WORD, drain_command, drained_word, operand_word, slot_layout
from lnpu.array.runs import RunTracker
from lnpu.buffer.file import BankedFile, address_layout
from lnpu.numeric.pe import Pe, PeBroadcast, broadcast_layout

__all__ = ["Line"]


class Line(wiring.Component):
    """Executes slots (`docs/engine.md`).

    Args:
        config: geometry.

    Members:
        start: `In(1)`: begin a pass, abandon what is under way. wg: `In(1)`: Tile accumulates, else Row.
        scale: `In(signed(9))`, exponent of fp8 inputs; top: `In(signed(9))`, of the window. Constant from
        `start` to the end of the pass.
        slots: `In(stream(slot_layout))`; loads: `In(stream(operand_word))`, bank after bank;
        drains: `In(stream(drain_command))`; o: `Out(stream(drained_word))`.
        overflow: `Out(1)`, a sum that was written back saturated; sticky until `start`.
        issue: `Out(1)`: a slot with work is taken.

    Timing: one slot a cycle while its banks are ready; a slot's sum is in the accumulators `latency` cycles
    after it was taken. `start` takes as many cycles as the larger file has entries; before the first one
    nothing is accepted.
    """

    latency = 3 + Pe.latency

    def __init__(self, config: LineConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "wg": In(1),
                "scale": In(signed(9)),
                "top": In(signed(9)),
                "slots": In(stream.Signature(slot_layout(config))),
                "loads": In(stream.Signature(operand_word(config))),
                "drains": In(stream.Signature(drain_command(config))),
                "o": Out(stream.Signature(drained_word(config))),
                "overflow": Out(1),
                "issue": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        width = WORD * config.lanes
        m.submodules.tile = tile = BankedFile(config.tile_entries, width)
        m.submodules.row = row = BankedFile(config.row_entries, width)
        m.submodules.runs = runs = RunTracker(config.entry_bits)
        m.submodules.drain = drain = Drain(config)

        taken = self._banks(m, drain, runs)
        a_valid = Signal()
        a = Signal(slot_layout(config), reset_less=True)
        m.d.sync += a_valid.eq(taken)
        with m.If(taken):
            m.d.sync += a.eq(self.slots.payload)

        # Stage B: the operand arrives from RAM while the input is unpacked.
        b_valid = Signal()
        b = Signal(slot_layout(config), reset_less=True)
        m.d.sync += [b_valid.eq(a_valid), b.eq(a)]
        m.submodules.broadcast = broadcast = PeBroadcast()
        m.d.comb += [
            broadcast.valid.eq(b_valid & b.work),
            broadcast.dual.eq(b.dual),
            broadcast.lane.eq(b.lane),
            broadcast.code.eq(b.code),
            broadcast.s.eq(self.scale),
            broadcast.top.eq(self.top),
        ]
        operand = Signal(width)
        m.d.comb += operand.eq(Mux(self.wg, row.data, tile.data))

        # Stage C: the PEs multiply; the accumulator file is asked for the sum of a new run.
        factor = Signal(broadcast_layout(), reset_less=True)
        c_valid = Signal()
        c = Signal(slot_layout(config), reset_less=True)
        m.d.sync += [factor.eq(broadcast.o), c_valid.eq(b_valid), c.eq(b)]
        m.d.comb += [
            runs.work.eq(c_valid & c.work),
            runs.last.eq(c_valid & c.last),
            runs.at.entry.eq(Mux(self.wg, c.tile, c.row)),
            runs.at.bank.eq(Mux(self.wg, c.tile_bank, c.row_bank)),
            runs.clear.eq(self.start),
        ]
        with m.If(self.start):
            m.d.sync += [a_valid.eq(0), b_valid.eq(0), c_valid.eq(0)]

        words, overflow = self._pes(m, factor, operand, runs, Mux(self.wg, tile.data, row.data))
        with m.If(self.start):
            m.d.sync += self.overflow.eq(0)
        with m.Elif(runs.write & overflow):
            m.d.sync += self.overflow.eq(1)

        self._connect(m, tile, self.wg, a.tile, a.tile_bank, a_valid & a.work, runs, drain, words)
        self._connect(m, row, ~self.wg, a.row, a.row_bank, a_valid & a.work, runs, drain, words)
        m.d.comb += [
            self.o.valid.eq(drain.valid),
            self.o.payload.last.eq(drain.last),
            self.o.payload.lanes.eq(Mux(self.wg, tile.drained, row.drained)),
        ]
        return m

    def _banks(self, m: Module, drain: Drain, runs: RunTracker):
        """Who owns which bank, and whether a slot is taken."""
        slot, load = self.slots.payload, self.loads.payload
        started = Signal()
        loaded = Signal(2)
        closed = Signal(2)
        complete = Signal(2)
        running = Signal()
        taken = Signal()
        operand_bank = Mux(self.wg, slot.row_bank, slot.tile_bank)
        sum_bank = Mux(self.wg, slot.tile_bank, slot.row_bank)
        wiring.connect(m, wiring.flipped(self.drains), drain.command)
        m.d.comb += [
            running.eq(started & ~drain.clearing & ~self.start),
            self.slots.ready.eq(
                running & loaded.bit_select(operand_bank, 1) & ~closed.bit_select(sum_bank, 1)
            ),
            self.loads.ready.eq(running & ~loaded.bit_select(load.bank, 1)),
            taken.eq(self.slots.valid & self.slots.ready),
            self.issue.eq(taken & slot.work),
            drain.start.eq(self.start),
            drain.complete.eq(complete),
            drain.ready.eq(self.o.ready),
        ]
        for bank in range(2):
            with m.If(taken & slot.release & (operand_bank == bank)):
                m.d.sync += loaded[bank].eq(0)
            with m.If(self.loads.valid & self.loads.ready & load.last & (load.bank == bank)):
                m.d.sync += loaded[bank].eq(1)
            with m.If(taken & slot.last & (sum_bank == bank)):
                m.d.sync += closed[bank].eq(1)
            with m.If(runs.complete & (runs.bank == bank)):
                m.d.sync += complete[bank].eq(1)
            with m.If(drain.done[bank]):
                m.d.sync += [closed[bank].eq(0), complete[bank].eq(0)]
        with m.If(self.start):
            m.d.sync += [started.eq(1), loaded.eq(0), closed.eq(0), complete.eq(0)]
        return taken

    def _pes(self, m: Module, factor, operand, runs: RunTracker, fetched):
        """The PEs with their operand registers; returns the words and whether one of them saturated."""
        config = self.config
        words = Signal(WORD * config.lanes)
        held = Signal(WORD * config.lanes, reset_less=True)
        base = Signal(WORD * config.lanes)
        m.d.comb += base.eq(Mux(runs.bypass, held, fetched))
        with m.If(runs.write):
            m.d.sync += held.eq(words)
        overflows = []
        for n in range(config.pes):
            m.submodules[f"pe{n}"] = pe = Pe()
            m.d.comb += [pe.a.eq(factor), pe.load.eq(runs.load)]
            for half in range(2):
                lane = half * config.pes + n
                b = Signal(16, name=f"operand{lane}", reset_less=True)
                m.d.sync += b.eq(operand.word_select(lane, WORD)[:16])
                m.d.comb += [
                    pe.b[half].eq(b),
                    pe.c[half].eq(base.word_select(lane, WORD)),
                    words.word_select(lane, WORD).eq(pe.word[half]),
                ]
            overflows.append(pe.overflow.any())
        return words, Cat(*overflows).any()

    def _connect(
        self, m: Module, file: BankedFile, sums, entry, bank, work, runs: RunTracker, drain: Drain, words
    ):
        """One file: accumulators where `sums`, else operands."""
        load = self.loads.payload
        lanes = Cat(Cat(lane, Const(0, WORD - 16)) for lane in load.lanes)
        address = address_layout(len(file.read_at.entry))
        slot = Signal(address)
        write = Signal(address)
        m.d.comb += [
            slot.entry.eq(Mux(sums, runs.at.entry, entry)),
            slot.bank.eq(Mux(sums, runs.at.bank, bank)),
            write.entry.eq(Mux(sums, runs.write_at.entry, load.entry)),
            write.bank.eq(Mux(sums, runs.write_at.bank, load.bank)),
            file.read_at.eq(slot),
            file.read.eq(Mux(sums, runs.read, work)),
            file.drain.eq(sums & drain.drain),
            file.fetch.eq(drain.fetch),
            file.drain_at.entry.eq(drain.at.entry),
            file.drain_at.bank.eq(drain.at.bank),
            file.write_at.eq(write),
            file.write.eq(Mux(sums, runs.write, self.loads.valid & self.loads.ready)),
            file.word.eq(Mux(sums, words, lanes)),
            file.clear.eq(Mux(sums, drain.clear, 0)),
            file.clear_entry.eq(drain.clear_entry),
        ]

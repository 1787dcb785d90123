"""Read-modify-write of the accumulator file: a run of slots with one address is one read and one write."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.buffer.file import address_layout

__all__ = ["RunTracker"]


class RunTracker(wiring.Component):
    """Decides when a sum is fetched and when it is written back (`docs/engine.md`, section 3).

    Args:
        bits: of an entry's number.

    Members:
        work: `In(1)`: a slot adds to `at` (`In(address)`); last: `In(1)`: a slot ends the accumulator bank
        `at.bank`; clear: `In(1)`: forget the run.
        read: `Out(1)`: fetch `at`, in the same cycle.
        load: `Out(1)`, one cycle later: the sum starts from the file, or from the word written last where
        `bypass` (`Out(1)`) is set.
        write: `Out(1)`, write_at: `Out(address)`: the accumulators' present words belong there.
        complete: `Out(1)`, bank: `Out(1)`: this bank's sums are written by the end of this cycle.

    Timing: `work` in stage C, `load` in D, `write` in D (of the run before) or in E (after `last`),
    `complete` in E.
    """

    def __init__(self, bits: int):
        self.bits = bits
        super().__init__(
            {
                "work": In(1),
                "last": In(1),
                "at": In(address_layout(bits)),
                "clear": In(1),
                "read": Out(1),
                "load": Out(1),
                "bypass": Out(1),
                "write": Out(1),
                "write_at": Out(address_layout(bits)),
                "complete": Out(1),
                "bank": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        address = address_layout(self.bits)
        # The run whose sum is in the accumulators once this cycle's slot is through, and one cycle ago: that
        # is both the run which a slot in stage D replaces and the one which a last slot in stage E leaves.
        running = Signal()
        place = Signal(address, reset_less=True)
        before = Signal(address, reset_less=True)
        load = Signal()
        bypass = Signal()
        replace = Signal()
        bank_d = Signal(reset_less=True)
        last_d = Signal()
        flush_d = Signal()
        bank_e = Signal(reset_less=True)
        last_e = Signal()
        flush_e = Signal()
        at = self.at.as_value()
        m.d.comb += [
            self.read.eq(self.work & ~(running & (place.as_value() == at))),
            self.load.eq(load),
            self.bypass.eq(bypass),
            # Not both at once: after `last` no run is open, so the next slot replaces none.
            self.write.eq(replace | flush_e),
            self.write_at.eq(before),
            self.complete.eq(last_e),
            self.bank.eq(bank_e),
        ]
        m.d.sync += [
            before.eq(place),
            load.eq(self.read),
            bypass.eq(self.read & self.write & (before.as_value() == at)),
            replace.eq(self.read & running),
            bank_d.eq(self.at.bank),
            last_d.eq(self.last),
            flush_d.eq(self.last & (self.work | running)),
            bank_e.eq(bank_d),
            last_e.eq(last_d),
            flush_e.eq(flush_d),
        ]
        with m.If(self.work):
            m.d.sync += [running.eq(1), place.eq(self.at)]
        with m.If(self.last):
            m.d.sync += running.eq(0)
        with m.If(self.clear):
            m.d.sync += [s.eq(0) for s in (running, load, replace, last_d, flush_d, last_e, flush_e)]
        return m

"""Banks of several lines, taken and given back: what Loader and Collector wait for."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Claims", "flags_layout"]


def flags_layout(lines: int) -> data.ArrayLayout:
    """Two bits a line, one a bank."""
    return data.ArrayLayout(2, lines)


class Claims(wiring.Component):
    """Says whether a bank is offered by all lines of a mask, and hides offers that are about to end.

    A line withdraws its offer only when it is told that the bank is done with; until then, a claim keeps
    the next command from taking the same offer again.

    Args:
        lines: number of lines.

    Members:
        offers: `In(flags_layout)`: what the lines offer.
        lines, bank: `In`: the command that waits. free: `Out(1)`: every line of the mask offers the bank, and
            it is not claimed. claim: `In(1)`: claim it.
        done_lines, done_bank: `In`: lines for which the bank is done with in this cycle.
        done: `Out(flags_layout)`: pulses to the lines.

    Timing: `free` and `done` are combinational. The offer of a line must be low in the cycle after its
    `done`.
    """

    def __init__(self, lines: int):
        flags = flags_layout(lines)
        super().__init__(
            {
                "offers": In(flags),
                "lines": In(lines),
                "bank": In(1),
                "free": Out(1),
                "claim": In(1),
                "done_lines": In(lines),
                "done_bank": In(1),
                "done": Out(flags),
            }
        )
        self.count = lines

    def elaborate(self, platform):
        m = Module()
        missing = Signal(self.count)
        for n in range(self.count):
            claimed = Signal(2, name=f"claimed{n}")
            open_ = self.offers[n] & ~claimed
            m.d.comb += missing[n].eq(self.lines[n] & ~Mux(self.bank, open_[1], open_[0]))
            for bank in range(2):
                done = self.done_lines[n] & (self.done_bank == bank)
                m.d.comb += self.done[n][bank].eq(done)
                with m.If(self.claim & self.lines[n] & (self.bank == bank)):
                    m.d.sync += claimed[bank].eq(1)
                with m.Elif(done):
                    m.d.sync += claimed[bank].eq(0)
        m.d.comb += self.free.eq(missing == 0)
        return m

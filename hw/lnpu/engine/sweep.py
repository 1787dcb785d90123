"""Consecutive addresses, one a cycle: the words of a pixel, group after group."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Sweep", "low_bits"]


def low_bits(bits: int, count: int) -> int:
    """Bits of an address that change within a sweep of `count`: where that is a power of two, no carry leaves
    the low bits of a multiple of it."""
    return bits if count & (count - 1) else min(bits, (count - 1).bit_length())


class Sweep(wiring.Component):
    """Counts through the groups, beginning in the cycle of `start`.

    Args:
        bits: of an address. count: cycles of a sweep, at least 1. Where it is a power of two, a base must be
        a multiple of it (with `half`, of half of it): only the low bits count then, see `low_bits`.

    Members:
        start: `In(1)`, base: `In(bits)`: a new sweep, even if the last one has not ended;
        half: `In(1)`: the address advances every second cycle, else every cycle;
        busy: `Out(1)`, at: `Out(bits)`, index: `Out`: group, 0 to count - 1.

    Timing: `busy`, `at` and `index` are valid in the cycle of `start` and in `count` - 1 cycles behind it.
    """

    def __init__(self, bits: int, count: int):
        if count < 1:
            raise ValueError(f"`count` must be at least 1, not {count}")
        self.bits, self.count = bits, count
        super().__init__(
            {
                "start": In(1),
                "base": In(bits),
                "half": In(1),
                "busy": Out(1),
                "at": Out(bits),
                "index": Out(max(1, (count - 1).bit_length())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        low = low_bits(self.bits, self.count)
        running = Signal()
        after = Signal(self.bits, reset_less=True)
        index = Signal.like(self.index)
        m.d.comb += [
            self.busy.eq(self.start | running),
            self.at.eq(Mux(self.start, self.base, after)),
            self.index.eq(Mux(self.start, 0, index)),
        ]
        m.d.sync += [
            running.eq(self.busy & (self.index != self.count - 1)),
            index.eq(self.index + 1),
            after[:low].eq(self.at[:low] + Mux(self.half, self.index[0], 1)),
            after[low:].eq(self.at[low:]),
        ]
        return m

"""Who gets the next pixel: the policies of the balancer (`docs/engine.md`, section 6)."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.engine.config import EngineConfig, Policy

__all__ = ["TIME_BITS", "Dynamic", "Rotation", "chooser"]

TIME_BITS = 20
"""Bits of a virtual time. Times wrap; they are compared by their difference, which is at most the slots of
one line between two drains of its Row bank, below 2^19."""

WORK_BITS = 8
"""Slots of a block: 64 elements of two."""


def _ports(lines: int) -> dict:
    return {
        "open": In(lines),
        "dealt": In(1),
        "over": In(1),
        "give": In(lines),
        "work": In(WORK_BITS),
        "choice": Out(lines),
    }


class Rotation(wiring.Component):
    """Lines in turn; a line that is full is passed over, but keeps its turn.

    Args:
        lines: 2 to 8. turning: pixel 0 of each walk goes to the line behind the one of the walk before.

    Members:
        open: `In(lines)`: lines with room. dealt: `In(1)`: a pixel has gone to `choice`; over: `In(1)`: the
        walk is over. give, work: not used. choice: `Out(lines)`, one bit.

    Timing: `choice` is combinational in `open`.
    """

    def __init__(self, lines: int, turning: bool):
        self.lines = lines
        self.turning = turning
        super().__init__(_ports(lines))

    def elaborate(self, platform):
        m = Module()
        lines = self.lines
        first = Signal(lines, init=1)
        wanted = Signal(lines, init=1)
        with m.If(self.over):
            turned = first.rotate_left(1) if self.turning else first
            m.d.sync += [first.eq(turned), wanted.eq(turned)]
        with m.Elif(self.dealt):
            m.d.sync += wanted.eq(wanted.rotate_left(1))
        # The turn passes over lines without room. Two rounds: the second one closes the ring.
        passed = Signal(2 * lines)
        for n in range(2 * lines):
            before = passed[n - 1] & ~self.open[(n - 1) % lines] if n else 0
            start = wanted[n] if n < lines else 0
            m.d.comb += passed[n].eq(start | before)
        for n in range(lines):
            m.d.comb += self.choice[n].eq(self.open[n] & (passed[n] | passed[n + lines]))
        return m


class Dynamic(wiring.Component):
    """The line with the least work so far, the lower one among equals.

    Args:
        lines: 2 to 8.

    Members:
        open, dealt, over, choice: as in `Rotation`. give: `In(lines)`: lines that are given a block of
        `work` slots. A pixel counts as one slot more, so that pixels without work are spread as well.

    Timing: `choice` is combinational in `open`; work counts from the next cycle on.
    """

    def __init__(self, lines: int):
        self.lines = lines
        super().__init__(_ports(lines))

    def elaborate(self, platform):
        m = Module()
        lines = self.lines
        times = [Signal(TIME_BITS, name=f"time{n}") for n in range(lines)]
        for n, time in enumerate(times):
            with m.If(self.give[n]):
                m.d.sync += time.eq(time + self.work + self.dealt)
        beaten = [[] for _ in range(lines)]
        for low in range(lines):
            for high in range(low + 1, lines):
                gap = Signal(TIME_BITS, name=f"gap{low}_{high}")
                m.d.comb += gap.eq(times[high] - times[low])
                beaten[low].append(self.open[high] & gap[-1])
                beaten[high].append(self.open[low] & ~gap[-1])
        for n in range(lines):
            worse = Signal(len(beaten[n]), name=f"worse{n}")
            m.d.comb += [bit.eq(value) for bit, value in zip(worse, beaten[n], strict=True)]
            m.d.comb += self.choice[n].eq(self.open[n] & (worse == 0))
        return m


class _Single(wiring.Component):
    """One line gets everything."""

    def __init__(self):
        super().__init__(_ports(1))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.choice.eq(1)
        return m


def chooser(config: EngineConfig) -> wiring.Component:
    """The component of a policy."""
    if config.lines == 1:
        return _Single()
    if config.policy is Policy.DYNAMIC:
        return Dynamic(config.lines)
    return Rotation(config.lines, config.policy is Policy.ROTATE)

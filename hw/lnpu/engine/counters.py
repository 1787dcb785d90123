"""Performance counters: what every line did with every cycle; the causes add up to lines times cycles."""

import enum

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["COUNTER_BITS", "Cause", "Counters", "counts_layout"]

COUNTER_BITS = 32
"""Bits of a counter; counters wrap."""


class Cause(enum.IntEnum):
    """What a line did with a cycle."""

    ISSUE8 = 0
    """Issued an fp8 element to both lanes of its PEs."""
    ISSUE16 = 1
    """Issued an fp16 element to one lane of its PEs."""
    PIXEL = 2
    """Lost: pixels follow each other faster than the Row file takes them, or a sum is on its way to its
    file."""
    TILE = 3
    """Lost: the operand bank is not loaded yet."""
    DRAIN = 4
    """Lost: the cycle went to a drain of the Tile file."""
    BACKPRESSURE = 5
    """Lost: the accumulator bank is not drained yet."""
    STARVED = 6
    """Lost: blocks are being looked up or fetched from the X buffer."""
    FILL = 7
    """Lost: the X bank is not filled yet."""
    TAIL = 8
    """Lost: nothing is dealt to this line while others work (balancer)."""


def counts_layout() -> data.StructLayout:
    """A counter for each cause (line cycles from the first to the last issue), `cycles` of this time, `lead`:
    cycles from `start` to the first issue, `total`: cycles from `start` to the last drain's end."""
    names = [cause.name.lower() for cause in Cause]
    return data.StructLayout(dict.fromkeys([*names, "cycles", "lead", "total"], COUNTER_BITS))


class Counters(wiring.Component):
    """Counts what the lines report.

    Args:
        lines: number of lines.

    Members:
        start: `In(1)`: all counters to zero. drained: `In(1)`: a drain has ended.
        causes: `lines` times `In(9)`, bit `Cause`, exactly one of them set in a cycle.
        counts: `Out(counts_layout)`: as of the last issue and the last drain.

    Timing: a cycle's causes are in `counts` two cycles later.
    """

    def __init__(self, lines: int):
        self.lines = lines
        super().__init__(
            {
                "start": In(1),
                "drained": In(1),
                "causes": In(len(Cause)).array(lines),
                "counts": Out(counts_layout()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        issued = Signal()
        any_issue = Signal()
        m.d.comb += any_issue.eq(
            sum(causes[cause] for causes in self.causes for cause in (Cause.ISSUE8, Cause.ISSUE16)) != 0
        )
        open_ = Signal()
        m.d.comb += open_.eq(issued | any_issue)
        running = Signal(counts_layout())
        for cause in Cause:
            name = cause.name.lower()
            lines = Signal(range(self.lines + 1), name=f"{name}_lines")
            m.d.comb += lines.eq(sum(causes[cause] for causes in self.causes))
            with m.If(open_):
                m.d.sync += running[name].eq(running[name] + lines)
        commit = Signal()
        m.d.sync += commit.eq(any_issue)
        with m.If(any_issue):
            m.d.sync += issued.eq(1)
        with m.If(open_):
            m.d.sync += running.cycles.eq(running.cycles + 1)
        with m.Else():
            m.d.sync += running.lead.eq(running.lead + 1)
        m.d.sync += running.total.eq(running.total + 1)
        with m.If(self.drained):
            m.d.sync += self.counts.total.eq(running.total)
        with m.If(commit):
            for name in [*(cause.name.lower() for cause in Cause), "cycles", "lead"]:
                m.d.sync += self.counts[name].eq(running[name])
        with m.If(self.start):
            m.d.sync += [running.eq(0), self.counts.eq(0), issued.eq(0), commit.eq(0)]
        return m

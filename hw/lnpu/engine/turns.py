"""Round robin."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Turns"]


class Turns(wiring.Component):
    """Grants one request a cycle; the one that was granted last comes last.

    Args:
        count: of requesters, at least 1.

    Members:
        requests: `In(count)`. grants: `Out(count)`, at most one bit, in the same cycle.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__({"requests": In(count), "grants": Out(count)})

    def elaborate(self, platform):
        m = Module()
        # Requesters behind the one that was granted last, up to the end.
        behind, favoured, first = (Signal(self.count, name=name) for name in ("behind", "favoured", "first"))
        m.d.comb += [favoured.eq(self.requests & behind), first.eq(self.requests)]
        with m.If(favoured.any()):
            m.d.comb += first.eq(favoured)
        for n in range(self.count):
            m.d.comb += self.grants[n].eq(first[n] & ~first[:n].any())
            with m.If(self.requests.any()):
                m.d.sync += behind[n].eq(self.grants[:n].any())
        return m

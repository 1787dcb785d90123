"""Elastic pipeline rank: one register between two streams."""

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Rank"]


class Rank(wiring.Component):
    """Registers a stream once; holds its payload until it is taken.

    Bubbles collapse: a rank accepts whenever it is empty or its content leaves. `o.valid` and `o.payload`
    come from registers, so ready never reaches valid; ready passes through combinationally.

    Args:
        shape: payload shape of both streams.

    Members:
        i: `In(stream)`; o: `Out(stream)`.
        accept: `Out(1)`, high in the cycle in which a beat enters, for state that travels beside the rank.

    Timing: latency 1, one beat a cycle.
    """

    latency = 1

    def __init__(self, shape: ShapeLike):
        super().__init__(
            {"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)), "accept": Out(1)}
        )
        self._shape = shape

    def elaborate(self, platform):
        m = Module()
        payload = Signal(self._shape, reset_less=True)
        valid = Signal()
        m.d.comb += [
            self.o.payload.eq(payload),
            self.o.valid.eq(valid),
            self.i.ready.eq(~valid | self.o.ready),
            self.accept.eq(self.i.valid & self.i.ready),
        ]
        with m.If(self.i.ready):
            m.d.sync += valid.eq(self.i.valid)
        with m.If(self.accept):
            m.d.sync += payload.eq(self.i.payload)
        return m

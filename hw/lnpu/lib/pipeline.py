"""Elastic pipeline rank: one register between two streams."""

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

__all__ = ["Rank", "register", "through"]


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


def through(m: Module, name: str, source, stage: wiring.Component):
    """Send a stream through a combinational stage with members `i` and `o`, added as submodule `name`.

    Returns:
        The stream behind it, handshake passed through.
    """
    m.submodules[name] = stage
    after = stream.Signature(stage.o.shape()).create(path=(f"after_{name}",))
    m.d.comb += [
        stage.i.eq(source.payload),
        after.payload.eq(stage.o),
        after.valid.eq(source.valid),
        source.ready.eq(after.ready),
    ]
    return after


def register(m: Module, name: str, source):
    """Send a stream through a `Rank`, added as submodule `rank_<name>`; returns the stream behind it."""
    m.submodules[f"rank_{name}"] = rank = Rank(source.payload.shape())
    connect(m, source, rank.i)
    return rank.o

"""Block guard: a malformed block leaves no trace downstream."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.codec.payloads import sparse_beat
from lnpu.lib.pipeline import Rank

__all__ = ["BlockGuard"]


class BlockGuard(wiring.Component):
    """Holds a block back until its end is known to be good; replaces a bad block by its end alone.

    Args:
        depth: beats that are stored; a power of two, at least 128: a full block of 64 elements leaves while
            the next one enters, and a malformed one of 65 beats still fits.

    Members:
        i, o: `In` and `Out` of `stream(sparse_beat)`.

    Timing: one beat a cycle; latency from a block's last beat to its first: 2 cycles.
    """

    def __init__(self, depth: int = 128):
        if depth < 128 or depth & (depth - 1):
            raise ValueError(f"`depth` must be a power of two and at least 128, not {depth}")
        super().__init__(
            {"i": In(stream.Signature(sparse_beat())), "o": Out(stream.Signature(sparse_beat()))}
        )
        self.depth = depth

    def elaborate(self, platform):
        m = Module()
        m.submodules.rank = rank = Rank(sparse_beat())
        m.submodules.memory = memory = Memory(shape=sparse_beat(), depth=self.depth, init=[])
        wiring.connect(m, rank.o, wiring.flipped(self.o))
        write, read = memory.write_port(), memory.read_port(domain="comb")

        # One bit more than the address tells full from empty.
        bits = range(2 * self.depth)
        head, start, tail = Signal(bits), Signal(bits), Signal(bits)  # next write, block's first, next read
        full, bad = Signal(), Signal()
        place = Signal(bits)
        m.d.comb += [
            full.eq((head ^ tail) == self.depth),
            self.i.ready.eq(~full),
            bad.eq(self.i.payload.last & self.i.payload.bad),
            place.eq(Mux(bad, start, head)),
            write.en.eq(self.i.valid & self.i.ready),
            write.addr.eq(place[:-1]),
            write.data.eq(self.i.payload),
        ]
        with m.If(write.en):
            m.d.sync += head.eq(place + 1)
            with m.If(self.i.payload.last):
                m.d.sync += start.eq(place + 1)

        m.d.comb += [
            read.addr.eq(tail[:-1]),
            rank.i.payload.eq(read.data),
            rank.i.valid.eq(tail != start),
        ]
        with m.If(rank.i.valid & rank.i.ready):
            m.d.sync += tail.eq(tail + 1)
        return m

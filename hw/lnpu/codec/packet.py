"""A FIFO whose newest items can be taken back until they are committed."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["PacketFifo"]


class PacketFifo(wiring.Component):
    """Items become readable with a commit, which keeps the first `keep` items written since the last one.

    Args:
        shape: of an item. depth: a power of two, at least 2.

    Members:
        write, data, address: store an item at `address`, counted from the last commit; at most `depth` items
            beyond the reader. Items must be written in any order before they are committed.
        commit, keep: in the same cycle as the last write or later, make the first `keep` items readable.
        level: free places behind the last commit.
        o: `Out(stream(shape))`, the oldest readable item.

    Timing: an item is readable in the cycle after its commit; one item a cycle.
    """

    def __init__(self, shape: ShapeLike, depth: int):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"`depth` must be a power of two and at least 2, not {depth}")
        super().__init__(
            {
                "write": In(1),
                "data": In(shape),
                "address": In(range(depth)),
                "commit": In(1),
                "keep": In(range(depth + 1)),
                "level": Out(range(depth + 1)),
                "o": Out(stream.Signature(shape)),
            }
        )
        self._shape, self._depth = shape, depth

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._shape, depth=self._depth, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        # One bit more than the address tells full from empty.
        start, tail = Signal(range(2 * self._depth)), Signal(range(2 * self._depth))
        stored = Signal(range(self._depth + 1))
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq((start + self.address)[: len(write.addr)]),
            write.data.eq(self.data),
            read.addr.eq(tail[:-1]),
            self.o.payload.eq(read.data),
            self.o.valid.eq(start != tail),
            stored.eq((start - tail)[: len(start)]),
            self.level.eq(self._depth - stored),
        ]
        m.d.sync += start.eq(start + Mux(self.commit, self.keep, 0))
        m.d.sync += tail.eq(tail + (self.o.valid & self.o.ready))
        return m

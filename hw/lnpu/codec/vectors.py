"""Vector store of the dense decoder: a block leaves when it is complete, as zeros if it is malformed."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import BLOCK
from lnpu.codec.payloads import dense_beat
from lnpu.lib.pipeline import Rank

__all__ = ["VectorStore"]


class VectorStore(wiring.Component):
    """Two full blocks of vectors.

    Args:
        lanes: elements of a vector, 1, 2 or 4.

    Members:
        ready, write, elements, last, finish, bad: from the merger.
        o: `Out(stream(dense_beat(lanes)))`.

    Timing: one vector a cycle while the next block enters.
    """

    def __init__(self, lanes: int):
        super().__init__(
            {
                "ready": Out(1),
                "write": In(1),
                "elements": In(data.ArrayLayout(16, lanes)),
                "last": In(1),
                "finish": In(1),
                "bad": In(1),
                "o": Out(stream.Signature(dense_beat(lanes))),
            }
        )
        self.lanes, self.depth = lanes, 2 * BLOCK // lanes

    def elaborate(self, platform):
        m = Module()
        shape = data.StructLayout({"elements": data.ArrayLayout(16, self.lanes), "last": 1})
        m.submodules.rank = rank = Rank(dense_beat(self.lanes))
        m.submodules.memory = memory = Memory(shape=shape, depth=self.depth, init=[])
        # A block has at least one vector, so there are at most as many blocks as vectors.
        m.submodules.flags = flags = Memory(shape=1, depth=self.depth, init=[])
        wiring.connect(m, rank.o, wiring.flipped(self.o))
        write, read = memory.write_port(), memory.read_port(domain="comb")
        flag_write, flag_read = flags.write_port(), flags.read_port(domain="comb")

        # One bit more than the address tells full from empty.
        bits = range(2 * self.depth)
        head, start, tail = Signal(bits), Signal(bits), Signal(bits)  # next write, next block, next read
        block_in, block_out = Signal(range(self.depth)), Signal(range(self.depth))
        after = Signal(bits)
        m.d.comb += [
            self.ready.eq((head ^ tail) != self.depth),
            after.eq(head + self.write),
            write.en.eq(self.write),
            write.addr.eq(head[:-1]),
            write.data.elements.eq(self.elements),
            write.data.last.eq(self.last),
            flag_write.en.eq(self.finish),
            flag_write.addr.eq(block_in),
            flag_write.data.eq(self.bad),
        ]
        m.d.sync += head.eq(after)
        with m.If(self.finish):
            m.d.sync += [start.eq(after), block_in.eq(block_in + 1)]

        beat = rank.i.payload
        m.d.comb += [
            read.addr.eq(tail[:-1]),
            flag_read.addr.eq(block_out),
            beat.last.eq(read.data.last),
            beat.bad.eq(flag_read.data & read.data.last),
            rank.i.valid.eq(tail != start),
        ]
        for lane in range(self.lanes):
            m.d.comb += beat.elements[lane].eq(Mux(flag_read.data, 0, read.data.elements[lane]))
        with m.If(rank.i.valid & rank.i.ready):
            m.d.sync += tail.eq(tail + 1)
            with m.If(read.data.last):
                m.d.sync += block_out.eq(block_out + 1)
        return m

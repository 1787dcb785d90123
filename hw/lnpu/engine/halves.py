"""Words of rows that wait for their decoder."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import WORD_BITS
from lnpu.codec.payloads import word
from lnpu.engine.group import NO_CHECK

__all__ = ["DEPTH", "HALF", "HalfWords", "half_layout"]

DEPTH = 512
"""Words: what two block RAMs of 36 bits hold."""
HALF = WORD_BITS // 2


def half_layout() -> data.StructLayout:
    """Half a word, the low one first; `last` marks the row's last one."""
    return data.StructLayout({"data": HALF, "last": 1})


class HalfWords(wiring.Component):
    """FIFO in block RAM that gives halves of words.

    Args:
        depth: words, a power of two.

    Members:
        i: `In(stream(word))`. o: `Out(stream(half_layout))`; its payload comes from the RAM's output.

    Timing: a word in and a half out a cycle; latency 2 cycles.
    """

    def __init__(self, depth: int = DEPTH):
        super().__init__({"i": In(stream.Signature(word())), "o": Out(stream.Signature(half_layout()))})
        self.depth = depth

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=word(), depth=self.depth, init=[], attrs=NO_CHECK)
        write, read = memory.write_port(), memory.read_port()
        head, tail = Signal(range(self.depth)), Signal(range(self.depth))
        # Words in the RAM. A word counts from the cycle behind its write: no read meets the write.
        level = Signal(range(self.depth + 1))
        shown, high = Signal(), Signal()
        spent = self.o.ready & high
        m.d.comb += [
            self.i.ready.eq(level != self.depth),
            write.en.eq(self.i.valid & self.i.ready),
            write.addr.eq(head),
            write.data.eq(self.i.payload),
            read.addr.eq(tail),
            read.en.eq((level != 0) & (~shown | spent)),
            self.o.valid.eq(shown),
            self.o.payload.data.eq(Mux(high, read.data.data[HALF:], read.data.data[:HALF])),
            self.o.payload.last.eq(read.data.last & high),
        ]
        with m.If(write.en):
            m.d.sync += head.eq(head + 1)
        with m.If(read.en):
            m.d.sync += tail.eq(tail + 1)
        with m.If(write.en & ~read.en):
            m.d.sync += level.eq(level + 1)
        with m.Elif(~write.en & read.en):
            m.d.sync += level.eq(level - 1)
        with m.If(read.en):
            m.d.sync += shown.eq(1)
        with m.Elif(shown & spent):
            m.d.sync += shown.eq(0)
        with m.If(shown & self.o.ready):
            m.d.sync += high.eq(~high)
        return m

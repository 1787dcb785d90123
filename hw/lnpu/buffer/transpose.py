"""Transposing weight buffer: a register file that is written and read by rows or by columns."""

import enum

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.lib.pipeline import Rank

__all__ = ["Axis", "TransposeBuffer", "access_layout", "vector_layout"]


class Axis(enum.IntEnum):
    """How a vector lies in a tile; the value is the `axis` field."""

    ROW = 0
    COLUMN = 1


def access_layout(size: int) -> data.StructLayout:
    """One vector of the tile: row or column `index`; `last` ends the tile."""
    return data.StructLayout({"index": (size - 1).bit_length(), "axis": 1, "last": 1})


def vector_layout(size: int) -> data.StructLayout:
    """A vector of fp16 elements, and where it goes."""
    return data.StructLayout(
        {
            "elements": data.ArrayLayout(16, size),
            "index": (size - 1).bit_length(),
            "axis": 1,
            "last": 1,
        }
    )


class TransposeBuffer(wiring.Component):
    """Two tiles of `size` x `size` fp16 elements: one is written while the other is read.

    A W tile that is written by rows and read by rows goes straight through (FP); written by columns and read
    by rows it is transposed (BP). Elements that a tile does not write keep what an earlier tile left.

    Args:
        size: 2 to 32 elements a side.
        read_axes: axes that the read port offers; rows alone take half of the read multiplexers.

    Members:
        i: `In(stream(vector_layout))`: write a vector; `last` gives the tile to the reader.
        read: `In(stream(access_layout))`: read a vector; `last` gives the tile back. A column read where
        `read_axes` has rows only gives the row.
        o: `Out(stream)` of `elements`, one beat a read, and `last`.

    Timing: one vector written and one read a cycle, also across tiles; a read takes 1 cycle, and a tile can
    be read in the cycle after its last write. `index` beyond the size addresses nothing: writes are lost,
    reads are undefined.
    """

    latency = 1

    def __init__(self, size: int, read_axes: tuple[Axis, ...] = (Axis.ROW, Axis.COLUMN)):
        if not 2 <= size <= 32:
            raise ValueError(f"`size` must be 2 to 32, not {size}")
        if Axis.ROW not in read_axes:
            raise ValueError("`read_axes` must have rows")
        self.size, self.read_axes = size, read_axes
        result = data.StructLayout({"elements": data.ArrayLayout(16, size), "last": 1})
        super().__init__(
            {
                "i": In(stream.Signature(vector_layout(size))),
                "read": In(stream.Signature(access_layout(size))),
                "o": Out(stream.Signature(result)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        size = self.size
        write, read = self.i.payload, self.read.payload
        m.submodules.rank = rank = Rank(self.o.payload.shape())
        wiring.connect(m, rank.o, wiring.flipped(self.o))
        full = Signal(2)
        filling = Signal()
        draining = Signal()
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(filling, 1)),
            rank.i.valid.eq(self.read.valid & full.bit_select(draining, 1)),
            self.read.ready.eq(rank.i.ready & full.bit_select(draining, 1)),
            rank.i.payload.last.eq(read.last),
        ]
        vectors = []
        for bank in range(2):
            here = Signal(name=f"write{bank}")
            m.d.comb += here.eq(self.i.valid & self.i.ready & (filling == bank))
            cells = self._cells(m, bank, here)
            rows = Array(Cat(cells[r]) for r in range(size))[read.index]
            columns = Array(Cat(row[c] for row in cells) for c in range(size))[read.index]
            vector = Signal(16 * size, name=f"vector{bank}")
            m.d.comb += vector.eq(Mux(read.axis, columns, rows) if Axis.COLUMN in self.read_axes else rows)
            vectors.append(vector)
            with m.If(here & write.last):
                m.d.sync += [full[bank].eq(1), filling.eq(1 - bank)]
            with m.If(self.read.valid & self.read.ready & read.last & (draining == bank)):
                m.d.sync += [full[bank].eq(0), draining.eq(1 - bank)]
        m.d.comb += rank.i.payload.elements.eq(Mux(draining, vectors[1], vectors[0]))
        return m

    def _cells(self, m: Module, bank: int, here: Signal) -> list[list[Signal]]:
        """The registers of a tile, [row][column]."""
        write, size = self.i.payload, self.size
        row_lines = Signal(size, name=f"rows{bank}")
        column_lines = Signal(size, name=f"columns{bank}")
        for n in range(size):
            hit = here & (write.index == n)
            m.d.comb += [row_lines[n].eq(hit & ~write.axis), column_lines[n].eq(hit & write.axis)]
        cells = []
        for r in range(size):
            cells.append([])
            for c in range(size):
                cell = Signal(16, name=f"cell{bank}_{r}_{c}", reset_less=True)
                with m.If(row_lines[r] | column_lines[c]):
                    m.d.sync += cell.eq(Mux(write.axis, write.elements[r], write.elements[c]))
                cells[r].append(cell)
        return cells

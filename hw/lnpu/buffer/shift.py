"""Transposing buffer that shifts: columns in, rows out, no read multiplexers."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.buffer.transpose import access_layout, vector_layout

__all__ = ["ShiftTransposer"]


class ShiftTransposer(wiring.Component):
    """Two tiles of `size` x `size` fp16 elements: columns fill the first one; when it is complete and the
    second one is empty, it moves there in one cycle and leaves it row by row.

    The first tile needs no multiplexer at all, the second one a choice of two a bit (move or shift), where
    register files that are read at any index need a choice of `size` a bit of a vector and tile.

    Args:
        size: 2 to 32 elements a side.

    Members:
        i: `In(stream(vector_layout))`: column `index`; `last` completes the tile. `axis` must be 1 (column).
        read: `In(stream(access_layout))`: the next row, from row 0 on; `last` drops the rows behind it.
            `index` must count the rows, `axis` must be 0 (row).
        o: `Out(stream)` of `elements`, one beat a read, and `last`. Columns that were not written keep what
            an earlier tile left.

    Timing: one column in and one row out a cycle, also across tiles; a row comes in the cycle of its read,
    row 0 at the earliest 2 cycles after the tile's last column was taken.
    """

    latency = 0

    def __init__(self, size: int):
        if not 2 <= size <= 32:
            raise ValueError(f"`size` must be 2 to 32, not {size}")
        self.size = size
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
        size, write = self.size, self.i.payload
        complete = Signal()  # the first tile
        leaving = Signal()  # the second one
        shift = Signal()
        move = Signal()
        m.d.comb += [
            shift.eq(leaving & self.read.valid & self.o.ready),
            move.eq(complete & (~leaving | (shift & self.read.payload.last))),
            self.i.ready.eq(~complete | move),
            self.read.ready.eq(leaving & self.o.ready),
            self.o.valid.eq(leaving & self.read.valid),
            self.o.payload.last.eq(self.read.payload.last),
        ]
        with m.If(self.i.valid & self.i.ready & write.last):
            m.d.sync += complete.eq(1)
        with m.Elif(move):
            m.d.sync += complete.eq(0)
        with m.If(move):
            m.d.sync += leaving.eq(1)
        with m.Elif(shift & self.read.payload.last):
            m.d.sync += leaving.eq(0)

        for c in range(size):
            column = Signal(data.ArrayLayout(16, size), name=f"column{c}", reset_less=True)
            out = Signal(data.ArrayLayout(16, size), name=f"out{c}", reset_less=True)
            with m.If(self.i.valid & self.i.ready & (write.index == c)):
                m.d.sync += column.eq(write.elements)
            for r in range(size):
                after = column[r] if r == size - 1 else Mux(move, column[r], out[r + 1])
                with m.If(move if r == size - 1 else move | shift):
                    m.d.sync += out[r].eq(after)
            m.d.comb += self.o.payload.elements[c].eq(out[0])
        return m

"""Addresses of rows and columns of runs."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import ADDRESS_BITS, command_layout

__all__ = ["Runs"]


class Runs(wiring.Component):
    """A request for each run of an array of rows x columns runs of the same length.

    Members:
        start: `In(1)`: begin. The others are constant from then on: base, column, row: `In(32)`: address,
            bytes from column to column and from row to row; columns, rows: `In(16)`; words: `In(21)`: of one.
        o: `Out(stream(command_layout))`.

    Timing: a run a cycle, the first one the cycle after `start`.
    """

    def __init__(self):
        ports = {name: In(ADDRESS_BITS) for name in ("base", "column", "row")}
        sizes = {"columns": In(16), "rows": In(16), "words": In(21)}
        super().__init__({"start": In(1), **ports, **sizes, "o": Out(stream.Signature(command_layout()))})

    def elaborate(self, platform):
        m = Module()
        active, x, y = Signal(), Signal(16), Signal(16)
        address, first = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)
        last = x + 1 == self.columns
        m.d.comb += [
            self.o.valid.eq(active),
            self.o.payload.address.eq(address),
            self.o.payload.words.eq(self.words),
        ]
        with m.If(active & self.o.ready):
            m.d.sync += [x.eq(Mux(last, 0, x + 1)), address.eq(address + self.column)]
            with m.If(last):
                m.d.sync += [
                    address.eq(first + self.row),
                    first.eq(first + self.row),
                    y.eq(y + 1),
                    active.eq(y + 1 != self.rows),
                ]
        with m.If(self.start):
            m.d.sync += [active.eq(1), x.eq(0), y.eq(0), address.eq(self.base), first.eq(self.base)]
        return m

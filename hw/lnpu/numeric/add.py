"""Add: sum or difference of the aligned operands."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.numeric.align import aligned_layout, result_layout
from lnpu.numeric.geometry import PathGeometry

__all__ = ["Add", "sum_layout"]


def sum_layout(geometry: PathGeometry) -> data.StructLayout:
    """Both halves with one bit on top (window position -1), and what travels with the lanes."""
    low = {"low": geometry.half + 1} if geometry.lanes == 2 else {}
    return data.StructLayout(
        {
            "mode": 1,
            "high": geometry.half + 1,
            **low,
            **{f"lane{n}": result_layout(geometry) for n in range(geometry.lanes)},
        }
    )


class Add(wiring.Component):
    """One adder that splits at the half in dual mode.

    The sticky remainder of a subtrahend is accounted for by not adding the two's-complement one: the result
    is then rounded down, with the remainder below it.

    Args:
        geometry: the path.

    Members:
        i: `In(aligned_layout)`; o: `Out(sum_layout)`; the top bit of each half is the adder's carry: in a
        difference, a carry says that it is not negative. In single mode across both halves the carry of
        the low one has been used.

    Timing: combinational.
    """

    def __init__(self, geometry: PathGeometry):
        self.geometry = geometry
        super().__init__({"i": In(aligned_layout(geometry)), "o": Out(sum_layout(geometry))})

    def elaborate(self, platform):
        m = Module()
        g, i, o = self.geometry, self.i, self.o
        half, two = g.half, g.lanes == 2
        cross = ~i.mode if g.cross else Const(0)
        lanes = [i[f"lane{n}"] for n in range(g.lanes)]
        one = [lane.subtract & ~lane.sticky for lane in lanes]

        if two:
            subtract_low = Mux(cross, lanes[0].subtract, lanes[1].subtract) if g.cross else lanes[1].subtract
            one_low = Mux(cross, one[0], one[1]) if g.cross else one[1]
            low = Signal(half + 1, name="sum_low")
            m.d.comb += [
                low.eq(i.x_low + (i.y_low ^ subtract_low.replicate(half)) + one_low),
                o.low.eq(low),
            ]
            carry_in = Mux(cross, low[-1], one[0]) if g.cross else one[0]
        else:
            carry_in = one[0]
        m.d.comb += [
            o.mode.eq(i.mode),
            o.high.eq(i.x + (i.y ^ lanes[0].subtract.replicate(half)) + carry_in),
            *(o[f"lane{n}"].eq(lane) for n, lane in enumerate(lanes)),
        ]
        return m

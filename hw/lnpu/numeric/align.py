"""Align: place the larger operand at the top of the window and shift the other one under it."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.lib.bits import named, shift_right_split, top_align
from lnpu.numeric.compare import lane_layout
from lnpu.numeric.config import Dual
from lnpu.numeric.geometry import PRODUCT, PathGeometry, product_width

__all__ = ["Align", "aligned_layout", "product_layout", "result_layout"]


def result_layout(geometry: PathGeometry) -> data.StructLayout:
    """What travels with a lane behind the aligner: exponent of position 0, sign, kind, special results."""
    special = {"nan": 1, "infinity": 1, "invalid": 1} if geometry.ieee else {}
    return data.StructLayout(
        {"exponent": geometry.exponent_bits, "sign": 1, "subtract": 1, "sticky": 1, **special}
    )


def product_layout(geometry: PathGeometry) -> data.StructLayout:
    """Product and addend significands with the decisions of the exponent compare.

    `p` is the product of the high half, top-aligned; `p1` that of the low half where it is not `p[:8]`.
    """
    wide = {"p1": product_width(geometry.config.dual)} if _own_p1(geometry) else {}
    return data.StructLayout(
        {
            "mode": 1,
            "p": PRODUCT if geometry.single else product_width(geometry.config.dual),
            **wide,
            "c": data.ArrayLayout(geometry.acc.precision, geometry.lanes),
            **{f"lane{n}": lane_layout(geometry, n) for n in range(geometry.lanes)},
        }
    )


def _own_p1(geometry: PathGeometry) -> bool:
    return geometry.lanes == 2 and geometry.config.dual is Dual.FP8XFP16


def aligned_layout(geometry: PathGeometry) -> data.StructLayout:
    """Both operands in the window, high and low half: `x` on top, `y` shifted."""
    low = {"x_low": geometry.half, "y_low": geometry.half} if geometry.lanes == 2 else {}
    return data.StructLayout(
        {
            "mode": 1,
            "x": geometry.half,
            "y": geometry.half,
            **low,
            **{f"lane{n}": result_layout(geometry) for n in range(geometry.lanes)},
        }
    )


class Align(wiring.Component):
    """The aligner: swap, then one right shifter that splits at the half in dual mode.

    Args:
        geometry: the path.

    Members:
        i: `In(product_layout)`; o: `Out(aligned_layout)`.

    Timing: combinational.
    """

    def __init__(self, geometry: PathGeometry):
        self.geometry = geometry
        super().__init__({"i": In(product_layout(geometry)), "o": Out(aligned_layout(geometry))})

    def elaborate(self, platform):
        m = Module()
        g, i, o = self.geometry, self.i, self.o
        half, two = g.half, g.lanes == 2
        single = ~i.mode if two and g.single else Const(1 if g.single else 0)
        cross = single if g.cross else Const(0)

        p = i.p
        if two and g.config.dual is Dual.FP8XFP8 and half > PRODUCT - 8:
            # Lane 1's product shares these bits and must not reach lane 0.
            p = Cat(p[:8] & single.replicate(8), p[8:])
        p_high = named(m, "p_high", top_align(p, half))
        c_high = top_align(i.c[0], half)
        lane = i.lane0
        m.d.comb += o.x.eq(Mux(lane.swap, c_high, p_high))
        y = Signal(half, name="y_start")
        m.d.comb += y.eq(Mux(lane.swap, p_high[1:], c_high))
        y_low: Signal | Const = Const(0, 0)
        by_low = Const(0, 0)

        if two:
            rest = top_align(p[: PRODUCT - half], half) if half < PRODUCT else Const(0, half)
            p1 = top_align(i.p1 if _own_p1(g) else i.p[:8], half)
            shares_bits = g.cross and not _own_p1(g) and half == PRODUCT - 8
            p_low = named(m, "p_low", p1 if shares_bits or not g.cross else Mux(single, rest, p1))
            c_low = top_align(i.c[1], half)
            if g.cross:
                c_low &= (~single).replicate(half)
            swap_low = Mux(single, lane.swap, i.lane1.swap) if g.cross else i.lane1.swap
            carried = p_high[0] & single if g.cross else Const(0)
            y_low = Signal(half, name="y_low_start")
            m.d.comb += [
                o.x_low.eq(Mux(swap_low, c_low, p_low)),
                y_low.eq(Mux(swap_low, Cat(p_low[1:], carried), c_low)),
            ]
            by_low = named(
                m, "by_low", Mux(single, lane.distance, i.lane1.distance) if g.cross else i.lane1.distance
            )

        high, low, sticky_high, sticky_low = shift_right_split(
            m, "shift", y, y_low, lane.distance, by_low, cross
        )
        m.d.comb += [o.mode.eq(i.mode), o.y.eq(high)]
        for name in o.lane0.shape().members:
            if name != "sticky":
                m.d.comb += o.lane0[name].eq(lane[name])
        m.d.comb += o.lane0.sticky.eq(sticky_high | (sticky_low & single if g.cross else 0))
        if two:
            m.d.comb += [o.y_low.eq(low), o.lane1.sticky.eq(sticky_low)]
            for name in o.lane1.shape().members:
                if name != "sticky":
                    m.d.comb += o.lane1[name].eq(i.lane1[name])
        return m

"""Exponent compare of product and addend, and the classes of the result."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.lib.bits import named
from lnpu.numeric.geometry import PathGeometry, scale_bits
from lnpu.numeric.unpack import operand_layout

__all__ = ["Compare", "lane_layout"]


def lane_layout(geometry: PathGeometry, half: int) -> data.StructLayout:
    """What the compare decides for one lane.

    `swap`: the addend has the larger exponent; `distance`: right shift of the other one, saturated, minus
    one where `swap` is set; `exponent`: the larger exponent, biased, of window position 0; `sign`: of the
    operand at the top; `subtract`: signs differ; `nan`, `infinity`, `invalid`: special results (ieee).
    """
    special = {"nan": 1, "infinity": 1, "invalid": 1} if geometry.ieee else {}
    return data.StructLayout(
        {
            "swap": 1,
            "distance": geometry.shift_bits(half),
            "exponent": geometry.exponent_bits,
            "sign": 1,
            "subtract": 1,
            **special,
        }
    )


class Compare(wiring.Component):
    """Which operand stays at the top of the window, and how far the other one moves.

    Args:
        geometry: the path; half: 0 for the high half, 1 for the low one.

    Members:
        a, b: `In(operand_layout)`, factors; offset: `In(signed(product_bits))`, added to their exponents to
        give the product's biased exponent at window position 0 (mode constant plus `s`);
        c: `In(operand_layout)`, addend; o: `Out(lane_layout)`.

    Timing: combinational, beside the multiplier.
    """

    def __init__(self, geometry: PathGeometry, half: int):
        self.geometry = geometry
        self.half = half
        # Exponents of both factors lie in -4 to 62 together. To them comes a constant below twice the
        # accumulator's bias, and in dual mode the scale.
        reach = 62 + 2 * max(geometry.acc.bias, 15)
        if geometry.dual_lanes:
            reach += 1 << (scale_bits(geometry.config) - 1)
        self.product_bits = max(reach.bit_length(), geometry.acc.exponent_bits + 1) + 1
        """Width of the product's biased exponent, signed; the addend's exponent fits too."""
        factor = operand_layout(signed(6), 0)
        addend = operand_layout(geometry.acc.exponent_bits, 0)
        super().__init__(
            {
                "a": In(factor),
                "b": In(factor),
                "offset": In(signed(self.product_bits)),
                "c": In(addend),
                "o": Out(lane_layout(geometry, half)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        a, b, c, o = self.a, self.b, self.c, self.o
        product = Signal(signed(self.product_bits))
        difference = Signal(signed(self.product_bits + 1))
        zero = a.zero | b.zero
        sign = a.sign ^ b.sign
        below = difference[-1]
        # |difference|, less one where negative: the product then starts one position lower instead.
        magnitude = named(m, "magnitude", difference[:-1] ^ below.replicate(len(difference) - 1))
        bits = len(o.distance)
        width = len(o.exponent)
        swap = below | zero
        m.d.comb += [
            product.eq(a.exponent + b.exponent + self.offset),
            difference.eq(product - c.exponent),
            o.distance.eq(magnitude[:bits] | magnitude[bits:].any().replicate(bits)),
            o.sign.eq(Mux(o.swap, c.sign, sign)),
            # Used only when the product is on top, so it is not negative.
            o.exponent.eq(Mux(o.swap, c.exponent, product[:width] | product[width:].any().replicate(width))),
        ]
        if not self.geometry.ieee:
            m.d.comb += [o.swap.eq(swap), o.subtract.eq(sign ^ c.sign)]
            return m
        infinite = a.infinity | b.infinity
        undefined = (a.infinity & b.zero) | (a.zero & b.infinity)
        cancel = infinite & ~(a.nan | b.nan) & c.infinity & (sign ^ c.sign)
        m.d.comb += [
            # An infinite operand decides the sign, whatever exponents and significands say.
            o.swap.eq((swap | c.infinity) & ~infinite),
            o.subtract.eq((sign ^ c.sign) & ~o.infinity),
            o.nan.eq(a.nan | b.nan | c.nan | undefined | cancel),
            o.infinity.eq(infinite | c.infinity),
            o.invalid.eq(a.signalling | b.signalling | c.signalling | undefined | cancel),
        ]
        return m

"""The significand multiplier: one 11 x 11, or two small ones out of the same partial products."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.numeric.config import Dual
from lnpu.numeric.geometry import FP8_PRECISION, PRODUCT, product_width

__all__ = ["LOW_ROWS", "SplitMultiplier"]

LOW_ROWS = 7
"""Rows of the low part: `a` splits into 4 high and 7 low bits."""


class SplitMultiplier(wiring.Component):
    """`p = a * b` (single), or `p0 = a0 * b0` and `p1 = a1 * b1` (dual), as bare integer products.

    The 11 rows of `a` are split 4 + 7. Dual mode puts lane 0's fp8 significand on the high four rows and
    lane 1's on the low ones, so every lane uses partial products that single mode needs anyway:

    - fp8 x fp8: `b` is split the same way; the two cross products are gated off. `p0` lies in the top 8 bits
      of the 22-bit product and `p1` in the bottom 8.
    - fp8 x fp16: the high rows multiply `b0`, the low rows `b1`; 15 bits each.

    Args:
        dual: kind of the dual products; with NONE a plain 11 x 11 multiplier.

    Members:
        mode: `In(1)`, 0 single, 1 dual;
        a: `In(11)`, single: the significand; dual: `{a0[4], 000, a1[4]}`;
        b: `In(11)`, single: the significand; dual fp8 x fp8: `{b0[4], 000, b1[4]}`; fp8 x fp16: `b0`;
        b1: `In(11)`, fp8 x fp16 only: lane 1's significand;
        p: `Out(22)`, single: the product; dual: lane 0's product top-aligned;
        p1: `Out(8 or 15)`, lane 1's product. In dual fp8 x fp8 `p1` is `p[:8]`; bits 8 to 13 of `p` are 0.

    Timing: combinational.
    """

    def __init__(self, dual: Dual):
        self.dual = dual
        members = {"mode": In(1), "a": In(11), "b": In(11), "p": Out(PRODUCT)}
        if dual is not Dual.NONE:
            members["p1"] = Out(product_width(dual))
        if dual is Dual.FP8XFP16:
            members["b1"] = In(11)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        if self.dual is Dual.NONE:
            m.d.comb += self.p.eq(self.a * self.b)
            return m
        a_low, a_high = self.a[:LOW_ROWS], self.a[LOW_ROWS:]
        single = ~self.mode
        low, high = Signal(LOW_ROWS + 11), Signal(FP8_PRECISION + 11)
        if self.dual is Dual.FP8XFP8:
            b_low, b_high = self.b[:LOW_ROWS], self.b[LOW_ROWS:]
            m.d.comb += [
                low.eq(a_low * Cat(b_low, b_high & single.replicate(4))),
                high.eq(a_high * Cat(b_low & single.replicate(LOW_ROWS), b_high)),
                self.p.eq(low + (high << LOW_ROWS)),
                self.p1.eq(self.p[:8]),
            ]
        else:
            b_low = Signal(11)
            with m.If(self.mode):
                m.d.comb += b_low.eq(self.b1)
            with m.Else():
                m.d.comb += b_low.eq(self.b)
            m.d.comb += [
                low.eq(a_low * b_low),
                high.eq(a_high * self.b),
                self.p.eq((low & single.replicate(len(low))) + (high << LOW_ROWS)),
                self.p1.eq(low[:15]),
            ]
        return m

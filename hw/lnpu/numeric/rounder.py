"""Round: to nearest, ties to even, once; special results and flags."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.numeric.geometry import PathGeometry
from lnpu.numeric.normalise import normal_layout

__all__ = ["FLAGS", "Round"]

FLAGS = data.StructLayout({"inexact": 1, "underflow": 1, "overflow": 1, "divide_by_zero": 1, "invalid": 1})
"""The five IEEE flags, `invalid` on top; `divide_by_zero` is always 0."""


class Round(wiring.Component):
    """One lane: significand, guard and sticky bit to a code with flags.

    ieee: overflow gives infinity, underflow is flagged when the result is inexact and *tiny after rounding*.
    training: overflow gives the largest finite number, results below the smallest normal give +0.

    Args:
        geometry: the path.

    Members:
        i: `In(normal_layout)`; d: `Out(width of the format)`; flags: `Out(FLAGS)`.

    Timing: combinational.
    """

    def __init__(self, geometry: PathGeometry):
        self.geometry = geometry
        super().__init__(
            {"i": In(normal_layout(geometry)), "d": Out(geometry.acc.width), "flags": Out(FLAGS)}
        )

    def elaborate(self, platform):
        m = Module()
        f, i = self.geometry.acc, self.i
        up = i.guard & (i.sticky | i.significand[0])
        # Exponent and mantissa in one word: the hidden one and the rounding carry both count the exponent up.
        word = Signal(signed(self.geometry.exponent_bits + 2 + f.mantissa_bits))
        m.d.comb += word.eq(
            Cat(Const(0, f.mantissa_bits), i.exponent).as_signed()
            + Cat(i.significand, Const(0, 1)).as_signed()
            + Cat(up, Const(0, 1)).as_signed()
            if not self.geometry.ieee
            else Cat(Const(0, f.mantissa_bits), i.exponent) + i.significand + up
        )
        field = word[f.mantissa_bits :]
        mantissa = word[: f.mantissa_bits]
        exponent = field[: f.exponent_bits]
        inexact = i.guard | i.sticky
        if self.geometry.ieee:
            overflow = field[:-1] >= f.exponent_mask
            hidden = i.significand[-1]
            # Rounded with an unbounded exponent, a value just below the smallest normal reaches it only if
            # the bit after the guard bit carries too.
            tiny = ~hidden & ~((field[0]) & i.guard & i.next)
            special = i.nan | i.infinity
            m.d.comb += [
                self.d.eq(
                    Mux(
                        i.nan,
                        f.nan_code,
                        Cat(
                            mantissa & ~(i.infinity | overflow).replicate(f.mantissa_bits),
                            exponent | (i.infinity | overflow).replicate(f.exponent_bits),
                            i.sign,
                        ),
                    )
                ),
                self.flags.invalid.eq(i.invalid),
                self.flags.overflow.eq(overflow & ~special),
                self.flags.underflow.eq(tiny & inexact & ~special),
                self.flags.inexact.eq((inexact | overflow) & ~special),
            ]
        else:
            negative = field[-1]
            overflow = ~negative & (field[:-1] >= f.exponent_mask)
            # No first one: zero, or everything fell below the window.
            flush = ~i.significand[-1] | negative | ~field.any()
            lost = flush & (i.significand[-1] | i.sticky)
            m.d.comb += [
                self.d.eq(
                    Cat(
                        Mux(overflow, f.mantissa_mask, mantissa),
                        Mux(overflow, f.exponent_mask - 1, exponent),
                        i.sign,
                    )
                    & ~flush.replicate(f.width)
                ),
                self.flags.overflow.eq(overflow & ~flush),
                self.flags.underflow.eq(lost),
                self.flags.inexact.eq(inexact | (overflow & ~flush) | lost),
            ]
        return m

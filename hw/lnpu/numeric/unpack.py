"""Codes to operands: sign, exponent, significand with hidden bit, class."""

from amaranth.hdl import Cat, Module, Mux, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.formats import E4M3, E5M2, FloatFormat, Specials
from lnpu.numeric.config import Flavour

__all__ = ["UnpackFloat", "UnpackFp8", "operand_layout"]


def operand_layout(exponent, precision: int) -> data.StructLayout:
    """What an unpacked operand carries.

    `exponent` is biased and belongs to the first bit of `significand`; `zero`, `infinity`, `nan` and
    `signalling` are its class (the last three never set in the training flavour).
    """
    return data.StructLayout(
        {
            "sign": 1,
            "exponent": exponent,
            "significand": precision,
            "zero": 1,
            "infinity": 1,
            "nan": 1,
            "signalling": 1,
        }
    )


class UnpackFloat(wiring.Component):
    """An IEEE-style code (fp16, fp32, bf16 ...) to an operand; subnormals keep their leading zeros.

    Args:
        format: any format with IEEE special values.
        flavour: in *training*, exponent field 0 is zero and all ones an ordinary binade; the significand
            of a zero keeps its mantissa (mask it with `zero`).

    Members:
        code: `In(format.width)`; o: `Out(operand_layout)`, exponent in the format's own bias.

    Timing: combinational.
    """

    def __init__(self, format: FloatFormat, flavour: Flavour):
        self.format = format
        self.flavour = flavour
        layout = operand_layout(unsigned(format.exponent_bits), format.precision)
        super().__init__({"code": In(format.width), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        f = self.format
        mantissa = self.code[: f.mantissa_bits]
        field = self.code[f.mantissa_bits : -1]
        low = field == 0
        m.d.comb += [self.o.sign.eq(self.code[-1]), self.o.significand.eq(Cat(mantissa, ~low))]
        if self.flavour is Flavour.TRAINING:
            m.d.comb += [self.o.exponent.eq(field), self.o.zero.eq(low)]
        else:
            high = field.all()
            nan = high & mantissa.any()
            m.d.comb += [
                # A subnormal has the exponent of field 1 and no hidden one.
                self.o.exponent.eq(Cat(field[0] | low, field[1:])),
                self.o.zero.eq(low & ~mantissa.any()),
                self.o.infinity.eq(high & ~mantissa.any()),
                self.o.nan.eq(nan),
                self.o.signalling.eq(nan & ~mantissa[-1]),
            ]
        return m


class UnpackFp8(wiring.Component):
    """An fp8 code to an operand with a 4-bit significand; subnormals are normalised.

    Args:
        formats: E4M3, E5M2 or both; with both, `select` chooses (0 = first).
        flavour: as for `UnpackFloat`; in *training* E4M3's NaN code reads as 480.

    Members:
        code: `In(8)`; select: `In(1)`; o: `Out(operand_layout)`, exponent signed with bias `bias`.

    Timing: combinational.
    """

    def __init__(self, formats: tuple[FloatFormat, ...], flavour: Flavour):
        for f in formats:
            if f not in (E4M3, E5M2):
                raise ValueError(f"`formats` must be e4m3 or e5m2, not {f}")
        self.formats = formats
        self.flavour = flavour
        self.bias = max(f.bias for f in formats)
        """Bias of `o.exponent`."""
        super().__init__({"code": In(8), "select": In(1), "o": Out(operand_layout(signed(6), 4))})

    def elaborate(self, platform):
        m = Module()
        views = [self._view(f) for f in self.formats]
        for name, first in views[0].items():
            value = first if len(views) == 1 else Mux(self.select, views[1][name], first)
            m.d.comb += self.o[name].eq(value)
        m.d.comb += self.o.sign.eq(self.code[-1])
        return m

    def _view(self, f: FloatFormat) -> dict:
        """The operand if the code is of format `f`."""
        mantissa, field = self.code[: f.mantissa_bits], self.code[f.mantissa_bits : -1]
        pad = 4 - f.precision
        low = field == 0
        exponent = field + (self.bias - f.bias)
        significand = Cat(0, mantissa, ~low)[1 - pad :]
        if self.flavour is Flavour.TRAINING:
            return {"exponent": exponent, "significand": significand, "zero": low}
        for zeros in range(1, f.mantissa_bits + 1):
            # First one of a subnormal after `zeros` zeros: shift it to the top.
            first = low & mantissa[f.mantissa_bits - zeros] & ~mantissa[f.mantissa_bits - zeros + 1 :].any()
            exponent = Mux(first, 1 - zeros + self.bias - f.bias, exponent)
            significand = Mux(first, (Cat(0, mantissa, 0)[1 - pad :] << zeros)[:4], significand)
        if f.specials is Specials.OCP:
            nan, infinity, signalling = self.code[:-1].all(), 0, 0
        else:
            nan = field.all() & mantissa.any()
            infinity = field.all() & ~mantissa.any()
            signalling = nan & ~mantissa[-1]
        return {
            "exponent": exponent,
            "significand": significand,
            "zero": low & ~mantissa.any(),
            "infinity": infinity,
            "nan": nan,
            "signalling": signalling,
        }

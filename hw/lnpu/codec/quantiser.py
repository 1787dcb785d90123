"""Quantiser: one dense element to zero, fp8 or fp16 (`docs/formats.md`, section 2). Combinational."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.formats import FloatFormat
from lnpu.lib.bits import named

__all__ = ["Quantiser", "quantised"]

_FP16_BIAS, _FP16_MAX = 15, 0x7BFF
_FP8_BIAS = 7


def quantised() -> data.StructLayout:
    """A quantised element: `fp8` or `fp16` with its code, neither for zero; and what the statistics count."""
    return data.StructLayout(
        {
            "fp8": 1,
            "fp16": 1,
            "code8": 8,
            "code16": 16,
            "exponent": 5,
            "flushed": 1,
            "saturated": 1,
            "invalid": 1,
            "bin": 5,
        }
    )


def _rounded(magnitude: Value, drop: int) -> Value:
    """Magnitude without its last `drop` bits, to nearest, ties to even; extended where `drop` is negative."""
    if drop <= 0:
        return Cat(Const(0, -drop), magnitude) if drop else magnitude
    return (magnitude + ((1 << (drop - 1)) - 1) + magnitude[drop]) >> drop


class Quantiser(wiring.Component):
    """Quantises one element; compares before it rounds.

    Args:
        element: format of the input: IEEE-style, 5 to 8 exponent bits, at least 4 mantissa bits.

    Members:
        element: `In`, the code. bias: `In(signed(4))`, the tensor's bias. o: `Out(quantised())`.
    """

    def __init__(self, element: FloatFormat):
        super().__init__({"element": In(element.width), "bias": In(signed(4)), "o": Out(quantised())})
        self.format = element

    def elaborate(self, platform):
        m = Module()
        f, mantissa = self.format, self.format.mantissa_bits
        magnitude, sign = self.element[: f.width - 1], self.element[-1]

        # Thresholds as codes: T = 1.75 * 2**(8 + bias), S/2 = 2**(bias - 7). The latter can be subnormal.
        top = named(m, "top", (self.bias + 8 + f.bias)[: f.exponent_bits])
        low = named(m, "low", (self.bias - 7 + f.bias)[: f.exponent_bits])
        threshold = Cat(Const(0, mantissa - 2), Const(3, 2), top)
        half = Cat(Const(0, mantissa - 1), (low == 0) if f.bias == _FP16_BIAS else Const(0, 1), low)
        invalid, wide, zero = Signal(), Signal(), Signal()
        m.d.comb += [
            invalid.eq(magnitude[mantissa:].all()),
            wide.eq((magnitude > threshold) & ~invalid),
            zero.eq((magnitude <= half) | invalid),
        ]

        # Between S/2 and S the rounded code lies below the first normal one, which is the result.
        offset8 = (self.bias + (f.bias - _FP8_BIAS)) << 3
        code8 = named(m, "code8", _rounded(magnitude, mantissa - 3) - offset8)
        low8 = named(m, "low8", code8 < 8)
        code16 = named(m, "code16", _rounded(magnitude, mantissa - 10) - ((f.bias - _FP16_BIAS) << 10))
        saturated = named(m, "saturated", code16 > _FP16_MAX)
        # Adding a quarter less one unit carries exactly when the significand is above 1.75.
        edge = ((magnitude + ((1 << (mantissa - 2)) - 1)) >> mantissa) - (f.bias - _FP16_BIAS)
        bin_ = named(m, "bin", edge)
        if f.bias == _FP16_BIAS:
            # In the subnormal range significands have no hidden one: 1.75 * 2**-15 is 7/8 of it.
            with m.If(magnitude[mantissa:] == 0):
                m.d.comb += bin_.eq(magnitude > 7 << (mantissa - 3))

        o = self.o
        narrow = ~zero & ~wide
        m.d.comb += [
            o.fp8.eq(narrow),
            o.fp16.eq(wide),
            o.code8.eq(Cat(Mux(low8, 8, code8[:7]), sign)),
            o.code16.eq(Cat(Mux(saturated, _FP16_MAX, code16[:15]), sign)),
            o.exponent.eq(Mux(wide, o.code16[10:15], Mux(narrow, o.code8[3:7] + self.bias + 8, 0))),
            o.flushed.eq(zero & (magnitude != 0) & ~invalid),
            o.saturated.eq(wide & saturated),
            o.invalid.eq(invalid),
            o.bin.eq(Mux(invalid | (bin_ < 0), 0, Mux(bin_ > 31, 31, bin_))),
        ]
        return m

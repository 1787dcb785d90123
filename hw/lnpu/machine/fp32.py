"""Sums of the window to fp32."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.lib.bits import leading_zeros, named

__all__ = ["ToFp32"]


class ToFp32(wiring.Component):
    """`sum * 2^(top - 31)`, rounded to nearest even.

    Magnitudes below 2^-126 become +0, numbers beyond the largest finite one become that.

    Args:
        bits: of a sum, at least 26.

    Members:
        go: `In(1)`: the pipeline moves. i: `In(signed(bits))`. top: `In(signed(9))`, constant. o: `Out(32)`.

    Timing: `latency` cycles in which `go` is 1; one number a cycle.
    """

    latency = 3

    def __init__(self, bits: int):
        self.bits = bits
        super().__init__({"go": In(1), "i": In(signed(bits)), "top": In(signed(9)), "o": Out(32)})

    def elaborate(self, platform):
        m = Module()
        bits = self.bits
        negative = [Signal(name=f"negative{n}", reset_less=True) for n in range(2)]
        magnitude = Signal(bits, reset_less=True)
        normal = Signal(bits, reset_less=True)
        # -256 - 31 + 127 - 63 to 255 - 31 + 127 + 63 fit 11 bits.
        exponent = Signal(signed(11), reset_less=True)
        zeros = named(m, "zeros", leading_zeros(m, "lead", magnitude))
        with m.If(self.go):
            m.d.sync += [
                negative[0].eq(self.i[-1]),
                magnitude.eq(Mux(self.i[-1], -self.i, self.i)),
                negative[1].eq(negative[0]),
                normal.eq(magnitude << zeros),
                exponent.eq(self.top + (bits - 1 - 31 + 127) - zeros),
            ]
        fraction = normal[bits - 24 : bits - 1]
        half, rest = normal[bits - 25], normal[: bits - 25].any() if bits > 25 else Const(0)
        up = half & (rest | fraction[0])
        rounded = Signal(31)
        carried = Signal(32)
        m.d.comb += [
            carried.eq(Cat(fraction, exponent[:8]) + up),
            rounded.eq(carried),
        ]
        with m.If((exponent >= 255) | (carried[23:31] == 255) | carried[31]):
            m.d.comb += rounded.eq(0x7F7FFFFF)
        with m.If(self.go):
            m.d.sync += self.o.eq(Mux(~normal[-1] | (exponent <= 0), 0, Cat(rounded, negative[1])))
        return m

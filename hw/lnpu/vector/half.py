"""fp32 to fp16."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ToFp16"]

MAX = 0x7BFF
OFFSET = 127 - 15


class ToFp16(wiring.Component):
    """Nearest even; below 2^-14 +0 (before rounding), beyond 65504 that.

    Members:
        i: `In(32)`: a finite fp32 code. o: `Out(16)`. saturated: `Out(1)`: it was 65520 or more.

    Timing: no latency.
    """

    def __init__(self):
        super().__init__({"i": In(32), "o": Out(16), "saturated": Out(1)})

    def elaborate(self, platform):
        m = Module()
        exponent = self.i[23:31]
        up = self.i[12] & (self.i[:12].any() | self.i[13])
        code = Signal(16)
        m.d.comb += [
            code.eq(Cat(self.i[13:23], (exponent - OFFSET)[:5]) + up),
            self.saturated.eq((exponent > OFFSET + 30) | ((exponent == OFFSET + 30) & (code[10:15] == 31))),
            self.o.eq(Mux(exponent <= OFFSET, 0, Cat(Mux(self.saturated, MAX, code)[:15], self.i[31]))),
        ]
        return m

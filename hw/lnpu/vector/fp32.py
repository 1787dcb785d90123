"""fp32 without subnormals, NaN and infinity: product, sum, weighted sum (`docs/programming.md`)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.lib.bits import leading_zeros, named

__all__ = ["Fp32Add", "Fp32Multiply", "Weighted"]

MAX = 0x7F7FFFFF
FRACTION = 23


def _significand(code):
    """24 bits, zero where the exponent field is."""
    some = code[FRACTION:31].any()
    return Mux(some, Cat(code[:FRACTION], Const(1, 1)), Const(0, FRACTION + 1))


class _Round(wiring.Component):
    """`1.f * 2^(exponent - 127)` to a code: nearest even, flushed before rounding, saturating.

    Members:
        go: `In(1)`. sign: `In(1)`. exponent: `In(signed(10))`. value: `In(24)`, its top bit 0 for zero; half:
            `In(1)`: the bit below; rest: `In(1)`: whether there is something below that. o: `Out(32)`.

    Timing: a cycle.
    """

    def __init__(self):
        ports = {"go": In(1), "sign": In(1), "exponent": In(signed(10)), "value": In(FRACTION + 1)}
        super().__init__({**ports, "half": In(1), "rest": In(1), "o": Out(32)})

    def elaborate(self, platform):
        m = Module()
        up = self.half & (self.rest | self.value[0])
        code = Signal(32)
        m.d.comb += code.eq(Cat(self.value[:FRACTION], self.exponent[:8]) + up)
        high = (self.exponent >= 255) | (code[FRACTION:31] == 255) | code[31]
        some = self.value[FRACTION] & (self.exponent > 0)
        with m.If(self.go):
            m.d.sync += self.o.eq(Mux(some, Cat(Mux(high, MAX, code[:31]), self.sign), 0))
        return m


class Fp32Multiply(wiring.Component):
    """A product a cycle.

    Members:
        go: `In(1)`: the pipeline moves. a, b: `In(32)`. o: `Out(32)`.

    Timing: `latency` cycles in which `go` is 1.
    """

    latency = 3

    def __init__(self):
        super().__init__({"go": In(1), "a": In(32), "b": In(32), "o": Out(32)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.round = round_ = _Round()
        factors = [Signal(FRACTION + 1, name=f"factor{n}", reset_less=True) for n in range(2)]
        product = Signal(2 * FRACTION + 2, reset_less=True)
        sign = [Signal(name=f"sign{n}", reset_less=True) for n in range(2)]
        exponent = [Signal(signed(10), name=f"exponent{n}", reset_less=True) for n in range(2)]
        with m.If(self.go):
            m.d.sync += [
                *(
                    factor.eq(_significand(code))
                    for factor, code in zip(factors, (self.a, self.b), strict=True)
                ),
                sign[0].eq(self.a[31] ^ self.b[31]),
                exponent[0].eq(self.a[FRACTION:31] + self.b[FRACTION:31] - 127),
                product.eq(factors[0] * factors[1]),
                sign[1].eq(sign[0]),
                exponent[1].eq(exponent[0]),
            ]
        # 2 to 4, or 1 to 2
        high = product[-1]
        shifted = Mux(high, product, product << 1)[: 2 * FRACTION + 2]
        m.d.comb += [
            round_.go.eq(self.go),
            round_.sign.eq(sign[1]),
            round_.exponent.eq(exponent[1] + high),
            round_.value.eq(shifted[FRACTION + 1 :]),
            round_.half.eq(shifted[FRACTION]),
            round_.rest.eq(shifted[:FRACTION].any()),
            self.o.eq(round_.o),
        ]
        return m


class Fp32Add(wiring.Component):
    """A sum a cycle.

    Members:
        go: `In(1)`: the pipeline moves. a, b: `In(32)`. o: `Out(32)`.

    Timing: `latency` cycles in which `go` is 1.
    """

    latency = 4
    EXTRA = 3  # guard bits: half, one more for a shift to the left, and what is below

    def __init__(self):
        super().__init__({"go": In(1), "a": In(32), "b": In(32), "o": Out(32)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.round = round_ = _Round()
        extra, bits = self.EXTRA, FRACTION + 1 + self.EXTRA
        swap = self.a[:31] < self.b[:31]
        # The larger magnitude, the smaller one, and how far it is below.
        large, small = (Signal(32, name=name, reset_less=True) for name in ("large", "small"))
        distance = Signal(8, reset_less=True)
        first, second = Mux(swap, self.b, self.a), Mux(swap, self.a, self.b)
        with m.If(self.go):
            m.d.sync += [
                large.eq(first),
                small.eq(second),
                distance.eq(first[FRACTION:31] - second[FRACTION:31]),
            ]
        # The sum
        wide = Cat(Const(0, extra), _significand(small))
        kept, lost = Signal(bits), Signal()
        low = Signal(bits)
        m.d.comb += [
            kept.eq(wide >> distance[:5]),
            low.eq((kept << distance[:5]) ^ wide),
            lost.eq(low.any()),
        ]
        far = distance[5:].any()
        aligned = Mux(far, wide.any(), kept | lost)
        total = Signal(bits + 1, reset_less=True)
        sign, exponent = Signal(reset_less=True), Signal(8, reset_less=True)
        top = Cat(Const(0, extra), _significand(large))
        with m.If(self.go):
            m.d.sync += [
                total.eq(Mux(large[31] ^ small[31], top - aligned, top + aligned)),
                sign.eq(large[31]),
                exponent.eq(large[FRACTION:31]),
            ]
        # Its top bit to the top
        zeros = named(m, "zeros", leading_zeros(m, "lead", total))
        normal = Signal(bits + 1, reset_less=True)
        signs, place = Signal(reset_less=True), Signal(signed(10), reset_less=True)
        with m.If(self.go):
            m.d.sync += [normal.eq(total << zeros), signs.eq(sign), place.eq(exponent + 1 - zeros)]
        m.d.comb += [
            round_.go.eq(self.go),
            round_.sign.eq(signs),
            round_.exponent.eq(place),
            round_.value.eq(normal[extra + 1 :]),
            round_.half.eq(normal[extra]),
            round_.rest.eq(normal[:extra].any()),
            self.o.eq(round_.o),
        ]
        return m


class Weighted(wiring.Component):
    """`scale_a * a + scale_b * b`: both products are rounded, then the sum.

    Members:
        go: `In(1)`: the pipeline moves. scale_a, a, scale_b, b: `In(32)`. o: `Out(32)`.

    Timing: a sum a cycle, `latency` cycles in which `go` is 1.
    """

    latency = Fp32Multiply.latency + Fp32Add.latency

    def __init__(self):
        ports = {name: In(32) for name in ("scale_a", "a", "scale_b", "b")}
        super().__init__({"go": In(1), **ports, "o": Out(32)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.add = add = Fp32Add()
        for name in "ab":
            m.submodules[f"multiply_{name}"] = multiply = Fp32Multiply()
            m.d.comb += [
                multiply.go.eq(self.go),
                multiply.a.eq(getattr(self, name)),
                multiply.b.eq(getattr(self, f"scale_{name}")),
                getattr(add, name).eq(multiply.o),
            ]
        m.d.comb += [add.go.eq(self.go), self.o.eq(add.o)]
        return m

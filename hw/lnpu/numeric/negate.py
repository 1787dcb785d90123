"""Negate: a difference as a magnitude."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.lib.bits import named
from lnpu.numeric.add import sum_layout
from lnpu.numeric.geometry import PathGeometry

__all__ = ["Negate"]


class Negate(wiring.Component):
    """Negates the negative differences.

    The operand on top has the larger nominal exponent, so a difference is negative only when both are close
    or the upper one is subnormal. Where a sticky remainder kept the two's-complement one out of the
    subtraction, the complement alone is the magnitude, rounded down.

    Args:
        geometry: the path.

    Members:
        i: `In(sum_layout)`, sums with the adder's carries; o: `Out(sum_layout)`, magnitudes: the top bit of
        each half is window position -1, and 0 in the low one in single mode across both halves.

    Timing: combinational.
    """

    def __init__(self, geometry: PathGeometry):
        self.geometry = geometry
        super().__init__({"i": In(sum_layout(geometry)), "o": Out(sum_layout(geometry))})

    def elaborate(self, platform):
        m = Module()
        g, i, o = self.geometry, self.i, self.o
        half, two = g.half, g.lanes == 2
        cross = ~i.mode if g.cross else Const(0)
        lanes = [i[f"lane{n}"] for n in range(g.lanes)]

        # No carry out of x + ~y + 1 means x < y.
        negative = [named(m, "negative0", lanes[0].subtract & ~i.high[-1])]
        increment = negative[0] & ~lanes[0].sticky
        if two:
            negative.append(named(m, "negative1", lanes[1].subtract & ~i.low[-1]))
            flip, sticky, carry = negative[1], lanes[1].sticky, i.low[-1] & ~lanes[1].subtract
            if g.cross:
                flip = Mux(cross, negative[0], flip)
                sticky = Mux(cross, lanes[0].sticky, sticky)
                carry &= ~cross
            flip = named(m, "flip_low", flip)
            low = Signal(half + 1, name="magnitude_low")
            m.d.comb += [
                low.eq((i.low[:half] ^ flip.replicate(half)) + (flip & ~sticky)),
                o.low.eq(Cat(low[:half], carry)),
            ]
            if g.cross:
                # The two's complement's +1 reaches the high half only through a low half of zeros.
                increment &= ~cross | low[-1]
        high = Signal(half, name="magnitude_high")
        m.d.comb += [
            o.mode.eq(i.mode),
            high.eq((i.high[:half] ^ negative[0].replicate(half)) + increment),
            o.high.eq(Cat(high, i.high[-1] & ~lanes[0].subtract)),
        ]
        for n, lane in enumerate(lanes):
            target = o[f"lane{n}"]
            for name in lane.shape().members:
                value = lane.sign ^ negative[n] if name == "sign" else lane[name]
                m.d.comb += target[name].eq(value)
        return m

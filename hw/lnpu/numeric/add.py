"""Add: sum or difference of the aligned operands as a magnitude."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.numeric.align import aligned_layout, result_layout
from lnpu.numeric.geometry import PathGeometry

__all__ = ["Add", "sum_layout"]


def sum_layout(geometry: PathGeometry) -> data.StructLayout:
    """Magnitudes with one carry position on top (window position -1), and what travels with the lanes."""
    low = {"low": geometry.half + 1} if geometry.lanes == 2 else {}
    return data.StructLayout(
        {
            "mode": 1,
            "high": geometry.half + 1,
            **low,
            **{f"lane{n}": result_layout(geometry) for n in range(geometry.lanes)},
        }
    )


class Add(wiring.Component):
    """One adder that splits at the half in dual mode; negative differences are negated.

    The operand on top has the larger nominal exponent, so a difference is negative only when both are close
    or the upper one is subnormal. The sticky remainder of a subtrahend is accounted for by not adding the
    two's-complement one, neither in the subtraction nor in the negation.

    Args:
        geometry: the path.

    Members:
        i: `In(aligned_layout)`; o: `Out(sum_layout)`; in single mode across both halves the carry
        position of `o.low` is 0.

    Timing: combinational.
    """

    def __init__(self, geometry: PathGeometry):
        self.geometry = geometry
        super().__init__({"i": In(aligned_layout(geometry)), "o": Out(sum_layout(geometry))})

    def elaborate(self, platform):
        m = Module()
        g, i, o = self.geometry, self.i, self.o
        half, two = g.half, g.lanes == 2
        cross = ~i.mode if g.cross else Const(0)
        lanes = [i[f"lane{n}"] for n in range(g.lanes)]
        one = [lane.subtract & ~lane.sticky for lane in lanes]

        high = Signal(half + 1, name="sum_high")
        if two:
            low = Signal(half + 1, name="sum_low")
            subtract_low = Mux(cross, lanes[0].subtract, lanes[1].subtract) if g.cross else lanes[1].subtract
            one_low = Mux(cross, one[0], one[1]) if g.cross else one[1]
            m.d.comb += low.eq(i.x_low + (i.y_low ^ subtract_low.replicate(half)) + one_low)
            carry_in = Mux(cross, low[-1], one[0]) if g.cross else one[0]
        else:
            carry_in = one[0]
        m.d.comb += high.eq(i.x + (i.y ^ lanes[0].subtract.replicate(half)) + carry_in)

        # No carry out of x + ~y + 1 means x < y.
        negative = Signal(g.lanes)
        m.d.comb += negative[0].eq(lanes[0].subtract & ~high[-1])
        # With a sticky remainder no one was added, so the complement alone is the magnitude, rounded down.
        increment = negative[0] & ~lanes[0].sticky
        if two:
            m.d.comb += negative[1].eq(lanes[1].subtract & ~low[-1])
            flip_low = Mux(cross, negative[0], negative[1]) if g.cross else negative[1]
            flipped = low[:half] ^ flip_low.replicate(half)
            sticky_low = Mux(cross, lanes[0].sticky, lanes[1].sticky) if g.cross else lanes[1].sticky
            carry_low = low[-1] & ~subtract_low
            if g.cross:
                carry_low &= ~cross
            total = Signal(half + 1, name="magnitude_low")
            m.d.comb += [total.eq(flipped + (flip_low & ~sticky_low)), o.low.eq(Cat(total[:half], carry_low))]
            if g.cross:
                # The two's complement's +1 reaches the high half only through a low half of zeros.
                increment &= ~cross | total[-1]
        m.d.comb += [
            o.mode.eq(i.mode),
            o.high.eq(
                Cat(
                    ((high[:half] ^ negative[0].replicate(half)) + increment)[:half],
                    high[-1] & ~lanes[0].subtract,
                )
            ),
        ]
        for n, lane in enumerate(lanes):
            target = o[f"lane{n}"]
            for name in lane.shape().members:
                value = lane.sign ^ negative[n] if name == "sign" else lane[name]
                m.d.comb += target[name].eq(value)
        return m

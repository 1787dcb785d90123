"""Normalise: bring the first one to the top, as far as the exponent range allows."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.lib.bits import leading_zeros, named, shift_left_split
from lnpu.numeric.add import sum_layout
from lnpu.numeric.geometry import PathGeometry

__all__ = ["Normalise", "normal_layout"]


def normal_layout(geometry: PathGeometry) -> data.StructLayout:
    """A lane ready to be rounded.

    `significand`: precision bits, first one on top (ieee: unless the result is subnormal); `guard`, `next`:
    the two bits below (`next` serves the underflow flag of ieee); `sticky`: whether anything follows
    (`next` included); `exponent`: biased exponent field less one, that is before the hidden bit is added.
    """
    special = {"next": 1, "nan": 1, "infinity": 1, "invalid": 1} if geometry.ieee else {}
    bits = geometry.exponent_bits
    return data.StructLayout(
        {
            "significand": geometry.acc.precision,
            "guard": 1,
            "sticky": 1,
            "exponent": bits if geometry.ieee else signed(bits + 1),
            "sign": 1,
            **special,
        }
    )


class Normalise(wiring.Component):
    """Leading-zero count and one left shifter that splits at the half in dual mode.

    In the ieee flavour the shift stops at the smallest normal exponent, so subnormal results come out in
    place. In the training flavour it always reaches the first one.

    Args:
        geometry: the path.

    Members:
        i: `In(sum_layout)`; o: `Out(struct of mode and one normal_layout a lane)`.

    Timing: combinational.
    """

    def __init__(self, geometry: PathGeometry):
        self.geometry = geometry
        lanes = {f"lane{n}": normal_layout(geometry) for n in range(geometry.lanes)}
        super().__init__({"i": In(sum_layout(geometry)), "o": Out(data.StructLayout({"mode": 1, **lanes}))})

    def elaborate(self, platform):
        m = Module()
        g, i, o = self.geometry, self.i, self.o
        two = g.lanes == 2
        cross = ~i.mode if g.cross else Const(0)
        high = i.high
        low = i.low if two else Const(0, 0)
        exponents = [i[f"lane{n}"].exponent for n in range(g.lanes)]
        base = exponents[0]

        if g.cross:
            # First a whole half where the high one is empty: then lane counts serve single mode too.
            jump = Signal()
            start = Signal(g.half + 1, name="high_start")
            start_low = Signal(g.half + 1, name="low_start")
            empty = ~high[1:].any()
            room = base >= g.half if g.ieee else Const(1)
            m.d.comb += [
                jump.eq(cross & empty & room),
                start.eq(Mux(jump, Cat(low[:-1], high[0]), high)),
                start_low.eq(Mux(jump, 0, low)),
            ]
            count_low = leading_zeros(m, "zeros_low", Cat(low[:-1], low[-1] | (high[0] & cross)))
            count_high = Mux(jump, count_low, leading_zeros(m, "zeros_high", high))
            base = Signal(signed(g.exponent_bits + 1), name="base")
            m.d.comb += base.eq(exponents[0] - Mux(jump, g.half, 0))
            high, low = start, start_low
            by_high = named(m, "by_high", self._limit(named(m, "count_high", count_high), base))
            by_low = Mux(cross, by_high, self._limit(count_low, exponents[1]))
        else:
            by_high = self._limit(leading_zeros(m, "zeros_high", high), base)
            by_low = self._limit(leading_zeros(m, "zeros_low", low), exponents[1]) if two else Const(0, 0)

        shift_high, shift_low = Signal(len(by_high)), Signal(len(by_low))
        m.d.comb += [shift_high.eq(by_high), shift_low.eq(by_low)]
        # Across halves the carry position of the low one is no part of the word.
        skip = 1 if g.cross else 0
        high, low = shift_left_split(m, "shift", high, low, shift_high, shift_low, cross, skip)

        m.d.comb += o.mode.eq(i.mode)
        below = low[:-1].any() & cross if g.cross else Const(0)
        m.d.comb += self._lane(o.lane0, i.lane0, high, base - shift_high, below)
        if two:
            m.d.comb += self._lane(o.lane1, i.lane1, low, exponents[1] - shift_low, Const(0))
        return m

    def _limit(self, count, room):
        """The shift: leading zeros, at most down to the smallest normal exponent (ieee)."""
        if not self.geometry.ieee:
            return count
        return Mux(count > room, room[: len(count)], count)

    def _lane(self, o, i, word, exponent, below):
        precision = self.geometry.acc.precision
        rest = word[: len(word) - precision - 1]
        statements = [
            o.significand.eq(word[len(word) - precision :]),
            o.guard.eq(word[len(word) - precision - 1]),
            o.sticky.eq(rest.any() | i.sticky | below),
            # Without a first one (ieee) the result is subnormal, and `exponent` 0 already, or zero.
            o.exponent.eq(exponent & word[-1].replicate(len(o.exponent)) if self.geometry.ieee else exponent),
            # An exact zero is positive unless both addends were negative zeros.
            o.sign.eq(
                i.sign & (word.any() | ~i.subtract | i.sticky | below) if self.geometry.ieee else i.sign
            ),
        ]
        if self.geometry.ieee:
            statements.append(o.next.eq(rest[-1]))
            statements += [o[name].eq(i[name]) for name in ("nan", "infinity", "invalid")]
        return statements

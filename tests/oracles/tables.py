"""Independent oracle of float encoding for small formats: a sorted table of all values, as Fractions.

It reads a `FloatFormat`'s fields and rules, and shares no arithmetic with the golden models: the nearest
table entry is found by bisection, ties by looking at the candidates' codes.
"""

import bisect
from fractions import Fraction

from lnpu.formats import FloatFormat, Rounding, Specials, Subnormals
from lnpu_sim.numeric.floats import Overflow, Underflow

NX, UF, OF = 1, 2, 4


def positive_value(fmt: FloatFormat, code: int) -> Fraction | None:
    """The value of a code with sign 0 by the definition of the format; None for NaN and infinity."""
    field, mantissa = divmod(code, 2**fmt.mantissa_bits)
    top, full = 2**fmt.exponent_bits - 1, 2**fmt.mantissa_bits - 1
    if fmt.specials is Specials.IEEE and field == top:
        return None
    if fmt.specials in (Specials.OCP, Specials.DLFLOAT) and (field, mantissa) == (top, full):
        return None
    if field == 0 and fmt.subnormals is not Subnormals.NORMAL:
        small = mantissa if fmt.subnormals is Subnormals.GRADUAL else 0
        return small * Fraction(2) ** (1 - fmt.bias - fmt.mantissa_bits)
    if field == 0 and mantissa == 0:
        return Fraction(0)
    return (2**fmt.mantissa_bits + mantissa) * Fraction(2) ** (field - fmt.bias - fmt.mantissa_bits)


class Table:
    """All positive values of a format, continued by one binade at each end, where the format has none."""

    def __init__(self, fmt: FloatFormat) -> None:
        self.fmt = fmt
        values = {c: positive_value(fmt, c) for c in range(2 ** (fmt.width - 1))}
        finite = {c: v for c, v in values.items() if v}
        self.max_code, self.min_code = max(finite), min(c for c in finite if self._normal(c))
        self.max_value, self.min_normal = finite[self.max_code], finite[self.min_code]
        # Two entries above the largest number (only the first gap matters) and a grid below the smallest.
        step = Fraction(2) ** (self.max_code // 2**fmt.mantissa_bits - fmt.bias - fmt.mantissa_bits)
        if self.max_code % 2**fmt.mantissa_bits == 2**fmt.mantissa_bits - 1:
            beyond = [self.max_value + step, self.max_value + 3 * step]
        else:
            beyond = [self.max_value + step, self.max_value + 2 * step]
        self.entries = [(v, c) for c, v in finite.items()]
        self.entries += [(v, self.max_code + 1 + i) for i, v in enumerate(beyond)]
        if fmt.subnormals is not Subnormals.GRADUAL:
            for binade in (1, 2):
                for code in range(2**fmt.mantissa_bits):
                    lower = (2**fmt.mantissa_bits + code) * Fraction(2) ** (
                        fmt.emin - binade - fmt.mantissa_bits
                    )
                    self.entries.append((lower, code - binade * 2**fmt.mantissa_bits))
            if fmt.subnormals is Subnormals.NORMAL:  # its code is zero's
                self.entries.append((Fraction(2) ** fmt.emin, 0))
        else:
            self.entries.append((Fraction(0), 0))
        self.entries.sort()
        self.values = [v for v, _ in self.entries]

    def _normal(self, code: int) -> bool:
        return self.fmt.subnormals is not Subnormals.GRADUAL or code >= 2**self.fmt.mantissa_bits

    def encode(self, value: Fraction, overflow: Overflow, underflow: Underflow) -> tuple[int, int]:
        """Code without sign, and flags, of a positive value."""
        fmt = self.fmt
        place = bisect.bisect_right(self.values, value)
        if place == len(self.values):
            rounded, code = self.entries[-1]
        elif place == 0:
            rounded, code = Fraction(0), 0
        else:
            (low, low_code), (high, high_code) = self.entries[place - 1], self.entries[place]
            up = value - low > high - value
            if value - low == high - value:
                up = low_code % 2 == 1 if fmt.rounding is Rounding.RNE else True
            if fmt.rounding is Rounding.RTZ:
                up = False
            rounded, code = (high, high_code) if up else (low, low_code)
        if rounded > self.max_value:
            if overflow is Overflow.SATURATE or fmt.rounding is Rounding.RTZ:
                return self.max_code, OF | NX
            infinity = fmt.infinity_code if fmt.infinity_code is not None else fmt.nan_code
            return self.max_code if infinity is None else infinity, OF | NX
        if fmt.subnormals is Subnormals.GRADUAL:
            tiny = value < self.min_normal and not self._rounds_up_to_normal(value)
            return code, 0 if rounded == value else NX | (UF if tiny else 0)
        if rounded >= self.min_normal:
            return code, 0 if rounded == value else NX
        half = self.min_normal / 2
        up = value > half or (value == half and fmt.rounding is Rounding.RNU)
        if underflow is Underflow.NEAREST and fmt.rounding is not Rounding.RTZ and up:
            return self.min_code, UF | NX
        return 0, UF | NX

    def _rounds_up_to_normal(self, value: Fraction) -> bool:
        """Whether rounding with unbounded exponent takes a value below the normal range into it."""
        ulp = self.min_normal / 2 ** (self.fmt.mantissa_bits + 1)
        if self.fmt.rounding is Rounding.RTZ:
            return False
        return value >= self.min_normal - ulp / 2  # the tie's even neighbour is the normal number

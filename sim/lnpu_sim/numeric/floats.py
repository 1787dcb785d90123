"""Golden decode, encode and rounding of any `FloatFormat`: one code at a time, exact, written to be read.

A code is decoded to a `Number`: sign, integer magnitude, exponent. A `Number` is encoded in three steps that
hold for every format: round to the format's precision as if the exponent were unbounded; treat what is too
small; treat what is too large. Codes of one sign are ordered like the magnitudes they stand for, so each end
is one integer comparison, and a carry out of the mantissa lands in the exponent field by itself.

`lnpu_sim.numeric.float_arrays` is the vectorised twin (re-exported here: `decode_array`, `encode_array`).

Sources: IEEE 754-2019 sections 3.4, 4.3, 7.4, 7.5; OCP 8-bit floating point specification 1.0.
"""

import enum
import math
from dataclasses import dataclass
from fractions import Fraction

from lnpu.formats import FloatFormat, FormatError, Rounding, Subnormals
from lnpu_sim.numeric.float_arrays import (
    code_dtype,
    decode_array,
    encode_array,
    encode_array_flags,
    pack_array,
    unpack_array,
)
from lnpu_sim.numeric.policies import Flag, Overflow, Underflow

__all__ = [
    "Encoded",
    "Flag",
    "Kind",
    "Number",
    "Overflow",
    "Underflow",
    "code_dtype",
    "decode",
    "decode_array",
    "encode",
    "encode_array",
    "encode_array_flags",
    "pack_array",
    "unpack_array",
]


class Kind(enum.Enum):
    """What a code stands for."""

    FINITE = "finite"
    INFINITY = "infinity"
    NAN = "nan"


@dataclass(frozen=True)
class Number:
    """`(-1)**sign * (magnitude + f) * 2**exponent`, with 0 < f < 1 when `sticky`, else f = 0.

    Args:
        sign: 0 or 1; zeros and infinities are signed, a NaN's sign means nothing.
        magnitude: integer, any size; it need not be normalised. 0 for infinity and NaN.
        exponent: weight of the magnitude's last bit.
        sticky: something below the last bit was dropped (encode then needs one bit more than the precision).
        kind: finite, infinity or NaN.
        signalling: a signalling NaN (IEEE-style formats: first mantissa bit 0).
    """

    sign: int
    magnitude: int = 0
    exponent: int = 0
    sticky: bool = False
    kind: Kind = Kind.FINITE
    signalling: bool = False

    @classmethod
    def of(cls, value: float) -> "Number":
        """The exact number of a Python float."""
        sign = int(math.copysign(1.0, value) < 0)
        if math.isnan(value):
            return cls(0, kind=Kind.NAN)
        if math.isinf(value):
            return cls(sign, kind=Kind.INFINITY)
        numerator, denominator = abs(value).as_integer_ratio()
        return cls(sign, numerator, 1 - denominator.bit_length())

    def fraction(self) -> Fraction:
        """The exact value.

        Raises:
            ValueError: the number is infinite, a NaN or sticky.
        """
        if self.kind is not Kind.FINITE or self.sticky:
            raise ValueError(f"{self} has no exact value")
        value = Fraction(self.magnitude) * Fraction(2) ** self.exponent
        return -value if self.sign else value


@dataclass(frozen=True)
class Encoded:
    """A code and the exceptions that encoding raised (OF, UF, NX)."""

    code: int
    flags: Flag


def decode(fmt: FloatFormat, code: int) -> Number:
    """The number that a code stands for. `Subnormals.FLUSH`: exponent field 0 is a zero of the code's sign.

    Raises:
        ValueError: the code has more bits than the format.
    """
    if not 0 <= code < 1 << fmt.width:
        raise ValueError(f"`code` of {fmt.name} must be 0 to {(1 << fmt.width) - 1:#x}, not {code:#x}")
    sign = code >> (fmt.width - 1)
    field = code >> fmt.mantissa_bits & fmt.exponent_mask
    mantissa = code & fmt.mantissa_mask
    if code & ~(1 << (fmt.width - 1)) > fmt.max_code:
        if fmt.has_infinity and mantissa == 0:
            return Number(sign, kind=Kind.INFINITY)
        quiet = not fmt.has_infinity or mantissa >> (fmt.mantissa_bits - 1) == 1
        return Number(sign, kind=Kind.NAN, signalling=not quiet)
    hidden = 1 << fmt.mantissa_bits
    if field == 0:
        match fmt.subnormals:
            case Subnormals.GRADUAL:
                hidden = 0
            case Subnormals.FLUSH:
                hidden = mantissa = 0
            case Subnormals.NORMAL:
                hidden = hidden if mantissa else 0
    return Number(sign, hidden + mantissa, max(field - fmt.bias, fmt.emin) - fmt.mantissa_bits)


def encode(
    fmt: FloatFormat,
    number: Number,
    overflow: Overflow = Overflow.INFINITY,
    underflow: Underflow = Underflow.FLUSH,
) -> Encoded:
    """The code of a number, rounded once by the format's rounding.

    Overflow means: rounded with unbounded exponent, the magnitude exceeds the largest finite number. Tiny
    means: so rounded, it is below the smallest normal number ("after rounding"). Flags: OF with NX on
    overflow (also for an infinity that the format cannot hold); UF with NX when tiny and inexact; NX when
    inexact. Formats without subnormals have one zero, +0.
    Every NaN becomes the canonical one.

    Raises:
        FormatError: a NaN, and the format has none.
        ValueError: a sticky number has too few bits to round.
    """
    sign_bit = number.sign << (fmt.width - 1)
    if number.kind is Kind.NAN:
        if fmt.nan_code is None:
            raise FormatError(f"format {fmt.name!r} has no code for NaN")
        return Encoded(fmt.nan_code, Flag(0))
    if number.kind is Kind.INFINITY:
        code = _beyond(fmt, overflow, sign_bit, toward_zero=False)
        return Encoded(code, Flag(0) if code == (sign_bit | (fmt.infinity_code or 0)) else Flag.OF | Flag.NX)
    if number.magnitude == 0 and not number.sticky:
        return Encoded(sign_bit if fmt.subnormals is Subnormals.GRADUAL else 0, Flag(0))

    # 1. Round as if the exponent were unbounded. The hidden one in `kept` adds 1 to the field, hence `- 1`.
    leading = number.magnitude.bit_length() - 1 + number.exponent
    kept, inexact = _round(number, leading - fmt.mantissa_bits, fmt.rounding)
    base = (leading + fmt.bias - 1) << fmt.mantissa_bits
    code = base + kept

    # 2. Too small.
    tiny = code < fmt.min_normal_code
    if tiny and fmt.subnormals is Subnormals.GRADUAL:
        code, inexact = _round(number, fmt.emin - fmt.mantissa_bits, fmt.rounding)
    elif tiny:
        kept, rest = _round(number, leading - fmt.mantissa_bits, Rounding.RTZ)
        code, inexact = _flush(fmt, base + kept, rest, underflow), True
        sign_bit = sign_bit if code else 0

    # 3. Too large.
    if code > fmt.max_code:
        toward_zero = fmt.rounding is Rounding.RTZ
        return Encoded(_beyond(fmt, overflow, sign_bit, toward_zero), Flag.OF | Flag.NX)
    flags = Flag.NX if inexact else Flag(0)
    return Encoded(sign_bit | code, flags | Flag.UF if tiny and inexact else flags)


def _round(number: Number, weight: int, rounding: Rounding) -> tuple[int, bool]:
    """The magnitude as an integer multiple of `2**weight`, and whether that is inexact."""
    drop = weight - number.exponent
    if drop <= 0:
        if number.sticky:
            raise ValueError(f"{number} has too few bits: a sticky number needs one more than the precision")
        return number.magnitude << -drop, False
    kept = number.magnitude >> drop
    # Twice the dropped part, in units of the old last bit; odd when sticky, so it never ties by mistake.
    rest = 2 * (number.magnitude & ((1 << drop) - 1)) + number.sticky
    half = 1 << drop
    match rounding:
        case Rounding.RNE:
            up = rest > half or (rest == half and kept & 1 == 1)
        case Rounding.RNU:
            up = rest >= half
        case Rounding.RTZ:
            up = False
    return kept + up, rest != 0


def _flush(fmt: FloatFormat, floor: int, rest: bool, underflow: Underflow) -> int:
    """What a tiny magnitude becomes in a format without subnormals; `floor` is its code rounded down."""
    if underflow is Underflow.FLUSH or fmt.rounding is Rounding.RTZ:
        return 0
    half = fmt.min_normal_code - (1 << fmt.mantissa_bits)  # the same mantissa one binade lower
    above = floor > half or (floor == half and (rest or fmt.rounding is Rounding.RNU))
    return fmt.min_normal_code if above else 0


def _beyond(fmt: FloatFormat, overflow: Overflow, sign_bit: int, toward_zero: bool) -> int:
    """The code of what is too large."""
    if overflow is Overflow.INFINITY and not toward_zero:
        if fmt.infinity_code is not None:
            return sign_bit | fmt.infinity_code
        if fmt.nan_code is not None:
            return fmt.nan_code
    return sign_bit | fmt.max_code

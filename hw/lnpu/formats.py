"""Number formats as data.

A `FloatFormat` is a frozen description: field widths, bias and the rules for the codes at both ends of the
exponent range. Hardware generators and golden models read it; nothing about a format is written anywhere
else, so a new one is one line in the table (or `parse_format("e6m9")`).

Sources: IEEE 754-2019 (FP16, FP32), OCP 8-bit floating point specification 1.0 (E4M3, E5M2),
Agrawal et al., ARITH 2019 (DLFloat16).
"""

import dataclasses
import enum
import math
import re
from dataclasses import dataclass

__all__ = [
    "BF16",
    "DLFLOAT16",
    "E4M3",
    "E5M2",
    "FORMATS",
    "FP16",
    "FP32",
    "FloatFormat",
    "FormatError",
    "Rounding",
    "Specials",
    "Subnormals",
    "parse_format",
]


class FormatError(ValueError):
    """A number format that cannot exist; the message names the field, the value and what is allowed."""


class Subnormals(enum.Enum):
    """What the codes with exponent field 0 and a non-zero mantissa mean."""

    GRADUAL = "gradual"
    """IEEE: no hidden one, exponent `emin`."""
    FLUSH = "flush"
    """Read as zero, never produced."""
    NORMAL = "normal"
    """An ordinary binade with a hidden one (DLFloat); only mantissa 0 is zero."""


class Specials(enum.Enum):
    """Which codes are not finite numbers."""

    IEEE = "ieee"
    """Exponent all ones: infinity (mantissa 0) and NaN."""
    OCP = "ocp"
    """Only exponent and mantissa all ones is NaN; no infinity (E4M3)."""
    NONE = "none"
    """Every code is a finite number."""
    DLFLOAT = "dlfloat"
    """Exponent and mantissa all ones is the one merged NaN-infinity."""


class Rounding(enum.Enum):
    """How a value between two codes is rounded."""

    RNE = "rne"
    """To nearest, ties to even."""
    RNU = "rnu"
    """To nearest, ties away from zero ("up" in magnitude)."""
    RTZ = "rtz"
    """Toward zero."""


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating-point format: 1 sign bit, `exponent_bits`, `mantissa_bits`, most significant first.

    A normal code means `(-1)**sign * (1 + mantissa / 2**mantissa_bits) * 2**(exponent - bias)`.

    Args:
        name: lower-case name, used on the command line and in manifests.
        exponent_bits: 2 to 11.
        mantissa_bits: 1 to 52, without the hidden one.
        bias: subtracted from the exponent field; default `2**(exponent_bits - 1) - 1`. Every value must be
            a float64, which limits the bias of formats with 11 exponent bits.
        subnormals: meaning of exponent field 0.
        specials: codes that are not finite.
        rounding: the format's rounding when a value is encoded.

    Raises:
        FormatError: a field is out of range.
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    bias: int = -1
    subnormals: Subnormals = Subnormals.GRADUAL
    specials: Specials = Specials.IEEE
    rounding: Rounding = Rounding.RNE

    def __post_init__(self) -> None:
        for field, low, high in (("exponent_bits", 2, 11), ("mantissa_bits", 1, 52)):
            value = getattr(self, field)
            if not isinstance(value, int) or not low <= value <= high:
                raise FormatError(f"format {self.name!r}: `{field}` must be {low} to {high}, not {value}")
        if self.bias == -1:
            object.__setattr__(self, "bias", 2 ** (self.exponent_bits - 1) - 1)
        if not 0 <= self.bias < 2**self.exponent_bits:
            raise FormatError(
                f"format {self.name!r}: `bias` must be 0 to {2**self.exponent_bits - 1}, not {self.bias}"
            )
        # Golden models hand values over as float64.
        if self.emax > 1023 or self.emin - self.mantissa_bits < -1074:
            raise FormatError(
                f"format {self.name!r}: every value must be a float64: `bias` {self.bias} gives magnitudes "
                f"2**{self.emin - self.mantissa_bits} to 2**{self.emax}, allowed are 2**-1074 to 2**1023"
            )

    # ---- sizes -----------------------------------------------------------------------------------------
    @property
    def width(self) -> int:
        """Bits of a code."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def precision(self) -> int:
        """Significand bits, hidden one included."""
        return self.mantissa_bits + 1

    # ---- range -----------------------------------------------------------------------------------------
    @property
    def exponent_mask(self) -> int:
        """The exponent field with all bits set."""
        return (1 << self.exponent_bits) - 1

    @property
    def mantissa_mask(self) -> int:
        """The mantissa field with all bits set."""
        return (1 << self.mantissa_bits) - 1

    @property
    def emin(self) -> int:
        """Exponent of the smallest normal number."""
        return (0 if self.subnormals is Subnormals.NORMAL else 1) - self.bias

    @property
    def emax(self) -> int:
        """Exponent of the largest finite number."""
        return self.exponent_mask - self.bias - (1 if self.specials is Specials.IEEE else 0)

    @property
    def max_code(self) -> int:
        """Code of the largest finite number (sign 0)."""
        top = (self.exponent_mask << self.mantissa_bits) | self.mantissa_mask
        match self.specials:
            case Specials.IEEE:
                return top - (1 << self.mantissa_bits)
            case Specials.OCP | Specials.DLFLOAT:
                return top - 1
            case Specials.NONE:
                return top

    @property
    def min_normal_code(self) -> int:
        """Code of the smallest normal number (sign 0)."""
        return 1 if self.subnormals is Subnormals.NORMAL else 1 << self.mantissa_bits

    @property
    def max_value(self) -> float:
        """The largest finite number."""
        mantissa = self.max_code & self.mantissa_mask
        return math.ldexp((1 << self.mantissa_bits) + mantissa, self.emax - self.mantissa_bits)

    @property
    def min_normal(self) -> float:
        """The smallest normal number."""
        mantissa = self.min_normal_code & self.mantissa_mask
        return math.ldexp((1 << self.mantissa_bits) + mantissa, self.emin - self.mantissa_bits)

    # ---- special codes -----------------------------------------------------------------------------------
    @property
    def has_infinity(self) -> bool:
        """Whether the format has a code for infinity alone."""
        return self.specials is Specials.IEEE

    @property
    def infinity_code(self) -> int | None:
        """Code of +infinity, or None."""
        return self.exponent_mask << self.mantissa_bits if self.has_infinity else None

    @property
    def nan_code(self) -> int | None:
        """Canonical quiet NaN (sign 0, first mantissa bit set where there is a choice), or None."""
        top = self.exponent_mask << self.mantissa_bits
        match self.specials:
            case Specials.IEEE:
                return top | 1 << (self.mantissa_bits - 1)
            case Specials.OCP | Specials.DLFLOAT:
                return top | self.mantissa_mask
            case Specials.NONE:
                return None

    # ---- variants ----------------------------------------------------------------------------------------
    def training(self) -> "FloatFormat":
        """The same codes as read and written by the training flavour: subnormals are zero.

        The finite range stays (FP16 still ends at 65504), so the codes remain valid in the full format;
        overflow saturates instead of producing a special code.
        """
        if self.subnormals is not Subnormals.GRADUAL:
            return self
        return dataclasses.replace(self, subnormals=Subnormals.FLUSH)

    def __str__(self) -> str:
        return self.name


FP16 = FloatFormat("fp16", 5, 10)
FP32 = FloatFormat("fp32", 8, 23)
BF16 = FloatFormat("bf16", 8, 7)
E4M3 = FloatFormat("e4m3", 4, 3, specials=Specials.OCP)
E5M2 = FloatFormat("e5m2", 5, 2)
DLFLOAT16 = FloatFormat(
    "dlfloat16", 6, 9, subnormals=Subnormals.NORMAL, specials=Specials.DLFLOAT, rounding=Rounding.RNU
)

FORMATS: dict[str, FloatFormat] = {f.name: f for f in (FP16, FP32, BF16, E4M3, E5M2, DLFLOAT16)}
"""The named formats."""


def parse_format(text: str) -> FloatFormat:
    """A format from its name: one of `FORMATS`, or `e<exponent bits>m<mantissa bits>[b<bias>]` (IEEE rules).

    Raises:
        FormatError: the name is unknown or a field is out of range.
    """
    name = text.strip().lower()
    if name in FORMATS:
        return FORMATS[name]
    match = re.fullmatch(r"e(\d+)m(\d+)(?:b(\d+))?", name)
    if match is None:
        known = ", ".join(sorted(FORMATS))
        raise FormatError(f"unknown number format {text!r}: allowed are {known} and e<bits>m<bits>[b<bias>]")
    exponent, mantissa, bias = match.groups()
    return FloatFormat(name, int(exponent), int(mantissa), int(bias) if bias is not None else -1)

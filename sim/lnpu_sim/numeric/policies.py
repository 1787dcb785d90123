"""What happens at the ends of a format's range, and the exceptions that an operation raises."""

import enum

__all__ = ["Flag", "Overflow", "Underflow"]


class Flag(enum.IntFlag):
    """IEEE 754 exceptions as bits of a lane's flags word: {NV, DZ, OF, UF, NX}, NV is bit 4."""

    NX = 1
    """Inexact: the result is not the exact one."""
    UF = 2
    """Underflow: tiny after rounding, and inexact."""
    OF = 4
    """Overflow."""
    DZ = 8
    """Division by zero; no unit here raises it."""
    NV = 16
    """Invalid operation."""


class Overflow(enum.Enum):
    """What a magnitude above the largest finite number (and an infinity) becomes."""

    INFINITY = "infinity"
    """Infinity; NaN where the format has no infinity (E4M3, DLFloat); saturates where it has neither.
    Rounding toward zero gives the largest finite number, as in IEEE 754; an infinity stays one."""
    SATURATE = "saturate"
    """The largest finite number of the same sign (E4M3: 448)."""


class Underflow(enum.Enum):
    """What a tiny magnitude becomes in a format without subnormals; others ignore this."""

    FLUSH = "flush"
    """Zero, unless rounding with unbounded exponent already gave the smallest normal number."""
    NEAREST = "nearest"
    """The smallest normal number or zero, whichever is nearer; half of the smallest normal number goes to
    zero (away from zero where the format rounds `RNU`; rounding toward zero always gives zero)."""

"""What the hardware is made for: read by the constraint files, not part of the hardware or its digest."""

import math
from dataclasses import dataclass

__all__ = ["HIGHEST_MHZ", "LOWEST_MHZ", "Target", "TargetError"]

LOWEST_MHZ, HIGHEST_MHZ = 1.0, 2000.0


class TargetError(ValueError):
    """A target that makes no sense; names the field, the value and what is allowed."""


@dataclass(frozen=True)
class Target:
    """Where a generated machine shall run.

    Args:
        clock_mhz: clock that constraint files ask for, 1 to 2000 MHz: a wish, not a result.

    Raises:
        TargetError: a field is out of range.
    """

    clock_mhz: float = 50.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.clock_mhz) and LOWEST_MHZ <= self.clock_mhz <= HIGHEST_MHZ):
            raise TargetError(
                f"`clock_mhz` must be {LOWEST_MHZ:g} to {HIGHEST_MHZ:g}, not {self.clock_mhz:g}"
            )

    @property
    def period_ns(self) -> float:
        """Nanoseconds of a clock cycle, rounded down to a picosecond: never a slower clock than asked."""
        return math.floor(1e6 / self.clock_mhz) / 1e3

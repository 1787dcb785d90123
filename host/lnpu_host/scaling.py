"""The loss scale: as large as the gradients allow."""

from dataclasses import dataclass

from lnpu_host.errors import HostError

__all__ = ["LossScale"]


@dataclass
class LossScale:
    """A power of two that gradients are multiplied by.

    Args:
        value: now. patience: steps without saturation after which it doubles.
        largest: it never doubles beyond this. clean: steps without saturation since it last changed.

    Raises:
        HostError: `value` is no power of two of 1 to `largest`, or `patience` is below 1.
    """

    value: int = 16384
    patience: int = 500
    largest: int = 1 << 20
    clean: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.value <= self.largest or self.value & (self.value - 1):
            raise HostError(f"`loss_scale` must be a power of two from 1 to {self.largest}, not {self.value}")
        if self.patience < 1:
            raise HostError(f"`patience` must be at least 1, not {self.patience}")

    def note(self, saturated: bool) -> None:
        """After a step: halve it, or count the step."""
        if saturated:
            self.value, self.clean = max(1, self.value // 2), 0
            return
        self.clean += 1
        if self.clean == self.patience:
            self.value, self.clean = min(self.largest, 2 * self.value), 0

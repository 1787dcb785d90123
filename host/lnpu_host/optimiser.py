"""Settings of the training's arithmetic."""

import math
from dataclasses import dataclass

from lnpu_host.errors import HostError

__all__ = ["Optimiser"]


@dataclass(frozen=True)
class Optimiser:
    """SGD with momentum.

    Args:
        rate: learning rate, above 0. momentum: 0 to below 1. decay: of the weights, 0 or more.
        share: fp16 elements among the non-zeros of a compressed tensor, at most, 0 to 1.

    Raises:
        HostError: a field is out of range.
    """

    rate: float = 0.05
    momentum: float = 0.9
    decay: float = 0.0001
    share: float = 0.05

    def __post_init__(self) -> None:
        for name, value, good, allowed in (
            ("rate", self.rate, self.rate > 0, "above 0"),
            ("momentum", self.momentum, 0 <= self.momentum < 1, "0 to below 1"),
            ("decay", self.decay, self.decay >= 0, "0 or more"),
            ("share", self.share, 0 <= self.share <= 1, "0 to 1"),
        ):
            if not good or not math.isfinite(value):
                raise HostError(f"`{name}` must be {allowed}, not {value}")

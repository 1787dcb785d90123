"""Choices of the balancer, as `lnpu.engine.policies`."""

from lnpu.engine.config import EngineConfig, Policy

__all__ = ["Chooser"]

_HALF = 1 << 19
"""Sign bit of the difference of two virtual times."""


class Chooser:
    """Which line gets a pixel; for any policy.

    Args:
        config: geometry and policy.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._lines = config.lines
        self._dynamic = config.policy is Policy.DYNAMIC
        self._turning = config.policy is Policy.ROTATE
        self._times = [0] * config.lines
        self._first = self._wanted = 0

    def choice(self, open_: list[bool]) -> int:
        """The line of a pixel; `open_`: lines with room, one at least."""
        if self._lines == 1:
            return 0
        if self._dynamic:
            best = -1
            for n in range(self._lines):
                if open_[n] and (best < 0 or self._times[n] - self._times[best] & _HALF):
                    best = n
            return best
        line = self._wanted
        while not open_[line]:
            line = (line + 1) % self._lines
        return line

    def give(self, line: int, work: int) -> None:
        """`work` slots go to a line."""
        self._times[line] += work

    def step(self, dealt: bool, over: bool) -> None:
        """A pixel was dealt, or the walk is over."""
        if over:
            self._first = (self._first + self._turning) % self._lines
            self._wanted = self._first
        elif dealt:
            self._wanted = (self._wanted + 1) % self._lines

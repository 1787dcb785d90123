"""Performance counters, as `lnpu.engine.counters`."""

from lnpu_sim.engine.play import CAUSES

__all__ = ["Counters"]

STARVED, FILL, TAIL = (CAUSES.index(name) for name in ("starved", "fill", "tail"))


class Counters:
    """What all lines did with every cycle from the first to the last issue."""

    def __init__(self) -> None:
        self._running = [0] * len(CAUSES)
        self._counts = [0] * len(CAUSES)
        self._first = self._last = -1

    def step(self, now: int, causes: list[int]) -> None:
        """One cycle; `causes`: of each line, as a place in `CAUSES`."""
        issued = min(causes) < 2
        if self._first < 0:
            if not issued:
                return
            self._first = now
        running = self._running
        for cause in causes:
            running[cause] += 1
        if issued:
            self._last = now
            self._counts = running.copy()

    def counts(self, total: int) -> dict[str, int]:
        """All counters; `total`: cycles to the last drain's end."""
        found = dict(zip(CAUSES, self._counts, strict=True))
        cycles = self._last - self._first + 1 if self._first >= 0 else 0
        return {**found, "cycles": cycles, "lead": max(0, self._first), "total": total}

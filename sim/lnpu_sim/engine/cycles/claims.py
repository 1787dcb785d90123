"""Banks of several lines, taken and given back, as `lnpu.engine.claims`."""

from lnpu_sim.engine.cycles.line import Line

__all__ = ["Claims"]


class Claims:
    """Claims of Loader or Collector.

    Attributes:
        done: bits of banks of each line that are done with in this cycle, from a register.
    """

    def __init__(self, lines: int) -> None:
        self.done = [0] * lines
        self._claimed = [0] * lines
        self._none = [0] * lines

    def free(self, lines: list[Line], mask: int, bank: int, now: int, load: bool) -> bool:
        """Whether every line of the mask offers the bank, to be loaded or drained, and it is not claimed."""
        for n, line in enumerate(lines):
            if mask >> n & 1:
                if self._claimed[n] >> bank & 1:
                    return False
                if not (line.wanted(bank, now) if load else line.complete(bank)):
                    return False
        return True

    def claim(self, mask: int, bank: int) -> None:
        """A bank is claimed, behind this cycle."""
        for n in range(len(self._claimed)):
            if mask >> n & 1:
                self._claimed[n] |= 1 << bank

    def end(self, mask: int, bank: int) -> None:
        """Behind this cycle: the claims that are done with in it end; those of the mask are next."""
        if self.done is not self._none:
            self._claimed = [a & ~b for a, b in zip(self._claimed, self.done, strict=True)]
        if mask:
            self.done = [(mask >> n & 1) << bank for n in range(len(self._claimed))]
        else:
            self.done = self._none

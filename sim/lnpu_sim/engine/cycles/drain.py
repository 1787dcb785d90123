"""Cycles of a line's drain, as `lnpu.engine.drain` and `row_file`."""

from collections import deque

from lnpu.engine.config import EngineConfig

__all__ = ["Drain"]


def _depth(groups: int) -> int:
    """Words of the queue."""
    return max(16, 1 << (2 * groups + 3).bit_length())


class Drain:
    """Requests to words.

    Attributes:
        words: those that wait, True: the last one of its request. accepted: the request is taken in this
        cycle.
    """

    def __init__(self, config: EngineConfig, wg: int) -> None:
        self.words: deque[bool] = deque()
        self.accepted = False
        self._wg, self._groups = wg, config.groups
        self._room = _depth(config.groups)
        self._index = 0
        self._free_from = 0
        self._coming: deque[tuple[int, bool]] = deque()  # cycles in which words come by
        # Reads and writes of visits in the last cycles, the last one in bit 0; they reach the Row file in
        # stage C and hold its port for a cycle a group.
        self._moves = 0
        self._port = (1 << config.groups) - 1 << 2
        self._kept = (1 << config.groups + 3) - 1

    def step(self, now: int, request: int, word: bool) -> bool:
        """One cycle; arguments as of `Line.step`. Returns whether the drain takes the line's cycle (WG)."""
        coming = self._coming
        if coming and coming[0][0] == now:
            self.words.append(coming.popleft()[1])
        self.accepted = slot = False
        room = self._room
        if request >= 0:
            if self._wg:
                if room >= self._groups and now >= self._free_from:
                    slot = self.accepted = True
                    self._free_from = now + self._groups
                    self._room -= request + 1
                    coming.extend((now + 5 + n, n == request) for n in range(request + 1))
            elif room and not self._moves & self._port:
                index = self._index
                if index <= request:
                    self._room -= 1
                    coming.append((now + 1, index == request))
                self.accepted = index == self._groups - 1
                self._index = 0 if self.accepted else index + 1
        if word:
            self._room += 1
        return slot

    def move(self, moved: bool) -> None:
        """FP, BP: in this cycle a slot (or no slot) changes the pixel whose sums are in the PEs."""
        self._moves = (self._moves << 1 | moved) & self._kept

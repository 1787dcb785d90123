"""Cycles of the transposing buffers, as `lnpu.buffer`."""

from lnpu.buffer.scheme import Scheme

__all__ = ["Registers", "Shift", "make_transposer"]


class Shift:
    """Two tiles: one fills, one leaves.

    Attributes:
        readable: a tile is there to be read in this cycle.
    """

    def __init__(self) -> None:
        self.readable = False
        self._complete = False

    def ready(self, last: bool) -> bool:
        """Whether a column is taken; `last`: the last row of a tile is read in this cycle."""
        return not self._complete or not self.readable or last

    def step(self, column: bool, last: bool) -> None:
        """One cycle. `column`: a tile's last column is taken; `last`: a tile's last row is read."""
        move = self._complete and (not self.readable or last)
        self._complete = column or (self._complete and not move)
        self.readable = move or (self.readable and not last)


class Registers:
    """Two register files; members as of `Shift`."""

    def __init__(self) -> None:
        self.readable = False
        self._full = 0

    def ready(self, last: bool) -> bool:
        """Whether a column is taken."""
        return self._full < 2

    def step(self, column: bool, last: bool) -> None:
        """One cycle."""
        self._full += column - last
        self.readable = self._full > 0


def make_transposer(scheme: Scheme) -> Shift | Registers:
    """The buffer of a scheme."""
    return Shift() if scheme is Scheme.SHIFT else Registers()

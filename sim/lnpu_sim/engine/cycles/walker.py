"""Cycles of the walker, as `lnpu.engine.walker`."""

from collections import deque
from collections.abc import Mapping

from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.cycles.banks import BlockLists
from lnpu_sim.engine.cycles.stepper import ColumnStep, RowStep

__all__ = ["Entry", "Walker"]

DEPTH = 4
"""Lookups that wait for their lines."""


class Entry:
    """A lookup: elements of a block (the first one at `first` of `index`) or of the constant 1, or the end of
    a walk; fields as in the hardware's `lookup_layout`."""

    __slots__ = ("end", "first", "index", "inside", "last", "line", "n8", "n16", "one", "tile")

    def __init__(self) -> None:
        self.n8 = self.n16 = self.tile = self.first = self.line = 0
        self.one = self.end = self.last = False
        self.inside = True
        self.index: list[int] = []


class Walker:
    """Lookups, one a cycle.

    Attributes:
        queue: those that wait. walk: the present command; busy: there is one.
        table: the assignment table, two banks of lines of pixels, written by the dealer.
    """

    def __init__(self, constants: Mapping[str, int], config: EngineConfig) -> None:
        self.constants = constants
        self.mask = (1 << config.tile_bits) - 1
        self.block_mask = (1 << config.block_bits) - 1
        self.queue: deque[Entry] = deque()
        self.walk: Mapping[str, int] = {}
        self.bank = BlockLists([], [], [], [])
        self.busy = False
        size = 1 << config.pixel_bits
        self.table = [[0] * size, [0] * size]
        self._column, self._row = ColumnStep(constants), RowStep(constants, config)
        self._back = constants["backward"] == 1
        self._stride = constants["stride"] if self._back else 1
        self._x_end = 0 if self._back else constants["width_last"]
        self._y_end = 0 if self._back else constants["height_last"]
        self._by = -1 if self._back else 1
        self._width = (constants["width_last"] + 1) * self._by
        self._answer: Entry | None = None
        self._active = self._starting = self._one = self._end = self._blank = self._final = False
        self._ky = self._kx = self._first_kx = self._y = self._x = self._first_x = self._block = 0
        self._number = 0
        self._line = 0
        self._ky_last = self._kx_last = 0

    def load(self, walk: Mapping[str, int], bank: BlockLists) -> None:
        """Behind the cycle in which a command was taken, whose X bank holds `bank`."""
        self.walk, self.bank, self.busy = walk, bank, True
        low_y, high_y, low_x, high_x = (walk[name] for name in ("ky_first", "ky_last", "kx_first", "kx_last"))
        if not (self.constants["wg"] or walk["replay"] or walk["all"]):
            low_y = low_x = 0
            high_y = high_x = self.constants["kernel_last"]
        self._column.load(low_x, high_x)
        self._row.load(low_y, high_y)
        self._kx_last, self._ky_last = high_x, high_y
        self._starting, self._number = True, 0

    def step(self, room: bool) -> None:
        """One cycle; `room`: of the queue, before anything was taken from it in this cycle."""
        if not self.busy:
            return
        if self._answer is not None:
            self.queue.append(self._answer)
            self._answer = None
        ready = self._column.ready and self._row.ready
        fetch = False
        if self._starting:
            fetch = ready
            self._active, self._starting = ready, not ready
        elif self._active and room:
            fetch = self._lookup(ready)
        column, row = self._column, self._row
        take_row = fetch and column.columns == 0
        if fetch:
            self._fetch()
        if fetch or column.first or not column.ready:
            column.step(fetch, self.walk)
        if take_row or row.first or not row.ready:
            row.step(take_row, self.walk)

    def _lookup(self, ready: bool) -> bool:
        """The lookup of this cycle; whether the next pixel is fetched."""
        walk, entry = self.walk, Entry()
        self._answer = entry
        if self._end:
            entry.end = True
            self._active = self._end = False
            return False
        entry.line = self._line
        x_done = self._kx + self._stride > self._kx_last or self._x == self._x_end
        y_done = self._ky + self._stride > self._ky_last or self._y == self._y_end
        taps_done = self._blank or (x_done and y_done)
        pixel_done = self._one or (taps_done and not walk["one"])
        entry.last = pixel_done
        if self._one:
            entry.one, entry.tile = True, walk["one_tile"]
            entry.n8, entry.n16 = 1 - self.constants["one_wide"], self.constants["one_wide"]
        elif not self._blank:
            block, bank = self._block + self._x & self.block_mask, self.bank
            entry.n8, entry.n16, entry.first = bank.n8[block], bank.n16[block], bank.start[block]
            entry.index = bank.index
            ky, kx = self._ky, self._kx
            entry.tile = walk["tile"] + ky * walk["y_pitch"] + kx * walk["x_pitch"] & self.mask
            entry.inside = (
                walk["ky_first"] <= ky <= walk["ky_last"] and walk["kx_first"] <= kx <= walk["kx_last"]
            )
        if pixel_done:
            self._one = False
            if self._final:
                self._end = True
                return False
            self._active, self._starting = ready, not ready
            return ready
        if taps_done:
            self._one = True
        elif x_done:
            self._kx, self._x = self._first_kx, self._first_x
            self._ky += self._stride
            self._y += self._by
            self._block = self._block + self._width & self.block_mask
        else:
            self._kx += self._stride
            self._x += self._by
        return False

    def _fetch(self) -> None:
        column, row = self._column, self._row
        self._kx = self._first_kx = column.tap
        self._x = self._first_x = column.at
        self._ky, self._y, self._block = row.tap, row.at, row.block
        self._blank = not (column.valid and row.valid)
        self._final = self._number == self.walk["pixels"]
        self._line = self.table[self.walk["table"]][self._number]
        self._number += 1

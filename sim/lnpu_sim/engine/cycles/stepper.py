"""Cycles from pixel to pixel, as `lnpu.engine.stepper`."""

from collections.abc import Mapping

from lnpu.engine.config import EngineConfig

__all__ = ["ColumnStep", "RowStep"]


class _Axis:
    """What both axes share.

    Attributes:
        tap, at: first tap not before the rectangle, and its pixel. ready: the pixel is there.
        first: the first cycle of a walk, in which its values are taken over.
    """

    def __init__(self, constants: Mapping[str, int], axis: str, size: str) -> None:
        self.constants = constants
        self.backward, self.stride = constants["backward"], constants["stride"]
        self.end = constants[f"{size}_last"]
        self.start_tap, self.start_at = constants[f"{axis}_tap"], constants[f"{axis}_pixel"]
        self.low = self.high = 0  # the rectangle
        self.tap = self.at = 0
        self.first = self.ready = False

    def load(self, low: int, high: int) -> None:
        """A walk whose taps are `low` to `high` begins."""
        self.low, self.high = low, high
        self.first, self.ready = True, False

    @property
    def valid(self) -> bool:
        """The tap is in the rectangle, and its pixel inside the input."""
        return self.tap <= self.high and 0 <= self.at <= self.end


class ColumnStep(_Axis):
    """First taps in x of the pixels of a row."""

    def __init__(self, constants: Mapping[str, int]) -> None:
        super().__init__(constants, "x", "width")
        self.columns = 0

    def step(self, take: bool, walk: Mapping[str, int]) -> None:
        """One cycle; `take`: the pixel is taken."""
        before = self.tap < self.low
        if self.first:
            self.tap, self.at, self.columns = walk["x_tap"], walk["x_pixel"], walk["columns"]
            self.first = False
        elif take and not self.columns:
            self.tap, self.at = self.start_tap, self.start_at
            self.columns = self.constants["columns_last"]
        elif before:
            self.tap += self.stride if self.backward else 1
            self.at += -1 if self.backward else 1
        elif take:
            self.columns -= 1
            over = self.tap - self.low
            if self.backward:
                wrap = over + 1 == self.stride and self.at != self.end
                self.tap = self.low if wrap else self.tap + 1
                self.at += wrap
            elif over >= self.stride:
                self.tap -= self.stride
            else:
                self.tap = self.low
                self.at += self.stride - over
        self.ready = self.tap >= self.low


class RowStep(_Axis):
    """First taps in y of the rows of the images.

    Attributes:
        block: first block of row `at`.
    """

    def __init__(self, constants: Mapping[str, int], config: EngineConfig) -> None:
        super().__init__(constants, "y", "height")
        self.width = constants["width_last"] + 1
        self.mask = (1 << config.block_bits) - 1
        self.block = self.base = self.rows = self.left = 0
        self.image = False

    def step(self, take: bool, walk: Mapping[str, int]) -> None:
        """One cycle; `take`: the row is taken."""
        before, unit, image = self.tap < self.low, take or self.left != 0, self.image
        self.image = take and self.rows == 0
        if self.first:
            self.tap, self.at = walk["y_tap"], walk["y_pixel"]
            self.block, self.base, self.rows, self.left = walk["y_block"], walk["base"], walk["rows"], 0
            self.first = False
        elif image:
            self.tap, self.at = self.start_tap, self.start_at
            self.block = self.base + self.constants["y_offset"] & self.mask
            self.rows = self.constants["rows_last"]
        else:
            self._move(before, unit)
            if take and self.rows == 0:
                self.base = self.base + self.constants["image"] & self.mask
            if take:
                if not self.backward and self.rows != 0:
                    self.left = self.stride - 1
                self.rows -= 1
            elif self.left:
                self.left -= 1
        self.ready = not self.image and self.tap >= self.low and self.left == 0

    def _move(self, before: bool, unit: bool) -> None:
        by = 0
        if not unit:
            if not before:
                return
            self.tap += self.stride if self.backward else 1
            by = -1 if self.backward else 1
        elif self.backward:
            wrap = self.tap - self.low + 1 == self.stride and self.at != self.end
            self.tap = self.low if wrap else self.tap + 1
            by = int(wrap)
        elif self.tap == self.low:
            by = 1
        else:
            self.tap -= 1
        self.at += by
        self.block = self.block + by * self.width & self.mask

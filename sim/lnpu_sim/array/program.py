"""Tile programs: what a line is given, as numpy arrays. Plain data between planner, model and hardware."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["SLOT_FIELDS", "Drains", "LineProgram", "Loads", "Slots", "join_slots"]

Ints = NDArray[np.int64]

SLOT_FIELDS = ("work", "dual", "lane", "code", "tile", "tile_bank", "row", "row_bank", "release", "last")
"""Columns of `Slots` in order; meanings in `docs/engine.md`, section 1."""


@dataclass(frozen=True)
class Slots:
    """Slots in order.

    Args:
        columns: int64 [slots, fields], one column for each of `SLOT_FIELDS`.
    """

    columns: Ints = field(default_factory=lambda: np.zeros((0, len(SLOT_FIELDS)), np.int64))

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, name: str) -> Ints:
        return self.columns[:, SLOT_FIELDS.index(name)]


def join_slots(parts: list[Slots]) -> Slots:
    """Slots one part after the other."""
    return Slots(np.concatenate([part.columns for part in parts])) if parts else Slots()


@dataclass(frozen=True)
class Loads:
    """Operand words in order; a bank ends with `last`.

    Args:
        bank, entry, last: int64 [words]. lanes: int64 [words, lanes], fp16 codes.
    """

    bank: Ints
    entry: Ints
    last: Ints
    lanes: Ints


@dataclass(frozen=True)
class Drains:
    """Accumulator banks in the order in which they are drained.

    Args:
        bank: int64 [banks]. count: int64 [banks], entries drained, from entry 0.
    """

    bank: Ints
    count: Ints


@dataclass(frozen=True)
class LineProgram:
    """The work of one line in one pass.

    Args:
        wg: whether the Tile file accumulates. scale: exponent of fp8 inputs. top: of the window.
        slots, loads, drains: the line's streams.
        places: int64 [drained words, 3], what each drained word is: FP and BP (lane block, pixel, 0);
            WG (lane block, channel, tap), the bias gradient's channel being -1.
    """

    wg: bool
    scale: int
    top: int
    slots: Slots
    loads: Loads
    drains: Drains
    places: Ints

    @property
    def issued(self) -> int:
        """Slots with work."""
        return int(self.slots["work"].sum())

"""Golden model of a line: executes slots, exact integers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig, EngineError
from lnpu.numeric.config import FMA_BUILDS
from lnpu_sim.engine.files import accumulate, lane_order, terms_of
from lnpu_sim.numeric.window import WindowModel

__all__ = ["SLOT_FIELDS", "LineDrains", "LineLoads", "LineModel", "LineProgram"]

Ints = NDArray[np.int64]

SLOT_FIELDS = (
    *("work", "dual", "lane", "code", "tile", "tile_bank", "row", "row_bank", "end"),
    *("release", "last", "end_tile_bank", "end_row_bank"),
)
"""Fields of a slot: those of the hardware's `slot_layout`, marks flat."""


@dataclass(frozen=True)
class LineLoads:
    """Operands in the order in which they are loaded.

    Args:
        address: int64 [entries], Tile address, or first Row word of a pixel (WG), bank included.
        bank: int64 [entries]. last: int64 [entries], ends a use of the bank.
        lanes: int64 [entries, lanes], fp16 codes.
    """

    address: Ints
    bank: Ints
    last: Ints
    lanes: Ints


@dataclass(frozen=True)
class LineDrains:
    """Requests for sums in order.

    Args:
        address: int64 [requests], Row word of a pixel, or Tile address (WG), bank included.
        groups: int64 [requests], words less one. bank: int64 [requests].
        last: int64 [requests], ends a use of the bank.
    """

    address: Ints
    groups: Ints
    bank: Ints
    last: Ints


@dataclass(frozen=True)
class LineProgram:
    """The work of one line in one pass.

    Args:
        wg: whether Tile accumulates. scale: exponent of fp8 inputs. top: of the window.
        slots: int64 [slots] for each of `SLOT_FIELDS`. loads, drains: beside them.
    """

    wg: bool
    scale: int
    top: int
    slots: Mapping[str, Ints]
    loads: LineLoads
    drains: LineDrains


def _uses(bank: Ints, ends: Ints, of_bank: Ints, before: bool) -> Ints:
    """Which use of `bank`: ends of that bank so far; with `before`, an end counts for its own beat."""
    use = np.zeros(len(bank), np.int64)
    for b in range(2):
        mine = ((ends == 1) & (of_bank == b)).astype(np.int64)
        so_far = np.cumsum(mine) - (0 if before else mine)
        use[bank == b] = so_far[bank == b]
    return use


class LineModel:
    """What a line delivers.

    Args:
        config: geometry of the engine.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.window = WindowModel(FMA_BUILDS["pe"])

    def run(self, program: LineProgram) -> tuple[Ints, bool]:
        """Execute a program.

        Returns:
            `(words, overflow)`: drained words, int64 [words, row_lanes] signed, in order (lanes of a group:
            its low ones, then from lane `group` the high ones); and the sticky flag.

        Raises:
            EngineError: an operand is read that was not loaded.
        """
        slots, loads, drains, config = program.slots, program.loads, program.drains, self.config
        operand_file, sum_file = ("row", "tile") if program.wg else ("tile", "row")
        size = {"row": config.row_words, "tile": 2 * config.tile_entries}

        use = _uses(loads.bank, loads.last, loads.bank, before=False)
        operands = np.full((int(use.max(initial=0)) + 1, size[operand_file], config.lanes), -1, np.int64)
        operands[use, loads.address] = loads.lanes

        work = slots["work"] == 1

        def uses(file: str, mark: str) -> Ints:
            marks = slots["end"] & slots[mark]
            use = _uses(slots[f"{file}_bank"], marks, slots[f"end_{file}_bank"], before=True)
            return np.asarray(use[work], dtype=np.int64)

        operand_use, sum_use = uses(operand_file, "release"), uses(sum_file, "last")
        place = slots[operand_file][work]
        if operand_use.max(initial=0) >= len(operands) or (operands[operand_use, place] < 0).any():
            raise EngineError("a slot reads an operand that was not loaded")
        b = operands[operand_use, place]

        dual, lane, code = (slots[name][work] for name in ("dual", "lane", "code"))
        term = terms_of(self.window, dual, code, b, program.scale, program.top)
        half = np.arange(config.lanes) // config.pes
        term[(dual == 0)[:, None] & (half != lane[:, None])] = 0

        drain_use = _uses(drains.bank, drains.last, drains.bank, before=False)
        all_uses = 1 + max(int(sum_use.max(initial=0)), int(drain_use.max(initial=0)))
        entry = sum_use * size[sum_file] + slots[sum_file][work]
        sums = np.zeros((all_uses * size[sum_file], config.lanes), np.int64)
        saturated = accumulate(sums, entry, term, self.window)
        words = self.words(sums[drain_use * size[sum_file] + drains.address])
        kept = np.arange(config.groups)[None, :] <= drains.groups[:, None]
        drained: Ints = words[kept]
        return drained, saturated

    def words(self, sums: Ints) -> Ints:
        """Sums int64 [entries, lanes] as words of groups, int64 [entries, groups, row_lanes]."""
        order = lane_order(self.config)
        words: Ints = np.where(order < 0, 0, sums[:, order])
        return words.reshape(len(sums), self.config.groups, self.config.row_lanes)

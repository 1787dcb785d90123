"""Golden model of the address path: what every line is told to issue, walk by walk."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.balance import deal, rank
from lnpu_sim.engine.lookups import ONE, Lookups, lookups

__all__ = ["SLOT", "Blocks", "DealingModel", "DealtWalk"]

Ints = NDArray[np.int64]

SLOT = ("dual", "lane", "code", "tile", "tile_bank", "row", "row_bank")
"""Columns of a line's slots, as in the hardware's `slot_layout`."""


@dataclass(frozen=True)
class Blocks:
    """Blocks of an X bank.

    Args:
        start, n8, n16: int64 [blocks], first element of a block and its elements of each kind, fp8 first.
        index, code: int64 [elements], place in the block and code.
    """

    start: Ints
    n8: Ints
    n16: Ints
    index: Ints
    code: Ints


@dataclass(frozen=True)
class DealtWalk:
    """One walk.

    Args:
        lines: int64 [pixels], the line of each pixel, -1 where it goes to all.
        work: int64 [pixels], slots of each pixel.
        slots: for each line int64 [slots, len(SLOT)], in order.
    """

    lines: Ints
    work: Ints
    slots: list[Ints]


class DealingModel:
    """Dealer and feeds in a pass.

    Args:
        config: geometry and policy. constants: fields of `pass_layout`.
    """

    def __init__(self, config: EngineConfig, constants: Mapping[str, int]) -> None:
        self.config = config
        self.constants = dict(constants)
        self.walks = 0
        self.time = np.zeros(config.lines, np.int64)
        self.table: list[Ints] = [np.zeros(0, np.int64)] * 2

    def walk(self, walk: Mapping[str, int], blocks: Blocks) -> DealtWalk:
        """The next walk.

        Args:
            walk: fields of `walk_command`. blocks: its X bank.
        """
        config = self.config
        found = lookups(self.constants, dict(walk), config)
        is_one = found.block == ONE
        n8, n16, work = self._counts(walk, found, blocks)
        halves = 2 if walk["both"] else 1
        count = n8 + halves * n16
        lines, row = self._deal(walk, self._weights(walk, blocks, work))

        # Slot `inside` of its lookup: fp8 elements, then the halves of fp16 elements.
        lookup = np.repeat(np.arange(len(count)), count)
        inside = np.arange(len(lookup)) - (np.cumsum(count) - count)[lookup]
        wide = inside >= n8[lookup]
        rest = np.where(wide, inside - n8[lookup], 0)
        element = np.where(wide, n8[lookup] + rest // halves, inside)
        place = np.where(is_one[lookup], 0, blocks.start[found.block[lookup]] + element)
        index, code = (
            part[place] if len(part) else np.zeros_like(place) for part in (blocks.index, blocks.code)
        )
        index = np.where(is_one[lookup], 0, index)
        code = np.where(is_one[lookup], self.constants["one_code"], code)
        tile = (found.tile[lookup] + index) & ((1 << config.tile_bits) - 1)
        pixel = found.pixel[lookup]
        same = np.ones_like(place)
        columns = {
            "dual": 1 - wide,
            "lane": rest % halves,
            "code": code,
            "tile": tile,
            "tile_bank": walk["tile_bank"] * same,
            "row": row[pixel] & ((1 << config.row_bits) - 1),
            "row_bank": walk["row_bank"] * same,
        }
        slots = np.stack([columns[name] for name in SLOT], axis=1)
        owner = lines[pixel]
        self.walks += 1
        return DealtWalk(lines, work, [slots[(owner == n) | (owner < 0)] for n in range(config.lines)])

    def _counts(self, walk: Mapping[str, int], found: Lookups, blocks: Blocks) -> tuple[Ints, Ints, Ints]:
        """fp8 and fp16 elements of each lookup, and the slots of each pixel."""
        one_wide, halves = self.constants["one_wide"], 2 if walk["both"] else 1
        is_one = found.block == ONE
        n8 = np.where(is_one, 1 - one_wide, blocks.n8[found.block])
        n16 = np.where(is_one, one_wide, blocks.n16[found.block])
        work = np.bincount(found.pixel, weights=n8 + halves * n16, minlength=walk["pixels"] + 1)
        return n8, n16, work.astype(np.int64)

    def _weights(self, walk: Mapping[str, int], blocks: Blocks, work: Ints) -> Ints:
        """What pixels are dealt by: the work of all taps where the assignment is replayed later."""
        if self.constants["wg"] or walk["replay"] or walk["all"]:
            return work
        last = self.constants["kernel_last"]
        whole = {**walk, "ky_first": 0, "ky_last": last, "kx_first": 0, "kx_last": last}
        return self._counts(walk, lookups(self.constants, whole, self.config), blocks)[2]

    def _deal(self, walk: Mapping[str, int], work: Ints) -> tuple[Ints, Ints]:
        """Line and Row address of each pixel."""
        wg = self.constants["wg"]
        if walk["all"]:
            lines = np.full(len(work), -1)
        elif walk["replay"]:
            lines = (self.table[walk["table"]][: len(work)] + walk["turn"]) % self.config.lines
        else:
            capacity = len(work) if wg else walk["capacity"]
            lines = deal(self.config, self.walks, work, capacity, self.time)
            self.table[walk["table"]] = lines
            np.add.at(self.time, lines, work + 1)
        counter = np.arange(len(work)) if wg or walk["all"] else rank(lines)
        return lines, walk["row"] + counter * walk["row_step"]

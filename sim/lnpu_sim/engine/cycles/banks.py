"""What the X banks hold, fill by fill: the golden model's blocks as plain lists."""

from collections.abc import Iterator

import numpy as np

from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.program import EngineProgram
from lnpu_sim.engine.x_bank import fill_bank

__all__ = ["BlockLists", "block_lists"]


class BlockLists:
    """Blocks of a filled bank: `n8`, `n16` elements each, the first one at `start` in `index`, which holds
    their places in the block."""

    __slots__ = ("index", "n8", "n16", "start")

    def __init__(self, start: list[int], n8: list[int], n16: list[int], index: list[int]) -> None:
        self.start, self.n8, self.n16, self.index = start, n8, n16, index


def block_lists(program: EngineProgram, config: EngineConfig) -> Iterator[tuple[int, BlockLists]]:
    """(bank, blocks) of all fills in order."""
    fills, words = program.fills, program.words
    ends = np.flatnonzero(words["last"]) + 1
    starts = np.append(0, ends[:-1])
    begin = 0
    for end in (np.flatnonzero(fills["last"]) + 1).tolist():
        rows = [words["data"][starts[n] : ends[n]] for n in range(begin, end)]
        bank = fill_bank({name: values[begin:end] for name, values in fills.items()}, rows, config)
        lists = (part.tolist() for part in (bank.start, bank.n8, bank.n16, bank.index))
        yield int(fills["bank"][begin]), BlockLists(*lists)
        begin = end

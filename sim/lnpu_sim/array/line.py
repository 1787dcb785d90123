"""Golden model of a line: executes a line program, exact integers."""

import numpy as np
from numpy.typing import NDArray

from lnpu.array.config import ArrayError, LineConfig
from lnpu.numeric.config import FMA_BUILDS
from lnpu_sim.array.program import LineProgram
from lnpu_sim.numeric.window import WindowModel

__all__ = ["LineModel", "accumulate", "terms_of"]

Ints = NDArray[np.int64]


def terms_of(model: WindowModel, dual: Ints, code: Ints, operand: Ints, scale: int, top: int) -> Ints:
    """What inputs add to a lane, before anything is summed; the arrays are broadcast against each other."""
    dual, code, operand = np.broadcast_arrays(dual, code, operand)
    if operand.size == 0:
        return np.zeros(operand.shape, np.int64)
    # A dual slot is the model's lane 0, a single slot its single mode.
    word = np.where(dual == 1, operand & 0xFFFF, operand)
    return np.asarray(model.terms(dual, code, word, top, scale, 0).value[0], dtype=np.int64)


def accumulate(terms: Ints, place: Ints, places: int, low: int, high: int) -> tuple[Ints, bool]:
    """Saturating sums of terms by place, in order.

    Args:
        terms: [slots, lanes]. place: [slots], 0 to `places` - 1. low, high: range of a sum.

    Returns:
        int64 [places, lanes], and whether a sum saturated on the way.
    """
    sums, bounds = (np.zeros((places, terms.shape[1]), np.int64) for _ in range(2))
    np.add.at(bounds, place, np.abs(terms))
    if bounds.size == 0 or int(bounds.max()) <= high:
        np.add.at(sums, place, terms)
        return sums, False
    saturated = False
    for n, term in zip(place.tolist(), terms, strict=True):
        total = sums[n] + term
        sums[n] = np.clip(total, low, high)
        saturated |= bool((sums[n] != total).any())
    return sums, saturated


def _sessions(bank: Ints, last: Ints, name: str) -> Ints:
    """Number of the bank's use, per beat: 0, 1, ...; banks take turns, starting with bank 0."""
    session = np.cumsum(last) - last
    if (bank != session & 1).any():
        at = int(np.argmax(bank != session & 1))
        raise ArrayError(f"`{name}` must be {int(session[at]) & 1} in beat {at}, not {int(bank[at])}")
    return session


class LineModel:
    """What a line delivers.

    Args:
        config: geometry of the line.
    """

    def __init__(self, config: LineConfig) -> None:
        self.config = config
        self.window = WindowModel(FMA_BUILDS["pe"])

    def run(self, program: LineProgram) -> tuple[Ints, bool]:
        """Execute a program.

        Returns:
            `(words, overflow)`: drained words, int64 [words, lanes] signed, in order; and the sticky flag.

        Raises:
            ArrayError: a bank is out of turn, or an operand is read that was not loaded.
        """
        slots, loads, drains, config = program.slots, program.loads, program.drains, self.config
        operand_file, sum_file = ("row", "tile") if program.wg else ("tile", "row")
        entries = {"row": config.row_entries, "tile": config.tile_entries}

        use = _sessions(loads.bank, loads.last, "bank")
        uses = int(use[-1]) + 1 if len(use) else 0
        operands = np.full((uses, entries[operand_file], config.lanes), -1, np.int64)
        operands[use, loads.entry] = loads.lanes

        work = slots["work"] == 1
        operand_use = _sessions(slots[f"{operand_file}_bank"], slots["release"], f"{operand_file}_bank")[work]
        sum_use = _sessions(slots[f"{sum_file}_bank"], slots["last"], f"{sum_file}_bank")[work]
        b = operands[operand_use, slots[operand_file][work]]
        if (b < 0).any():
            at = int(np.flatnonzero(work)[np.argmax((b < 0).any(axis=1))])
            raise ArrayError(f"slot {at} reads an operand that was not loaded")

        dual, lane, code = (slots[name][work][:, None] for name in ("dual", "lane", "code"))
        term = terms_of(self.window, dual, code, b, program.scale, program.top)
        half = np.arange(config.lanes)[None, :] // config.pes
        term = np.where((dual == 1) | (half == lane), term, 0)

        size = entries[sum_file]
        place = sum_use * size + slots[sum_file][work]
        sums, saturated = accumulate(term, place, len(drains.bank) * size, self.window.low, self.window.high)
        kept = np.arange(size)[None, :] < drains.count[:, None]
        return sums.reshape(len(drains.bank), size, config.lanes)[kept], saturated

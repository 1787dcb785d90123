"""Golden model of the X buffer's words: where the elements of a bank's blocks are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig
from lnpu_sim.codec.tensor import EncodedTensor
from lnpu_sim.engine.x_bank import fill_bank

__all__ = ["UNUSED", "StoredBank", "row_fills", "store_bank", "words_needed"]

Ints = NDArray[np.int64]

UNUSED = -1
"""A unit that nobody may rely on."""


@dataclass(frozen=True)
class StoredBank:
    """A bank as the lines read it.

    Args:
        start, n8, n16: int64 [blocks]: first word, fp8 and fp16 elements of each block; 0 where it is empty.
        words: int64 [words, units]: index + 64 * code (of an fp16 element: its low and its high half, the
            latter without an index), or `UNUSED`.
        errors: `Cause` bits of malformed rows. full: a block found no room.
    """

    start: Ints
    n8: Ints
    n16: Ints
    words: Ints
    errors: int
    full: bool


def words_needed(n8: Ints, n16: Ints, config: EngineConfig) -> Ints:
    """Words that blocks take: a unit an fp8 element, two an fp16 one, from an even unit on."""
    used = n8 + np.where(n16 > 0, n8 & 1, 0) + 2 * n16
    return np.asarray(-(-used // config.units))


def row_fills(
    tensor: EncodedTensor, rows: list[int], bank: int
) -> tuple[dict[str, Ints], list[NDArray[np.uint64]]]:
    """Fields of the fill commands that bring rows of a tensor into a bank, and the rows' words."""
    descriptor = tensor.descriptor
    g, pointers = descriptor.geometry, tensor.pointers.astype(np.int64)
    count = len(rows)
    fields: dict[str, int | list[int]] = {
        "row_blocks": g.w,
        "row_length": [g.length(row // g.h % g.planes) for row in rows],
        "row_count_bits": g.count_bits,
        "row_k8": descriptor.format.k8,
        "row_k16": descriptor.format.k16,
        "base": [g.w * n for n in range(count)],
        "bank": bank,
        "last": [int(n == count - 1) for n in range(count)],
    }
    fills = {name: np.broadcast_to(np.asarray(value, np.int64), count) for name, value in fields.items()}
    return fills, [tensor.words[pointers[row] : pointers[row + 1]] for row in rows]


def store_bank(fills: dict[str, Ints], rows: list[NDArray[np.uint64]], config: EngineConfig) -> StoredBank:
    """A bank after its fill commands.

    Args:
        fills: fields of `fill_command`, one a row. rows: the words of each row.

    Raises:
        EngineError: the rows of the bank differ in their format.
    """
    bank = fill_bank(fills, rows, config)
    needed = words_needed(bank.n8, bank.n16, config)
    width, region = int(fills["row_blocks"][0]), config.words // config.decoders
    start = np.zeros_like(needed)
    for decoder in range(config.decoders):
        base = fills["base"][decoder :: config.decoders]
        blocks = (base[:, None] + np.arange(width)).reshape(-1) & ((1 << config.block_bits) - 1)
        start[blocks] = np.cumsum(needed[blocks]) - needed[blocks] + decoder * region
    start[bank.n8 + bank.n16 == 0] = 0

    words = np.full((config.words, config.units), UNUSED, np.int64)
    flat = words.reshape(-1)
    for block in np.flatnonzero(bank.n8 + bank.n16):
        n8, n16 = int(bank.n8[block]), int(bank.n16[block])
        first = int(bank.start[block])
        unit = int(start[block]) * config.units
        index, code = bank.index[first : first + n8 + n16], bank.code[first : first + n8 + n16]
        flat[unit : unit + n8] = index[:n8] + 64 * code[:n8]
        unit += n8 + (n8 & 1)
        flat[unit : unit + 2 * n16 : 2] = index[n8:] + 64 * (code[n8:] & 255)
        flat[unit + 1 : unit + 2 * n16 : 2] = 64 * (code[n8:] >> 8)
    return StoredBank(start, bank.n8, bank.n16, words, bank.errors, bank.full)

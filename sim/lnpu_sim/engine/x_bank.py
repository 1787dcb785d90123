"""Golden model of a bank of the X buffer: rows decoded to blocks of elements."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import FgmpFormat
from lnpu.engine.config import EngineConfig, EngineError
from lnpu_sim.codec.quantise import FP16, narrow
from lnpu_sim.codec.rows import decode_rows
from lnpu_sim.engine.dealing import Blocks

__all__ = ["XBank", "fill_bank"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class XBank(Blocks):
    """Blocks of a bank, and what went wrong.

    Args:
        errors: `Cause` bits of malformed rows. full: a decoder's region had no room; what was left is empty.
    """

    errors: int
    full: bool


def _words(n8: Ints, n16: Ints, units: int) -> Ints:
    return np.asarray(-(-(n8 + np.where(n16 > 0, n8 & 1, 0) + 2 * n16) // units))


def fill_bank(fills: dict[str, Ints], rows: list[NDArray[np.uint64]], config: EngineConfig) -> XBank:
    """A bank after its fill commands.

    Args:
        fills: fields of `fill_command`, one a row. rows: the words of each row.

    Raises:
        EngineError: the rows of the bank differ in their format.
    """
    one = {}
    for name in ("row_blocks", "row_count_bits", "row_k8", "row_k16", "bank"):
        values = np.unique(fills[name])
        if len(values) != 1:
            raise EngineError(f"`{name}` must be the same for all rows of a bank, not {values.tolist()}")
        one[name] = int(values[0])
    width, size = one["row_blocks"], int(fills["row_length"].max())
    # fp8 codes are wanted, so any bias will do.
    fmt = FgmpFormat(0, one["row_k8"], one["row_k16"])
    pointers = np.cumsum([0, *map(len, rows)])
    words = np.concatenate(rows)
    decoded = decode_rows(words, pointers, fills["row_length"], width, size, one["row_count_bits"], fmt)

    group = decoded.group.reshape(-1, size)
    row, index = np.nonzero(group)
    wide = group[row, index] == FP16
    order = np.lexsort((index, wide, row))
    row, index, wide = row[order], index[order], wide[order]
    codes = decoded.codes.reshape(-1, size)[row, index]
    code = np.where(wide, codes.astype(np.int64), narrow(codes, 0).astype(np.int64))

    count = len(rows) * width
    n8, n16 = (np.bincount(row[wide == kind], minlength=count) for kind in (False, True))
    start = np.cumsum(n8 + n16) - n8 - n16
    needed = _words(n8, n16, config.units).reshape(len(rows), width)
    full = False
    for decoder in range(config.decoders):
        mine = needed[decoder :: config.decoders]
        late = np.cumsum(mine).reshape(mine.shape) > config.words // config.decoders
        full |= bool(late.any())
        for counts in (n8, n16):
            counts.reshape(len(rows), width)[decoder :: config.decoders][late] = 0

    place = (fills["base"][:, None] + np.arange(width)).reshape(-1)
    size_of = 1 << config.block_bits
    spans = np.zeros((3, size_of), np.int64)
    spans[:, place & (size_of - 1)] = start, n8, n16
    return XBank(
        start=spans[0],
        n8=spans[1],
        n16=spans[2],
        index=index,
        code=code,
        errors=int(np.bitwise_or.reduce(decoded.causes)),
        full=full,
    )

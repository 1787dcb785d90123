"""What a quantised tensor would take in other formats: the yardsticks of `lnpu inspect`."""

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import RUN_WIDTHS_8, RUN_WIDTHS_16, FgmpFormat
from lnpu_sim.codec.quantise import FP8, FP16
from lnpu_sim.codec.tensor import geometry_of, to_blocks

__all__ = ["best_run_widths", "count_entries", "other_formats"]


def count_entries(mask: NDArray[np.bool_], k: int) -> int:
    """Entries, escapes included, of one group of all blocks [blocks, B] at run width `k`."""
    block, column = np.nonzero(mask)
    gap = np.diff(column, prepend=0) - 1
    first = np.diff(block, prepend=-1) != 0
    gap[first] = column[first]
    return len(block) + int((gap >> k).sum())


def best_run_widths(group: NDArray[np.uint8]) -> FgmpFormat:
    """The run widths (bias 0) that store an array's groups in the fewest bits; the first one on a tie."""
    g = geometry_of(group.shape)
    blocks = to_blocks(group, g).reshape(-1, g.block)
    k8 = min(RUN_WIDTHS_8, key=lambda k: (k + 8) * count_entries(blocks == FP8, k))
    k16 = min(RUN_WIDTHS_16, key=lambda k: (k + 16) * count_entries(blocks == FP16, k))
    return FgmpFormat(0, k8, k16)


def _entropy(symbols: NDArray[np.int64]) -> float:
    """Order-0 entropy in bits a symbol."""
    counts = np.unique(symbols, return_counts=True)[1] / symbols.size
    return float(-(counts * np.log2(counts)).sum())


def other_formats(codes: NDArray[np.uint16], group: NDArray[np.uint8]) -> dict[str, float]:
    """Bits an element of a quantised array; pure payload, no pointers or alignment except where said.

    - `dense fp16`: 16.
    - `bitmask fp16`: 1 bit an element and 16 bits a non-zero.
    - `two bitmasks`: a bit an element for each group, 8 or 16 bits a non-zero.
    - `CSR fp16`: 16 bits and a 6-bit column a non-zero, a 16-bit count for each block.
    - `entropy fp16`: order-0 entropy of sign and exponent, and 10 bits of mantissa a non-zero.
    - `entropy FGMP`: order-0 entropy of group and fp8 code; fp16 codes as sign, exponent and 10 bits.
    """
    n = codes.size
    g = geometry_of(codes.shape)
    zero, small, wide = group == 0, group == FP8, group == FP16
    n8, n16 = int(small.sum()), int(wide.sum())
    high = np.where(zero, 0, codes.astype(np.int64) >> 10)
    symbols = np.where(small, codes.astype(np.int64), np.where(wide, (1 << 20) + high, -1))
    return {
        "dense fp16": 16.0,
        "bitmask fp16": 1 + 16 * (n8 + n16) / n,
        "two bitmasks": 2 + (8 * n8 + 16 * n16) / n,
        "CSR fp16": (22 * (n8 + n16) + 16 * g.rows * g.w) / n,
        "entropy fp16": _entropy(high) + 10 * (n8 + n16) / n,
        "entropy FGMP": _entropy(symbols) + 10 * n16 / n,
    }

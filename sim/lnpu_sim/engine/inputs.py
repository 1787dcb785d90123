"""Sparse inputs for measurements: what each technique, alone or with the other, gives the engine to do.

The compressed format cannot hold zeros. Where zeros are to be issued they become the smallest normal number
of their group: slots and cycles depend on no value, so the times are those of zeros. The sums are not.
"""

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import BIAS_MAX, BIAS_MIN, FgmpFormat
from lnpu.codec.descriptor import Descriptor, Statistics
from lnpu_sim.codec.quantise import FP8, FP16, histogram, quantise, widen
from lnpu_sim.codec.rows import encode_rows
from lnpu_sim.codec.sizes import best_run_widths
from lnpu_sim.codec.tensor import EncodedTensor, geometry_of, to_blocks

__all__ = ["Technique", "dense_input", "encode_groups", "encode_with", "format_for"]

SMALLEST_FP16, SMALLEST_FP8 = 0x0400, 0x08


class Technique(enum.Enum):
    """What the engine makes of an array's zeros and small numbers."""

    NEITHER = "dense fp16"
    """Every element is an fp16 number, zeros are issued."""
    SKIP = "zero-skipping"
    """Zeros are skipped, every other element is an fp16 number."""
    FGMP = "mixed precision"
    """Zeros are issued as fp8 numbers, the others are fp8 and fp16 numbers."""
    BOTH = "both"
    """Zeros are skipped, the others are fp8 and fp16 numbers."""


def format_for(x: NDArray[Any], share: float = 0.05) -> FgmpFormat:
    """The smallest bias that leaves at most `share` of an array's non-zeros to the fp16 group, and the run
    widths that suit it. x: float16 or float32."""
    counts = histogram(x)
    allowed = share * np.count_nonzero(x)
    biases = range(BIAS_MIN, BIAS_MAX)
    bias = next((b for b in biases if counts[b + 24 :].sum() <= allowed), BIAS_MAX)
    best = best_run_widths(quantise(x, FgmpFormat(bias)).group)
    return FgmpFormat(bias, best.k8, best.k16)


def encode_groups(codes: NDArray[np.uint16], group: NDArray[np.uint8], fmt: FgmpFormat) -> EncodedTensor:
    """A compressed tensor with the groups as given; its descriptor counts elements and entries, but has no
    histogram, since nothing was quantised.

    Args:
        codes: fp16 codes, rank 1 to 4; fp8 elements must be exact. group: `ZERO`, `FP8` or `FP16` each.
    """
    geometry = geometry_of(codes.shape)
    rows = encode_rows(to_blocks(codes, geometry), to_blocks(group, geometry), geometry.count_bits, fmt)
    statistics = Statistics(
        fp8=int((group == FP8).sum()),
        fp16=int((group == FP16).sum()),
        entries8=int(rows.entries8.sum()),
        entries16=int(rows.entries16.sum()),
        exponent=int((np.where(group > 0, codes, 0) >> 10 & 31).max()),
    )
    descriptor = Descriptor(geometry, fmt, len(rows.words), statistics=statistics)
    return EncodedTensor(descriptor, rows.pointers.astype(np.uint32), rows.words)


def _halves(x: NDArray[Any]) -> NDArray[np.uint16]:
    """fp16 codes without subnormals."""
    codes = x.astype(np.float16).view(np.uint16)
    return np.where(codes >> 10 & 31, codes, 0).astype(np.uint16)


def dense_input(x: NDArray[Any]) -> EncodedTensor:
    """Every element an fp16 number, zeros issued: the baseline of every speed-up."""
    return encode_with(x, Technique.NEITHER)


def encode_with(x: NDArray[Any], technique: Technique, share: float = 0.05) -> EncodedTensor:
    """An array as the engine gets it under a technique.

    Args:
        x: float16 or float32, rank 1 to 4. share: largest share of fp16 among the non-zeros (FGMP, BOTH).
    """
    fmt = format_for(x, share)
    if technique in (Technique.FGMP, Technique.BOTH):
        q = quantise(x, fmt)
        codes, group, kind = q.codes, q.group, FP8
        filler = widen(np.array(SMALLEST_FP8), fmt.bias)
    else:
        codes = _halves(x)
        group, kind = np.where(codes, FP16, 0).astype(np.uint8), FP16
        filler = np.array(SMALLEST_FP16, np.uint16)
    if technique in (Technique.NEITHER, Technique.FGMP):
        codes = np.where(group == 0, filler, codes).astype(np.uint16)
        group = np.where(group == 0, kind, group).astype(np.uint8)
    best = best_run_widths(group)
    return encode_groups(codes, group, FgmpFormat(fmt.bias, best.k8, best.k16))

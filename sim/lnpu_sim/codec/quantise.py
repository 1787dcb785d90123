"""Golden quantiser: numpy arrays to the zero, fp8 and fp16 elements of FGMP (`docs/formats.md`, section 2).

Integer arithmetic on the bits of binary32, which holds every binary16 number exactly: one rounding, no
dependence on the host's floating point.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import CodecError, FgmpFormat
from lnpu.codec.descriptor import HISTOGRAM_BINS

__all__ = ["FP8", "FP16", "ZERO", "Quantised", "check_array", "histogram", "narrow", "quantise", "widen"]

ZERO, FP8, FP16 = 0, 1, 2
"""Values of `Quantised.group`."""

_INF32 = 0x7F800000
_MAX16 = 0x7BFF


@dataclass(frozen=True)
class Quantised:
    """Quantised elements, all arrays of the input's shape.

    Args:
        codes: uint16, the value as an fp16 code (fp8 numbers are exact in fp16).
        group: uint8, `ZERO`, `FP8` or `FP16`.
        flushed: non-zero elements that became zero. saturated: elements clamped to 65504.
        invalid: number of NaN and infinite elements.
        histogram: 32 bins of the magnitudes before quantisation.
    """

    codes: NDArray[np.uint16]
    group: NDArray[np.uint8]
    flushed: int
    saturated: int
    invalid: int
    histogram: tuple[int, ...]

    @property
    def values(self) -> NDArray[np.float32]:
        """The quantised elements as float32."""
        return self.codes.view(np.float16).astype(np.float32)


def check_array(x: NDArray[Any]) -> NDArray[np.float32]:
    """The array as float32.

    Raises:
        CodecError: not float16 or float32, or no elements.
    """
    if x.dtype not in (np.float16, np.float32):
        raise CodecError(f"the array's dtype must be float16 or float32, not {x.dtype}")
    if x.size == 0:
        raise CodecError(f"the array must have at least one element, not shape {x.shape}")
    return np.ascontiguousarray(x, dtype=np.float32)


def _bits32(value: float) -> int:
    return int(np.float32(value).view(np.uint32))


def _magnitudes(x: NDArray[np.float32]) -> NDArray[np.uint32]:
    return x.view(np.uint32) & np.uint32(0x7FFFFFFF)


def _bins(magnitude: NDArray[np.uint32]) -> NDArray[np.int64]:
    # Adding 0x1FFFFF carries into the exponent exactly when the significand is above 1.75.
    bins = ((magnitude.astype(np.int64) + 0x1FFFFF) >> 23) - (127 - 15)
    return np.where(magnitude >= _INF32, 0, np.clip(bins, 0, HISTOGRAM_BINS - 1))


def histogram(x: NDArray[Any]) -> NDArray[np.int64]:
    """The 32 bins of an array's magnitudes, as the encoder counts them.

    Raises:
        CodecError: wrong dtype or empty.
    """
    return np.bincount(_bins(_magnitudes(check_array(x))).ravel(), minlength=HISTOGRAM_BINS)


def quantise(x: NDArray[Any], fmt: FgmpFormat) -> Quantised:
    """Quantise and split; NaN and infinity become zero and are counted.

    Raises:
        CodecError: wrong dtype or empty.
    """
    x = check_array(x)
    bits = x.view(np.uint32)
    magnitude = _magnitudes(x)
    invalid = magnitude >= _INF32
    wide = (magnitude > _bits32(fmt.threshold)) & ~invalid
    zero = (magnitude <= _bits32(fmt.smallest / 2)) | invalid
    flushed = zero & (magnitude != 0) & ~invalid

    def rounded(shift: int) -> NDArray[np.int64]:
        m = magnitude.astype(np.int64)
        return np.asarray((m + (1 << (shift - 1)) - 1 + ((m >> shift) & 1)) >> shift)

    code8 = np.maximum(rounded(20) - ((127 - 7 + fmt.bias) << 3), 8)
    code16 = rounded(13) - ((127 - 15) << 10)
    saturated = wide & (code16 > _MAX16)
    code16 = np.minimum(code16, _MAX16)
    codes = np.where(zero, 0, np.where(wide, code16, (code8 << 7) + ((8 + fmt.bias) << 10)))
    codes |= np.where(zero, 0, (bits >> 31).astype(np.int64) << 15)
    return Quantised(
        codes=codes.astype(np.uint16),
        group=np.where(zero, ZERO, np.where(wide, FP16, FP8)).astype(np.uint8),
        flushed=int(flushed.sum()),
        saturated=int(saturated.sum()),
        invalid=int(invalid.sum()),
        histogram=tuple(int(n) for n in np.bincount(_bins(magnitude).ravel(), minlength=HISTOGRAM_BINS)),
    )


def narrow(codes: NDArray[np.uint16], bias: int) -> NDArray[np.uint64]:
    """fp8 codes of fp16 codes that came from `widen`."""
    c = codes.astype(np.int64)
    return ((((c & 0x7FFF) - ((8 + bias) << 10)) >> 7) | (c >> 15 << 7)).astype(np.uint64)


def widen(codes: NDArray[Any], bias: int) -> NDArray[np.uint16]:
    """fp16 codes of normal fp8 codes."""
    c = codes.astype(np.int64)
    return (((c & 0x7F) << 7) + ((8 + bias) << 10) | (c >> 7 << 15)).astype(np.uint16)

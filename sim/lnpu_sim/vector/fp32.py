"""fp32 without subnormals, NaN and infinity, bit for bit as the hardware's units."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX", "MIN_NORMAL", "add", "finite", "flushed", "multiply", "to_fp16"]

Floats = NDArray[np.float32]
MAX = np.float32(3.4028234663852886e38)
"""The largest number."""
MIN_NORMAL = 2.0**-126
"""The smallest positive number."""


def finite(codes: NDArray[np.uint32]) -> tuple[Floats, bool]:
    """Numbers as the units read them: exponent field 0 is +0, 255 the largest number; and whether 255
    occurred."""
    exponent = codes >> 23 & 255
    high = exponent == 255
    chosen = np.where(high, codes & 0x8000_0000 | 0x7F7F_FFFF, np.where(exponent == 0, 0, codes))
    return chosen.astype(np.uint32).view(np.float32), bool(high.any())


def flushed(exact: NDArray[np.float64]) -> Floats:
    """A result that is exact in fp64 or rounds there without harm: below 2^-126 +0, saturating, else nearest
    even."""
    limited = np.clip(exact, -float(MAX), float(MAX))
    kept = np.where(np.abs(exact) < MIN_NORMAL, 0.0, limited)
    return np.asarray(kept + 0.0, np.float32)


def multiply(a: Floats, b: Floats) -> Floats:
    """Products."""
    return flushed(a.astype(np.float64) * b.astype(np.float64))


def add(a: Floats, b: Floats) -> Floats:
    """Sums; fp64 has more than twice as many bits, so that rounding twice is rounding once."""
    return flushed(a.astype(np.float64) + b.astype(np.float64))


def to_fp16(values: Floats) -> tuple[NDArray[np.uint16], bool]:
    """fp16 codes: nearest even, below 2^-14 +0, beyond 65504 that; and whether some were beyond."""
    limited = np.clip(values, -65504, 65504)
    kept = np.where(np.abs(values) < 2.0**-14, np.float32(0), limited)
    return (kept + np.float32(0)).astype(np.float16).view(np.uint16), bool((np.abs(values) >= 65520).any())

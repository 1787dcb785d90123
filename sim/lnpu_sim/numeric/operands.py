"""How the FMA's port words become numbers: lanes, modes, formats. Shared by both accumulate models."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from lnpu.formats import FP16, FloatFormat, Specials, Subnormals
from lnpu.numeric.config import Dual, Flavour, FmaConfig
from lnpu_sim.numeric.float_arrays import Ints, Unpacked, bit_length, unpack_array

__all__ = [
    "SIGNIFICAND_BITS",
    "OperandReader",
    "join_lanes",
    "nominal_exponent",
    "reading_format",
    "sign_extend",
    "split_lanes",
]

SIGNIFICAND_BITS = FP16.precision
"""Bits of an operand's magnitude; the widest format decides."""


def reading_format(fmt: FloatFormat, flavour: Flavour) -> FloatFormat:
    """How a flavour reads the codes of a format.

    Training: exponent field 0 is zero, every other code is an ordinary number (E4M3's 0x7F reads as 480).
    """
    if flavour is Flavour.IEEE:
        return fmt
    return dataclasses.replace(fmt, subnormals=Subnormals.FLUSH, specials=Specials.NONE)


def sign_extend(words: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """Two's-complement `width`-bit words as signed integers; already signed ones stay as they are."""
    half = 1 << (width - 1)
    return ((words & (2 * half - 1)) ^ half) - half


def split_lanes(words: npt.ArrayLike, width: int, lanes: int) -> list[npt.NDArray[Any]]:
    """The lanes of bus words, lane 0 low: unsigned, int64, or Python integers where `width` exceeds 62."""
    bus = np.asarray(words)
    mask = (1 << width) - 1
    if width * lanes <= 64 and bus.dtype != object and width <= 62:
        bus = bus.astype(np.int64)  # an arithmetic right shift differs only above the mask
        return [bus >> (width * lane) & mask for lane in range(lanes)]
    integers = bus.astype(object)
    parts = [integers >> (width * lane) & mask for lane in range(lanes)]
    return [np.asarray(part, dtype=object if width > 62 else np.int64) for part in parts]


def join_lanes(parts: list[npt.NDArray[Any]], width: int) -> npt.NDArray[Any]:
    """Bus words from lanes (signed or not), lane 0 low: uint64, or Python integers above 64 bits."""
    wide = width * len(parts) > 64
    total = np.zeros(np.shape(parts[0]), dtype=object if wide else np.uint64)
    for lane, part in enumerate(parts):
        field = part & ((1 << width) - 1)
        total = total | (field.astype(total.dtype) << (width * lane))
    return np.asarray(total, dtype=object if wide else np.uint64)


class OperandReader:
    """Reads the operands `a` and `b` of one configuration.

    Args:
        config: the unit.
    """

    def __init__(self, config: FmaConfig) -> None:
        self.config = config
        self.formats = tuple(reading_format(f, config.flavour) for f in (FP16, *config.fp8.formats))
        """fp16, then the fp8 formats that `i_fmt` selects from."""

    def check(self, mode: npt.NDArray[Any], fmt: npt.NDArray[Any]) -> None:
        """Raise ValueError when `mode` or `fmt` is a word that the unit's port cannot carry."""
        modes = 1 if self.config.dual is Dual.NONE else 2
        for name, words, allowed in (("mode", mode, modes), ("fmt", fmt, 1 << self.config.fmt_bits)):
            if words.size and not (words.min() >= 0 and words.max() < allowed):
                wrong = words[(words < 0) | (words >= allowed)].flat[0]
                raise ValueError(f"`{name}` must be 0 to {allowed - 1}, not {wrong}")

    def read(self, lane: int, mode: Ints, fmt: Ints, a: Ints, b: Ints) -> tuple[Unpacked, Unpacked]:
        """The operands of a lane (lane 1 means nothing where mode is 0).

        All magnitudes have `SIGNIFICAND_BITS` bits: fp8 numbers are normalised to them, subnormal ones too;
        fp16 subnormals keep their leading zeros. So `nominal_exponent` is one addition for all.
        """
        kind_a = np.where(mode == 1, 1 + (fmt & 1), 0)
        kind_b = np.where(mode == 1, 1 + (fmt >> 1 & 1), 0) if self.config.fmt_bits == 2 else kind_a
        b_step = 8
        if self.config.b_format_wide:
            kind_b, b_step = np.zeros_like(kind_a), 16
        return self._unpack(kind_a, a >> (8 * lane)), self._unpack(kind_b, b >> (b_step * lane))

    def _unpack(self, kind: Ints, words: Ints) -> Unpacked:
        kinds = np.unique(kind)
        parts = [_normalised(unpack_array(self.formats[k], words), k) for k in kinds]
        if len(parts) == 1:
            return parts[0]
        columns = (np.select([kind == k for k in kinds], column) for column in zip(*parts, strict=True))
        return Unpacked(*columns)


def nominal_exponent(x: Unpacked) -> Ints:
    """The exponent that the hardware takes for an operand before it looks at the significand.

    Normal numbers and fp8 subnormals: that of the leading one. fp16 subnormals: `emin`.
    """
    return x.exponent + (SIGNIFICAND_BITS - 1)


def _normalised(x: Unpacked, kind: int) -> Unpacked:
    if kind == 0:
        return x
    up = SIGNIFICAND_BITS - bit_length(x.magnitude)
    return x._replace(magnitude=x.magnitude << up, exponent=x.exponent - up)

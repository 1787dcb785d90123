"""Golden model of whole compressed tensors: numpy array to descriptor, pointers and rows, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import BLOCK, Cause, CodecError, FgmpFormat, Geometry
from lnpu.codec.descriptor import DESCRIPTOR_BYTES, Descriptor, Statistics
from lnpu_sim.codec.quantise import FP8, FP16, Quantised, quantise
from lnpu_sim.codec.rows import DecodedRows, decode_rows, encode_rows, lengths

__all__ = ["EncodedTensor", "decode", "encode", "geometry_of", "to_blocks", "to_nhwc"]

SIZE_MAX = 65535
"""Longest axis: the descriptor's sizes are 16 bits."""


def geometry_of(shape: tuple[int, ...]) -> Geometry:
    """Tensor sizes of an array of rank 1 to 4 (`docs/formats.md`, section 8).

    Raises:
        CodecError: another rank, or a size out of range.
    """
    if not 1 <= len(shape) <= 4:
        raise CodecError(f"the array's rank must be 1 to 4, not {len(shape)}")
    for axis, size in enumerate(shape):
        if not 1 <= size <= SIZE_MAX:
            raise CodecError(
                f"the array's shape {shape}: axis {axis} must be 1 to {SIZE_MAX} long, not {size}"
            )
    try:
        return Geometry(*(1, 1, 1, *shape)[-4:])
    except CodecError as error:
        raise CodecError(f"the array's shape {shape}: {error}") from None


def to_blocks(x: NDArray[Any], g: Geometry) -> NDArray[Any]:
    """[N, H, W, C] (or its flat form) to [R, W, B], a short last plane padded with zeros."""
    x = x.reshape(g.n, g.h, g.w, g.c)
    if g.planes > 1:
        x = np.pad(x, ((0, 0), (0, 0), (0, 0), (0, g.planes * BLOCK - g.c)))
    split = x.reshape(g.n, g.h, g.w, g.planes, g.block).transpose(0, 3, 1, 2, 4)
    return np.ascontiguousarray(split).reshape(g.rows, g.w, g.block)


def to_nhwc(blocks: NDArray[Any], g: Geometry) -> NDArray[Any]:
    """[R, W, B] to [N, H, W, C]."""
    split = blocks.reshape(g.n, g.planes, g.h, g.w, g.block).transpose(0, 2, 3, 1, 4)
    return np.ascontiguousarray(split.reshape(g.n, g.h, g.w, g.planes * g.block)[..., : g.c])


@dataclass(frozen=True)
class EncodedTensor:
    """A compressed tensor.

    Args:
        descriptor: shape, fields, statistics. pointers: uint32 [R + 1]. words: uint64 rows.
    """

    descriptor: Descriptor
    pointers: NDArray[np.uint32]
    words: NDArray[np.uint64]

    @property
    def size(self) -> int:
        """Memory of descriptor, pointers and rows."""
        return DESCRIPTOR_BYTES + len(self.pointer_bytes()) + 8 * len(self.words)

    @property
    def bits_per_element(self) -> float:
        """Everything included: descriptor, pointers, headers, alignment."""
        return 8 * self.size / self.descriptor.geometry.elements

    def pointer_bytes(self) -> bytes:
        """The pointer table, padded to a multiple of 8 bytes."""
        data = self.pointers.astype("<u4").tobytes()
        return data + bytes(-len(data) % 8)


def _statistics(q: Quantised, entries8: int, entries16: int) -> Statistics:
    return Statistics(
        fp8=int((q.group == FP8).sum()),
        fp16=int((q.group == FP16).sum()),
        flushed=q.flushed,
        saturated=q.saturated,
        entries8=entries8,
        entries16=entries16,
        exponent=int((q.codes >> np.uint16(10) & np.uint16(31)).max()),
        invalid=q.invalid > 0,
        histogram=q.histogram,
    )


def encode(x: NDArray[Any], fmt: FgmpFormat, *, check: bool = True) -> EncodedTensor:
    """Quantise and encode an array of rank 1 to 4, last axis innermost.

    Args:
        x: float16 or float32. fmt: bias and run widths.
        check: refuse NaN and infinity; else encode them as zeros and set `invalid`, as the hardware does.

    Raises:
        CodecError: wrong dtype, rank or size; NaN or infinity when `check`.
    """
    geometry = geometry_of(x.shape) if x.size else Geometry(1, 1, 1, 1)
    q = quantise(x, fmt)
    if check and q.invalid:
        where = np.argwhere(~np.isfinite(x))[0]
        many = "1 element is" if q.invalid == 1 else f"{q.invalid} elements are"
        raise CodecError(
            f"the array must be finite, but {many} NaN or infinite (first at {tuple(map(int, where))})"
        )
    codes, group = to_blocks(q.codes, geometry), to_blocks(q.group, geometry)
    rows = encode_rows(codes, group, geometry.count_bits, fmt)
    statistics = _statistics(q, int(rows.entries8.sum()), int(rows.entries16.sum()))
    descriptor = Descriptor(geometry, fmt, len(rows.words), statistics=statistics)
    return EncodedTensor(descriptor, rows.pointers.astype(np.uint32), rows.words)


def _decode_rows(tensor: EncodedTensor) -> DecodedRows:
    d, g = tensor.descriptor, tensor.descriptor.geometry
    pointers = tensor.pointers.astype(np.int64)
    if len(pointers) != g.rows + 1 or pointers[0] != 0 or pointers[-1] != len(tensor.words):
        raise CodecError(
            f"pointers: must be {g.rows + 1} numbers from 0 to {len(tensor.words)} (the data words)"
        )
    if d.data_words != len(tensor.words):
        raise CodecError(f"descriptor: `data_words` must be {len(tensor.words)}, not {d.data_words}")
    if (np.diff(pointers) < 0).any():
        row = int(np.argmax(np.diff(pointers) < 0))
        raise CodecError(f"pointers: must ascend, but row {row} starts after row {row + 1}")
    return decode_rows(tensor.words, pointers, lengths(g), g.w, g.block, g.count_bits, d.format)


def _check_counts(s: Statistics, rows: DecodedRows) -> None:
    exponent = int((rows.codes >> np.uint16(10) & np.uint16(31)).max())
    for name, value, wanted in (
        ("exponent", s.exponent, exponent),
        ("fp8", s.fp8, int((rows.group == FP8).sum())),
        ("fp16", s.fp16, int((rows.group == FP16).sum())),
        ("entries8", s.entries8, int(rows.entries8.sum())),
        ("entries16", s.entries16, int(rows.entries16.sum())),
    ):
        if value != wanted:
            raise CodecError(f"descriptor: `{name}` must be {wanted} for these rows, not {value}")


def decode(tensor: EncodedTensor, *, check: bool = True) -> NDArray[np.uint16]:
    """The quantised elements as fp16 codes, [N, H, W, C].

    Args:
        check: False: malformed blocks are zeros, as in the hardware.

    Raises:
        CodecError: pointers or a row are malformed, the descriptor's counts are not those of the rows, or
            the producer flagged the tensor as invalid.
    """
    rows = _decode_rows(tensor)
    if not check:
        return to_nhwc(rows.codes, tensor.descriptor.geometry)
    if tensor.descriptor.statistics.invalid:
        raise CodecError("descriptor: the producer met NaN or infinity (`invalid` is set)")
    if rows.causes.any():
        row = int(np.argmax(rows.causes != 0))
        cause = Cause(int(rows.causes[row]))
        names = ", ".join(str(one.name) for one in Cause if one and one in cause)
        place = "after the last block" if cause & Cause.TRAILING else f"block {int(rows.good[row])}"
        raise CodecError(f"row {row}, {place}: malformed ({names})")
    _check_counts(tensor.descriptor.statistics, rows)
    return to_nhwc(rows.codes, tensor.descriptor.geometry)

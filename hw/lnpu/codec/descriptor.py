"""The tensor descriptor: 192 bytes in memory that its producer writes last. Pure Python.

Field by field in `docs/formats.md`.
"""

import struct
from dataclasses import dataclass, field

from lnpu.codec.config import Codec, CodecError, FgmpFormat, Geometry

__all__ = [
    "DESCRIPTOR_BYTES",
    "HISTOGRAM_BINS",
    "INVALID_FLAG",
    "MAGIC",
    "VERSION",
    "Descriptor",
    "Statistics",
]

MAGIC = b"FGMP"
VERSION = 1
HISTOGRAM_BINS = 32
DESCRIPTOR_BYTES = 64 + 4 * HISTOGRAM_BINS
INVALID_FLAG = 1
"""Bit of `flags`: the producer met NaN or infinity; the tensor must not be used."""

_FIELDS = struct.Struct("<4sBBBB4HbBBBB3xIIIIIIIIII")


@dataclass(frozen=True)
class Statistics:
    """What an encoder counts.

    Args:
        fp8, fp16: elements of each group.
        flushed: non-zero elements that became zero.
        saturated: elements clamped to the largest fp16 number.
        entries8, entries16: entries of each group, escapes included.
        exponent: largest fp16 exponent field of the quantised elements (0: all are zero).
        invalid: NaN or infinity was met.
        histogram: 32 bins over all elements before quantisation; bin b > 0 counts magnitudes in
            (1.75 * 2**(b-16), 1.75 * 2**(b-15)], bin 0 everything below, bin 31 also everything above.
    """

    fp8: int = 0
    fp16: int = 0
    flushed: int = 0
    saturated: int = 0
    entries8: int = 0
    entries16: int = 0
    exponent: int = 0
    invalid: bool = False
    histogram: tuple[int, ...] = field(default=(0,) * HISTOGRAM_BINS)


@dataclass(frozen=True)
class Descriptor:
    """Shape, fields, places and statistics of one tensor.

    Args:
        geometry: shape. format: run-time fields. data_words: 64-bit words of all rows.
        pointer_address, data_address: byte addresses (in a file: offsets), multiples of 8.
        statistics: what the producer counted.
    """

    geometry: Geometry
    format: FgmpFormat
    data_words: int
    pointer_address: int = 0
    data_address: int = 0
    statistics: Statistics = field(default_factory=Statistics)

    def pack(self) -> bytes:
        """The 192 bytes."""
        g, f, s = self.geometry, self.format, self.statistics
        head = _FIELDS.pack(
            MAGIC,
            VERSION,
            Codec.FGMP_RLE.value,
            0,
            INVALID_FLAG if s.invalid else 0,
            *(g.n, g.h, g.w, g.c),
            *(f.bias, f.k8, f.k16, s.exponent, g.block),
            *(self.pointer_address, self.data_address, self.data_words, g.rows),
            *(s.fp8, s.fp16, s.flushed, s.saturated, s.entries8, s.entries16),
        )
        return head + struct.pack(f"<{HISTOGRAM_BINS}I", *s.histogram)

    @classmethod
    def unpack(cls, data: bytes) -> "Descriptor":
        """Read and check 192 bytes.

        Raises:
            CodecError: too short, wrong magic or version, a field out of range or at odds with another.
        """
        if len(data) < DESCRIPTOR_BYTES:
            raise CodecError(f"the descriptor must have {DESCRIPTOR_BYTES} bytes, not {len(data)}")
        (magic, version, codec, fp8_format, flags, n, h, w, c, bias, k8, k16, exponent, block, *rest) = (
            _FIELDS.unpack_from(data)
        )
        pointer_address, data_address, data_words, rows, *counts = rest
        for name, value, allowed in (
            ("magic", magic.hex(" "), MAGIC.hex(" ")),
            ("version", version, VERSION),
            ("codec", codec, Codec.FGMP_RLE.value),
            ("fp8 format", fp8_format, 0),
        ):
            if value != allowed:
                raise CodecError(f"descriptor: `{name}` must be {allowed}, not {value}")
        if flags & ~INVALID_FLAG or any(data[21:24]):
            raise CodecError("descriptor: a reserved field is not zero")
        geometry, fmt = Geometry(n, h, w, c), FgmpFormat(bias, k8, k16)
        for name, value, wanted in (("block", block, geometry.block), ("rows", rows, geometry.rows)):
            if value != wanted:
                raise CodecError(f"descriptor: `{name}` must be {wanted} for this shape, not {value}")
        if exponent > 30:
            raise CodecError(f"descriptor: `exponent` must be 0 to 30, not {exponent}")
        for name, value in (("pointer_address", pointer_address), ("data_address", data_address)):
            if value % 8:
                raise CodecError(f"descriptor: `{name}` must be a multiple of 8, not {value}")
        histogram = struct.unpack_from(f"<{HISTOGRAM_BINS}I", data, 64)
        statistics = Statistics(*counts, exponent, bool(flags & INVALID_FLAG), histogram)
        return cls(geometry, fmt, data_words, pointer_address, data_address, statistics)

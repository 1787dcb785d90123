"""Files of compressed tensors (`docs/formats.md`, section 8)."""

import dataclasses
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import CodecError, FgmpFormat
from lnpu.codec.descriptor import DESCRIPTOR_BYTES, Descriptor
from lnpu_sim.codec.tensor import EncodedTensor, decode, encode, geometry_of

__all__ = ["FgmpFile", "pack", "unpack"]

MAGIC = b"LNPUFGMP"
VERSION = 1
HEADER_BYTES = 64
_RESERVED = 36
_HEADER = struct.Struct("<8sHBBI4II28x")
_DTYPES: dict[int, type[np.floating[Any]]] = {1: np.float16, 2: np.float32}


@dataclass(frozen=True)
class FgmpFile:
    """A compressed tensor and the array that it came from.

    Args:
        tensor: the compressed tensor. shape: of the array. dtype: float16 or float32.
    """

    tensor: EncodedTensor
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def from_array(cls, x: NDArray[Any], fmt: FgmpFormat) -> "FgmpFile":
        """Encode an array.

        Raises:
            CodecError: wrong dtype, rank or size; NaN or infinity.
        """
        return cls(encode(x, fmt), x.shape, x.dtype)

    def to_array(self) -> NDArray[Any]:
        """The quantised array, exact in either dtype.

        Raises:
            CodecError: malformed.
        """
        return decode(self.tensor).view(np.float16).astype(self.dtype).reshape(self.shape)


def pack(file: FgmpFile) -> bytes:
    """The bytes of a file."""
    tensor = file.tensor
    pointers = tensor.pointer_bytes()
    pointer_address = HEADER_BYTES + DESCRIPTOR_BYTES
    descriptor = dataclasses.replace(
        tensor.descriptor, pointer_address=pointer_address, data_address=pointer_address + len(pointers)
    )
    dtype = next(code for code, kind in _DTYPES.items() if file.dtype == kind)
    shape = (*file.shape, 0, 0, 0)[:4]

    def header(crc: int) -> bytes:
        return _HEADER.pack(MAGIC, VERSION, len(file.shape), dtype, crc, *shape, HEADER_BYTES)

    body = descriptor.pack() + pointers + tensor.words.astype("<u8").tobytes()
    return header(zlib.crc32((header(0) + body)[16:])) + body


def unpack(data: bytes) -> FgmpFile:
    """Read a file's bytes; rows are checked when they are decoded.

    Raises:
        CodecError: not such a file, another version, damaged, or its parts do not fit together.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise CodecError("not an FGMP file (it does not start with LNPUFGMP)")
    if len(data) < HEADER_BYTES + DESCRIPTOR_BYTES:
        raise CodecError(f"file: too short for an FGMP file: {len(data)} bytes")
    _, version, rank, dtype, crc, *rest = _HEADER.unpack_from(data)
    shape, offset = tuple(rest[:4]), rest[4]
    if version != VERSION:
        raise CodecError(f"file: `version` must be {VERSION}, not {version}")
    if crc != zlib.crc32(data[16:]):
        raise CodecError("file: damaged or truncated (the checksum does not match)")
    if not 1 <= rank <= 4 or dtype not in _DTYPES or any(shape[rank:]):
        raise CodecError(f"file: bad rank {rank}, dtype {dtype} or shape {shape}")
    if any(data[_RESERVED:HEADER_BYTES]):
        raise CodecError("file: a reserved byte of the file header (36 to 63) is not zero")
    if offset % 8 or not HEADER_BYTES <= offset <= len(data) - DESCRIPTOR_BYTES:
        raise CodecError(f"file: `descriptor` is at {offset}, outside the file or not a multiple of 8")
    descriptor = Descriptor.unpack(data[offset : offset + DESCRIPTOR_BYTES])
    g = descriptor.geometry
    if geometry_of(shape[:rank]) != g:
        sizes = f"N {g.n}, H {g.h}, W {g.w}, C {g.c}"
        raise CodecError(f"file: the array's shape {shape[:rank]} does not match the descriptor's {sizes}")

    def section(name: str, start: int, count: int, dtype: str) -> NDArray[Any]:
        size = np.dtype(dtype).itemsize
        if start + size * count > len(data):
            raise CodecError(f"file: the {name} end at {start + size * count}, behind the end at {len(data)}")
        return np.frombuffer(data, dtype, count, start)

    table = section("pointers", descriptor.pointer_address, g.rows + 1 + (g.rows + 1) % 2, "<u4")
    pointers = table[: g.rows + 1]
    if table[g.rows + 1 :].any():
        raise CodecError("file: the padding behind the pointers is not zero")
    words = section("rows", descriptor.data_address, descriptor.data_words, "<u8")
    return FgmpFile(EncodedTensor(descriptor, pointers, words), shape[:rank], np.dtype(_DTYPES[dtype]))

"""ENCODE and MASK: fp32 elements through ReLU or a mask, to a compressed tensor or back to memory."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import BLOCK, FgmpFormat, Geometry
from lnpu_sim.codec.tensor import decode as decode_tensor
from lnpu_sim.codec.tensor import encode as encode_tensor
from lnpu_sim.vector.memory import Flags, read, runs, write, write_runs

__all__ = ["encode", "from_mask_bits", "mask", "mask_words", "to_mask_bits"]

Fields = Mapping[str, int]


def _padded(count: int) -> int:
    return -(-count // 4) * 4


def _planes(g: Geometry) -> list[slice]:
    return [slice(BLOCK * n, BLOCK * n + g.length(n)) for n in range(g.planes)]


def mask_words(g: Geometry) -> int:
    """64-bit words of the mask bits of a tensor."""
    bits = g.n * g.h * g.w * sum(_padded(g.length(n)) for n in range(g.planes))
    return -(-bits // 64)


def to_mask_bits(bits: NDArray[np.bool_], g: Geometry) -> bytes:
    """[N, H, W, C] to mask bits in the order of the compressed format."""
    pixels = bits.reshape(g.n, g.h * g.w, g.c)
    blocks = [pixels[..., part] for part in _planes(g)]
    padded = [np.pad(block, ((0, 0), (0, 0), (0, -block.shape[2] % 4))) for block in blocks]
    flat = np.concatenate([block.reshape(g.n, -1) for block in padded], axis=1)
    raw = np.packbits(flat, bitorder="little").tobytes()
    return raw + bytes(-len(raw) % 8)


def from_mask_bits(raw: NDArray[np.uint8], g: Geometry) -> NDArray[np.bool_]:
    """The reverse of `to_mask_bits`."""
    lengths = [_padded(g.length(n)) for n in range(g.planes)]
    pixels = g.h * g.w
    flat = np.unpackbits(raw, bitorder="little")[: g.n * pixels * sum(lengths)].reshape(g.n, -1)
    found, at = np.zeros((g.n, pixels, g.c), bool), 0
    for part, length in zip(_planes(g), lengths, strict=True):
        block = flat[:, at : at + pixels * length].reshape(g.n, pixels, length)
        found[..., part] = block[..., : part.stop - part.start]
        at += pixels * length
    return found.reshape(g.n, g.h, g.w, g.c)


def _masked(memory: bytearray, fields: Fields, g: Geometry) -> NDArray[np.uint32]:
    """Codes of the elements behind ReLU and mask, [N, H, W, C]; mask bits are written."""
    pitch = 4 * _padded(g.c)
    raw = runs(memory, fields["source"], (0, pitch), (1, g.n * g.h * g.w), 4 * g.c)
    codes = raw.view(np.uint32).reshape(g.n, g.h, g.w, g.c)
    positive = (codes >> 31 == 0) & (codes >> 23 != 0)
    keep = positive if fields["relu"] else np.ones(codes.shape, bool)
    if fields["mask_in"]:
        keep = keep & from_mask_bits(read(memory, fields["mask"], 8 * mask_words(g)), g)
    if fields["mask_out"]:
        write(memory, fields["mask"], to_mask_bits(positive, g))
    return np.where(keep, codes, 0).astype(np.uint32)


def _geometry(fields: Fields) -> Geometry:
    return Geometry(*(fields[name] for name in "nhwc"))


def encode(memory: bytearray, fields: Fields) -> Flags:
    """fp32 elements to a compressed tensor and, with `copy`, to fp16 elements as it will be decoded.

    Raises:
        MemoryRangeError: an address is outside of the memory.
    """
    g = _geometry(fields)
    x = _masked(memory, fields, g).view(np.float32)
    fmt = FgmpFormat(fields["bias"], fields["k8"], fields["k16"])
    tensor = encode_tensor(x, fmt, check=False)
    write(memory, fields["target"], tensor.words.astype("<u8").tobytes())
    write(memory, fields["pointers"], tensor.pointer_bytes())
    descriptor = replace(tensor.descriptor, pointer_address=fields["pointers"], data_address=fields["target"])
    write(memory, fields["descriptor"], descriptor.pack())
    if fields["copy"]:
        content = np.ascontiguousarray(decode_tensor(tensor, check=False).reshape(-1, g.c)).view(np.uint8)
        write_runs(memory, fields["copy_target"], (0, 2 * _padded(g.c)), (1, len(content)), content)
    statistics = descriptor.statistics
    return Flags(invalid=statistics.invalid, saturated=statistics.saturated > 0)


def mask(memory: bytearray, fields: Fields) -> Flags:
    """fp32 elements to fp32 elements.

    Raises:
        MemoryRangeError: an address is outside of the memory.
    """
    g = _geometry(fields)
    codes = _masked(memory, fields, g).reshape(-1, g.c)
    content = np.ascontiguousarray(codes).view(np.uint8)
    write_runs(memory, fields["target"], (0, 4 * _padded(g.c)), (1, len(codes)), content)
    return Flags(invalid=bool((codes >> 23 & 255 == 255).any()))

"""The element-wise commands on tensors."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lnpu.machine.commands import Opcode
from lnpu_host.tensors import Compressed, Dense, Mask
from lnpu_sim.machine.commands import command

__all__ = ["add", "decode", "encode", "fp32_code", "mask", "pool", "unpool", "words_of"]

Words = NDArray[np.uint64]


def words_of(opcode: Opcode, fields: dict[str, int]) -> Words:
    """A command as 64-bit words.

    Raises:
        EngineError: a field is missing, unknown or out of range.
    """
    return np.array(command(opcode, fields), "<u8")


def fp32_code(value: float) -> int:
    """The fp32 code of a number, rounded to nearest even."""
    return int(np.float32(value).view(np.uint32))


def _shape(tensor: Compressed) -> dict[str, int]:
    g = tensor.geometry
    return {"n": g.n, "h": g.h, "w": g.w, "c": g.c}


def _format(tensor: Compressed) -> dict[str, int]:
    return {"bias": tensor.format.bias, "k8": tensor.format.k8, "k16": tensor.format.k16}


def encode(
    source: Dense,
    target: Compressed,
    *,
    relu: bool = False,
    mask_in: Mask | None = None,
    mask_out: Mask | None = None,
    copy: Dense | None = None,
    gradient: bool = False,
) -> Words:
    """ENCODE: `source`, seen in the shape of `target`; at most one mask is given; `copy`: dense fp16."""
    mask = mask_in or mask_out
    return words_of(
        Opcode.ENCODE,
        {
            "relu": int(relu),
            "mask_in": int(mask_in is not None),
            "mask_out": int(mask_out is not None),
            "gradient": int(gradient),
            **_format(target),
            **_shape(target),
            "source": source.address,
            "mask": mask.address if mask else 0,
            "pointers": target.pointers_at,
            "target": target.rows,
            "copy": int(copy is not None),
            "descriptor": target.descriptor,
            "copy_target": copy.address if copy else 0,
        },
    )


def mask(
    source: Dense, shape: tuple[int, int, int, int], bits: Mask, *, target: Dense, relu: bool = False
) -> Words:
    """MASK: `source`, seen in the shape [N, H, W, C], to `target` (which may be the same): through ReLU,
    whose mask bits are written, or through mask bits."""
    n, h, w, c = shape
    return words_of(
        Opcode.MASK,
        {
            **{"relu": int(relu), "mask_in": int(not relu), "mask_out": int(relu), "gradient": 0},
            **{"n": n, "h": h, "w": w, "c": c},
            **{"source": source.address, "mask": bits.address, "target": target.address},
        },
    )


@dataclass(frozen=True)
class _Runs:
    """Where the pixels of an array lie: address, bytes from column to column and from row to row."""

    address: int
    column: int
    row: int

    def fields(self, name: str) -> dict[str, int]:
        return {name: self.address, f"{name}_column": self.column, f"{name}_row": self.row}


def _pixels(tensor: Dense, window: int = 1, at: tuple[int, int] = (0, 0)) -> _Runs:
    """Pixel `at` of each window of a tensor [N, H, W, C]; rows of all images follow each other."""
    width, pitch = tensor.full_shape[2], 4 * tensor.full_shape[3]
    start = (at[0] * width + at[1]) * pitch
    return _Runs(tensor.address + start, window * pitch, window * width * pitch)


def _combine(
    shape: tuple[int, ...],
    target: _Runs,
    a: _Runs,
    scale_a: float,
    b: _Runs | None = None,
    scale_b: float = 0,
) -> Words:
    """COMBINE on the pixels [N, H, W, C] of `shape`."""
    n, h, w, c = shape
    return words_of(
        Opcode.COMBINE,
        {
            **{"single": int(b is None), "elements": c, "columns": w, "rows": n * h},
            **{"scale_a": fp32_code(scale_a), "scale_b": fp32_code(scale_b)},
            **a.fields("a"),
            **(b or a).fields("b"),
            **target.fields("target"),
        },
    )


def add(target: Dense, other: Dense) -> Words:
    """COMBINE: `target += other`, [N, H, W, C] both (`other` is seen in this shape)."""
    runs = _pixels(target)
    return _combine(target.shape, runs, runs, 1, replace(runs, address=other.address), 1)


def pool(source: Dense, target: Dense, size: int) -> list[Words]:
    """COMBINE: the mean of each `size` x `size` window of a tensor [N, H, W, C], row by row."""
    share, mean = size**-2.0, _pixels(target)
    places = [_pixels(source, size, divmod(n, size)) for n in range(size * size)]
    first = _combine(target.shape, mean, places[0], share)
    return [first, *(_combine(target.shape, mean, mean, 1, place, share) for place in places[1:])]


def unpool(source: Dense, target: Dense, size: int) -> list[Words]:
    """COMBINE: the gradient of `pool`: each number to all pixels of its window, divided by their count."""
    return [
        _combine(source.shape, _pixels(target, size, divmod(n, size)), _pixels(source), size**-2.0)
        for n in range(size * size)
    ]


def decode(source: Compressed, target: Dense, *, gradient: bool = False) -> Words:
    """DECODE: `source` to dense fp16."""
    return words_of(
        Opcode.DECODE,
        {
            "gradient": int(gradient),
            **_format(source),
            **_shape(source),
            "source": source.rows,
            "pointers": source.pointers_at,
            "target": target.address,
        },
    )

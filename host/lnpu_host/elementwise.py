"""The element-wise commands on tensors."""

import numpy as np
from numpy.typing import NDArray

from lnpu.machine.commands import Opcode
from lnpu_host.tensors import Compressed, Dense, Mask
from lnpu_sim.machine.commands import command

__all__ = ["decode", "encode", "fp32_code", "mask_out", "words_of"]

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


def mask_out(tensor: Dense, shape: tuple[int, int, int, int], mask: Mask) -> Words:
    """MASK: the tensor, seen in the shape [N, H, W, C], through ReLU in place, and its mask bits."""
    n, h, w, c = shape
    return words_of(
        Opcode.MASK,
        {
            **{"relu": 1, "mask_in": 0, "mask_out": 1, "gradient": 0},
            **{"n": n, "h": h, "w": w, "c": c},
            **{"source": tensor.address, "mask": mask.address, "target": tensor.address},
        },
    )


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

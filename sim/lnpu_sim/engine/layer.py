"""One pass of one layer: what the planner is given."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import Convolution, EngineError, Pass
from lnpu_sim.codec.quantise import FP8, narrow
from lnpu_sim.codec.rows import decode_rows, lengths
from lnpu_sim.codec.tensor import EncodedTensor, to_nhwc

__all__ = ["Layer", "SparseInput", "constant_one", "window_top"]

Ints = NDArray[np.int64]

FLUSH = 2048
"""Pixels whose terms may meet in one accumulator of WG: what a 32-bit window is good for."""


@dataclass(frozen=True)
class SparseInput:
    """The sparse input of a pass, element by element.

    Args:
        code: int64 [N, H, W, C], fp8 or fp16 codes. wide: [N, H, W, C], 1 where the code is fp16.
        present: bool [N, H, W, C]. bias: exponent of fp8 codes.
    """

    code: Ints
    wide: Ints
    present: NDArray[np.bool_]
    bias: int

    @classmethod
    def of(cls, tensor: EncodedTensor) -> "SparseInput":
        """The elements of a compressed tensor; malformed blocks are empty."""
        d, g = tensor.descriptor, tensor.descriptor.geometry
        pointers = tensor.pointers.astype(np.int64)
        rows = decode_rows(tensor.words, pointers, lengths(g), g.w, g.block, g.count_bits, d.format)
        codes, group = to_nhwc(rows.codes, g), to_nhwc(rows.group, g)
        bias = d.format.bias
        code = np.where(group == FP8, narrow(codes, bias).astype(np.int64), codes.astype(np.int64))
        return cls(code, (group > FP8).astype(np.int64), group > 0, bias)

    @classmethod
    def unknown(cls, shape: tuple[int, ...], bias: int) -> "SparseInput":
        """Elements [N, H, W, C] that are in a machine's memory only; a layer needs `words` then."""
        zeros = np.broadcast_to(np.int64(0), shape)
        return cls(zeros, zeros, np.broadcast_to(np.bool_(False), shape), bias)


@dataclass(frozen=True)
class Layer:
    """One pass of one layer.

    Args:
        kind: the pass. shape: the layer. sparse: X in FP and WG, d in BP; its channels are the input side's.
        dense: fp16 codes: W `[R, S, C, K]` in FP and BP; d `[N, H, W, K]` of the output in WG.
        top: of the window. ones: whether a constant-1 channel is issued (FP and WG).
        bias: fp16 codes [K], weights of the constant-1 channel in FP (None: zeros).
        flush: WG: pixels whose terms meet in one accumulator before it is drained; a tile may exceed it.
        words: of each row of the sparse input in the X buffer, at most, int64 [planes, N * H]; None: counted.

    Raises:
        EngineError: `ones` in BP, `flush` below 1, or an array of the wrong shape.
    """

    kind: Pass
    shape: Convolution
    sparse: SparseInput
    dense: Ints
    top: int
    ones: bool = False
    bias: Ints | None = None
    flush: int = FLUSH
    words: Ints | None = None

    def __post_init__(self) -> None:
        if self.ones and self.kind is Pass.BP:
            raise EngineError("`ones` must be False in BP, not True")
        if self.flush < 1:
            raise EngineError(f"`flush` must be at least 1, not {self.flush}")
        s, n = self.shape, self.images
        out = n, s.output_height, s.output_width, s.outputs
        sparse = out if self.kind is Pass.BP else (n, s.height, s.width, s.inputs)
        dense = out if self.kind is Pass.WG else (s.kernel, s.kernel, s.inputs, s.outputs)
        arrays: list[tuple[str, Ints | None, tuple[int, ...]]] = [
            ("sparse", self.sparse.code, sparse),
            ("dense", self.dense, dense),
            ("bias", self.bias, (s.outputs,)),
        ]
        for name, array, right in arrays:
            shape = right if array is None else array.shape
            if shape != right:
                raise EngineError(f"`{name}` must have the shape {right}, not {shape}")

    @property
    def images(self) -> int:
        """Images of the batch."""
        return len(self.sparse.code)

    @property
    def sides(self) -> tuple[int, int]:
        """Channels on the sparse input's side, and on the lanes' side."""
        s = self.shape
        return (s.outputs, s.inputs) if self.kind is Pass.BP else (s.inputs, s.outputs)

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width of the side whose pixels are Rows."""
        s = self.shape
        return (s.height, s.width) if self.kind is Pass.BP else (s.output_height, s.output_width)


def constant_one(bias: int) -> tuple[int, int]:
    """The code of 1.0 and whether it is fp16."""
    return ((7 - bias) << 3, 0) if bias <= 6 else (15 << 10, 1)


def window_top(exponent_a: int, exponent_b: int, terms: int) -> int:
    """The window's top for sums of `terms` products (`docs/engine.md`, section 6).

    Args:
        exponent_a, exponent_b: exponents of the largest magnitudes (`floor(log2)`). terms: at least 1.
    """
    return exponent_a + exponent_b + 2 + (terms - 1).bit_length() + 1

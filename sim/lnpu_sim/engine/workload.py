"""Layers to measure and to judge with: traces of real training steps, and synthetic ones."""

import enum
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import Convolution, EngineError, Pass
from lnpu_sim.codec.tensor import EncodedTensor, decode
from lnpu_sim.engine.inputs import Technique, encode_with
from lnpu_sim.engine.layer import FLUSH, Layer, SparseInput, window_top

__all__ = ["LOSS_SCALE", "Pattern", "Workload", "gemm", "pass_of", "synthetic", "trace"]

Floats = NDArray[np.float32]

LOSS_SCALE = 16384.0
"""Factor of the gradients before they are encoded."""


@dataclass(frozen=True)
class Workload:
    """One layer of a training step.

    Args:
        name: of the layer. shape: its convolution.
        x: float32 [N, H, W, C]. d: float32 [N, H, W, K] of the output, times the loss scale.
        w: float32 [R, S, C, K].
    """

    name: str
    shape: Convolution
    x: Floats
    d: Floats
    w: Floats


class Pattern(enum.Enum):
    """How the zeros of a synthetic input are spread; their share is the same."""

    UNIFORM = "uniform"
    """Each element alone."""
    CHANNELS = "channels"
    """Channels differ: from nearly dead ones to nearly dense ones."""
    REGIONS = "regions"
    """Squares of 4 x 4 pixels differ: the hardest case for the balancer."""


def trace(path: Path, names: Iterable[str] | None = None, loss_scale: float = LOSS_SCALE) -> list[Workload]:
    """Layers of a trace: an `.npz` file with `<layer>__X`, `<layer>__D` [N, C, H, W] and `<layer>__W`
    [K, C, R, S], and beside it `meta.json` with `layers.<layer>.{stride, pad, kernel}`.

    Args:
        names: layers wanted, in this order; all in the order of `meta.json` by default.
        loss_scale: factor of D, which the file holds unscaled.

    Raises:
        EngineError: a layer is not in the file. OSError: a file cannot be read.
    """
    layers = json.loads((path.parent / "meta.json").read_text())["layers"]
    found = []
    with np.load(path) as arrays:
        for name in layers if names is None else names:
            if name not in layers or f"{name}__X" not in arrays:
                raise EngineError(f"`names` must be among {', '.join(layers)}, not {name}")
            x, d = (arrays[f"{name}__{side}"].transpose(0, 2, 3, 1) for side in "XD")
            w = arrays[f"{name}__W"].transpose(2, 3, 1, 0)
            about = layers[name]
            (height, width, inputs), outputs = x.shape[1:], d.shape[3]
            kernel, stride, padding = about["kernel"], about["stride"], about["pad"]
            shape = Convolution(height, width, inputs, outputs, kernel, stride, padding)
            scaled = d * np.float32(loss_scale)
            found.append(Workload(name, shape, *(np.ascontiguousarray(a) for a in (x, scaled, w))))
    return found


def _densities(pattern: Pattern, shape: tuple[int, ...], density: float, rng: np.random.Generator) -> Floats:
    """Probability of a non-zero for each element, `density` on average."""
    n, h, w, c = shape
    if pattern is Pattern.UNIFORM or not 0 < density < 1:
        return np.full(shape, density, np.float32)
    # A wide distribution on 0 to 1 with this mean: standard deviation 0.58 sqrt(density (1 - density)).
    sizes = (1, 1, 1, c) if pattern is Pattern.CHANNELS else (n, -(-h // 4), -(-w // 4), 1)
    drawn = rng.beta(2 * density, 2 * (1 - density), sizes)
    if pattern is Pattern.REGIONS:
        drawn = np.repeat(np.repeat(drawn, 4, axis=1), 4, axis=2)[:, :h, :w]
    return np.broadcast_to(drawn, shape).astype(np.float32)


def synthetic(
    shape: Convolution, images: int, zeros: float, pattern: Pattern = Pattern.UNIFORM, seed: int = 0
) -> Workload:
    """A layer with random tensors: X with the given share of zeros, dense gradients with long tails.

    Args:
        images: at least 1. zeros: 0 to 1, share of zeros in X, on average.
    """
    rng = np.random.default_rng(seed)
    size = images, shape.height, shape.width, shape.inputs
    out = images, shape.output_height, shape.output_width, shape.outputs
    x = np.abs(rng.normal(0, 1, size)) + 0.01
    x = np.where(rng.random(size) < _densities(pattern, size, 1 - zeros, rng), x, 0)
    d = rng.standard_t(4, out)
    w = rng.normal(0, (shape.taps * shape.inputs) ** -0.5, (shape.kernel,) * 2 + size[3:] + out[3:])
    name = f"{pattern.value}-{zeros:.2f}"
    return Workload(name, shape, *(a.astype(np.float32) for a in (x, d, w)))


def gemm(m: int, k: int, n: int, seed: int = 0) -> Workload:
    """A dense matrix product `[m, k] x [k, n]` as a linear layer."""
    return synthetic(Convolution(1, 1, k, n), m, 0.0, seed=seed)


def _exponent(codes: NDArray[np.uint16]) -> int:
    """Of the largest magnitude."""
    return int((codes >> 10 & 31).max()) - 15


def pass_of(
    work: Workload,
    kind: Pass,
    technique: Technique = Technique.BOTH,
    ones: bool = False,
    flush: int = FLUSH,
    share: float = 0.05,
) -> tuple[Layer, EncodedTensor]:
    """A pass of a layer, its window set from the largest exponents as the descriptors give them.

    Args:
        technique, share: of the sparse input, and in WG of d. ones, flush: as in `Layer`.
    """
    tensor = encode_with(work.d if kind is Pass.BP else work.x, technique, share)
    if kind is Pass.WG:
        dense = decode(encode_with(work.d, technique, share))
        terms = min(flush, work.d[..., 0].size)
    else:
        dense = work.w.astype(np.float16).view(np.uint16)
        terms = work.shape.taps * tensor.descriptor.geometry.c + int(ones)
    exponent = tensor.descriptor.statistics.exponent - 15
    exponent = max(exponent, 0) if ones else exponent
    top = window_top(exponent, _exponent(dense), terms)
    return Layer(
        kind, work.shape, SparseInput.of(tensor), dense.astype(np.int64), top, ones, None, flush
    ), tensor

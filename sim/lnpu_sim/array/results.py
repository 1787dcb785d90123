"""From drained words back to tensors of accumulators, and what a program costs in slots."""

import numpy as np
from numpy.typing import NDArray

from lnpu.array.config import LineConfig, Pass
from lnpu_sim.array.planner import Layer
from lnpu_sim.array.program import LineProgram

__all__ = ["assemble", "slot_utilisation"]

Ints = NDArray[np.int64]


def assemble(layer: Layer, config: LineConfig, programs: list[LineProgram], words: list[Ints]) -> list[Ints]:
    """Accumulators in the order of memory.

    Args:
        words: drained words of each line, [words, lanes].

    Returns:
        FP and BP: `[sums]`, int64 [N, H, W, channels] of the lanes' side. WG: `[dW, db]`, dW int64
        [R, S, C, K], lines added up; db [K] (zeros without the constant-1 channel).
    """
    inner, outer = layer.sides
    blocks = -(-outer // config.lanes)
    height, width = layer.pixels
    if layer.kind is not Pass.WG:
        out = np.zeros((layer.images * height * width, blocks, config.lanes), np.int64)
        for program, drained in zip(programs, words, strict=True):
            out[program.places[:, 1], program.places[:, 0]] = drained
        return [out.reshape(layer.images, height, width, -1)[..., :outer]]
    # The bias gradient's channel, -1, is the last one of the array.
    sums = np.zeros((layer.shape.taps, inner + 1, blocks, config.lanes), np.int64)
    for program, drained in zip(programs, words, strict=True):
        block, channel, tap = program.places.T
        np.add.at(sums, (tap, channel, block), drained)
    flat = sums.reshape(layer.shape.taps, inner + 1, -1)[..., :outer]
    k = layer.shape.kernel
    return [flat[:, :inner].reshape(k, k, inner, outer), flat[0, inner]]


def slot_utilisation(programs: list[LineProgram]) -> float:
    """Slots with work over lines times slots of the longest line: the bound that dealing and marks leave."""
    longest = max(len(program.slots) for program in programs)
    return sum(program.issued for program in programs) / max(1, longest * len(programs))

"""From result beats back to tensors of accumulators, and what a pass costs in slots."""

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig, Pass
from lnpu_sim.engine.files import lane_order
from lnpu_sim.engine.layer import Layer
from lnpu_sim.engine.program import EngineProgram

__all__ = ["assemble", "slot_utilisation"]

Ints = NDArray[np.int64]


def assemble(layer: Layer, config: EngineConfig, program: EngineProgram, beats: Ints) -> list[Ints]:
    """Accumulators in the order of memory, multiples of `2**(top - 31)`.

    Args:
        beats: [beats, row_lanes], in order.

    Returns:
        FP and BP: `[sums]`, int64 [N, H, W, channels] of the lanes' side. WG: `[dW, db]`, dW int64
        [R, S, C, K], all drains of an element added up; db [K] (zeros without the constant-1 channel).
    """
    inner, outer = layer.sides
    height, width = layer.pixels
    wg = layer.kind is Pass.WG
    # The bias gradient's channel, -1, is the last one of the array.
    sizes = (layer.shape.taps, inner + 1) if wg else (layer.images * height * width, 1)
    blocks = -(-outer // config.lanes)
    sums = np.zeros((*sizes, blocks, config.groups, config.row_lanes), np.int64)
    np.add.at(sums, tuple(program.places.T), beats)
    order = lane_order(config)
    lanes = np.zeros((*sizes, blocks, config.lanes), np.int64)
    lanes[..., order[order >= 0]] = sums.reshape(*sizes, blocks, -1)[..., order >= 0]
    flat = lanes.reshape(*sizes, -1)[..., :outer]
    if not wg:
        return [flat.reshape(layer.images, height, width, outer)]
    k = layer.shape.kernel
    return [flat[:, :inner].reshape(k, k, inner, outer), flat[0, inner]]


def slot_utilisation(slots: Ints, barrier: bool = False) -> float:
    """Slots with work over lines times slots of the longest line: the bound that dealing leaves.

    Args:
        slots: int64 [walks, lines], as the model gives them. barrier: lines wait for each other after each
            walk (policy NONE).
    """
    longest = int(slots.max(axis=1).sum() if barrier else slots.sum(axis=0).max())
    return float(slots.sum() / max(1, longest * slots.shape[1]))

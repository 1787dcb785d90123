"""What a line engine is given beside loads and drains: rows of X, fills of its buffer, walks over pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.array.config import ArrayError, EngineConfig, Pass
from lnpu.codec.config import BLOCK
from lnpu_sim.array.planner import Layer, channel_blocks, constant_one
from lnpu_sim.codec.tensor import EncodedTensor

__all__ = ["EngineStreams", "engine_streams", "pass_fields"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class EngineStreams:
    """Streams of a pass by field name.

    Args:
        rows: fields of `block_command`, one a row of X. words: `data` (uint64) and `last`.
        fills: fields of `fill_command`. walks: fields of `walk_command`.
    """

    rows: dict[str, Ints]
    words: dict[str, NDArray[np.uint64]]
    fills: dict[str, Ints]
    walks: dict[str, Ints]


def pass_fields(layer: Layer) -> dict[str, int]:
    """The fields of `pass_layout`."""
    _, height, width, _ = layer.sparse.code.shape
    code, wide = constant_one(layer.sparse.bias)
    x = layer.shape.valid_taps(layer.kind, layer.shape.width, 0)
    return {
        "backward": int(layer.kind is Pass.BP),
        "kernel_last": layer.shape.kernel - 1,
        "stride": layer.shape.stride,
        "height_last": height - 1,
        "width_last": width - 1,
        "row_last": layer.pixels[1] - 1,
        "x_tap": x.tap,
        "x_pixel": x.pixel,
        "one_code": code,
        "one_wide": wide,
    }


def engine_streams(layer: Layer, tensor: EncodedTensor, config: EngineConfig) -> EngineStreams:
    """Streams of a pass on one line, in the order of `plan`'s loads.

    Each operand bank gets an X bank of its own, with all pixels of the image.

    Raises:
        ArrayError: more than one image, or more pixels than the X buffer has blocks.
    """
    g = tensor.descriptor.geometry
    if layer.images != 1:
        raise ArrayError(f"`images` must be 1, not {layer.images}")
    if g.h * g.w > config.blocks:
        raise ArrayError(f"`blocks` must be at least {g.h * g.w} for this layer, not {config.blocks}")
    height, width = layer.pixels
    line = config.line
    tiles = [
        range(n, min(n + line.row_entries, height * width))
        for n in range(0, height * width, line.row_entries)
    ]
    blocks = channel_blocks(layer, line)
    sessions = [(t, b) for t in range(len(tiles)) for b in range(len(blocks))]
    if layer.kind is Pass.WG:
        sessions = [(t, b) for b in range(len(blocks)) for t in range(len(tiles))]
    fills: list[tuple[int, ...]] = []
    walks: list[dict[str, int]] = []
    planes: list[int] = []
    drained = 0
    for first in range(0, layer.sides[1], line.lanes):
        both = layer.sides[1] - first > line.pes
        for t, b in sessions:
            channels, bank = blocks[b], len(walks) & 1
            inner, count = (t, len(tiles)) if layer.kind is Pass.WG else (b, len(blocks))
            last = int(inner == count - 1)
            plane = channels.start // BLOCK
            fills.append((g.h * g.w - 1, channels.start % BLOCK, channels.stop - channels.start, bank))
            planes.append(plane)
            y, x = divmod(tiles[t].start, width)
            ys = layer.shape.valid_taps(layer.kind, layer.shape.height, y)
            xs = layer.shape.valid_taps(layer.kind, layer.shape.width, x)
            sums = drained & 1
            walks.append(
                {
                    "y_tap": ys.tap,
                    "y_pixel": ys.pixel,
                    "y_block": ys.pixel * g.w,
                    "x_tap": xs.tap,
                    "x_pixel": xs.pixel,
                    "left": width - 1 - x,
                    "pixels": len(tiles[t]) - 1,
                    "channels": channels.stop - channels.start,
                    "both": int(both),
                    "one": int(layer.ones and b == 0),
                    "free": 1,
                    "x_bank": bank,
                    "tile_bank": sums if layer.kind is Pass.WG else bank,
                    "row_bank": bank if layer.kind is Pass.WG else sums,
                    "release": 1,
                    "last": last,
                }
            )
            drained += last
    columns = np.array(fills, np.int64).T
    rows, words = _rows(tensor, planes)
    return EngineStreams(
        rows=rows,
        words=words,
        fills=dict(zip(("blocks", "first", "channels", "bank"), columns, strict=True)),
        walks={name: np.array([walk[name] for walk in walks], np.int64) for name in walks[0]},
    )


def _rows(tensor: EncodedTensor, planes: list[int]) -> tuple[dict[str, Ints], dict[str, NDArray[np.uint64]]]:
    """Commands and words of all image rows of the planes, one plane after the other."""
    d, g = tensor.descriptor, tensor.descriptor.geometry
    numbers = [plane * g.h + h for plane in planes for h in range(g.h)]
    pointers = tensor.pointers.astype(np.int64)
    parts = [tensor.words[pointers[n] : pointers[n + 1]] for n in numbers]
    ends = np.cumsum([len(part) for part in parts]) - 1
    last = np.zeros(int(ends[-1]) + 1, np.uint64)
    last[ends] = 1
    rows = {
        "blocks": np.full(len(numbers), g.w),
        "length": np.array([g.length(n // g.h) for n in numbers]),
        "count_bits": np.full(len(numbers), g.count_bits),
        "k8": np.full(len(numbers), d.format.k8),
        "k16": np.full(len(numbers), d.format.k16),
    }
    return rows, {"data": np.concatenate(parts), "last": last}

"""Passes over tensors that are in the device's memory: planned by shapes and by the sizes of rows."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.descriptor import Descriptor
from lnpu.engine.config import Convolution, EngineConfig, Pass
from lnpu.machine.commands import Opcode, places
from lnpu_host.tensors import Compressed
from lnpu_sim.codec.tensor import EncodedTensor
from lnpu_sim.engine.layer import FLUSH, Layer, SparseInput, constant_one, window_top
from lnpu_sim.engine.planner import lane_groups
from lnpu_sim.engine.tiles import most_pixels, pixel_tiles, words_bound
from lnpu_sim.machine.commands import Addresses, pass_commands

__all__ = ["PassPlanner", "Words", "partial_flushes", "top_of"]

Words = NDArray[np.uint64]
Ints = NDArray[np.int64]

KEPT = 256
"""Planned passes that are kept, at most."""


def partial_flushes(shape: Convolution, images: int) -> int:
    """Flushes of WG behind the first one, at most: any two neighbours have more pixels than one may."""
    pixels = images * shape.output_height * shape.output_width
    return 0 if pixels <= FLUSH else 2 * pixels // FLUSH


def top_of(kind: Pass, shape: Convolution, images: int, sparse: int, dense: int, config: EngineConfig) -> int:
    """The window's top of a pass.

    Args:
        sparse, dense: floor(log2) of the largest magnitudes. The constant 1 counts where it is issued.
    """
    if kind is Pass.BP:
        return window_top(sparse, dense, shape.taps * shape.outputs)
    sparse = max(sparse, 0)
    if kind is Pass.FP:
        return window_top(sparse, dense, shape.taps * shape.inputs + 1)
    pixels = images * shape.output_height * shape.output_width
    tile = config.row_entries * config.groups // config.operand_words
    return window_top(sparse, dense, min(pixels, max(FLUSH, tile)))


@dataclass(frozen=True)
class _Template:
    """A planned pass: its words, the byte where each FILL begins, and the row that it fills."""

    words: Words
    fills: Ints
    rows: Ints


def _hollow(tensor: Compressed) -> EncodedTensor:
    """A tensor of the same shape whose row `n` is word `n` of its data."""
    rows = tensor.geometry.rows
    pointers = np.arange(rows + 1, dtype=np.uint32)
    descriptor = Descriptor(tensor.geometry, tensor.format, rows)
    return EncodedTensor(descriptor, pointers, np.zeros(rows, np.uint64))


def _put(data: NDArray[np.uint8], starts: Ints, opcode: Opcode, values: Mapping[str, Ints | int]) -> None:
    """Set fields of the commands that begin at bytes `starts`."""
    for name, value in values.items():
        place = places(opcode)[name]
        size = place.bits // 8
        column = np.broadcast_to(np.asarray(value, np.int64), starts.shape)
        for byte in range(size):
            data[starts + place.low // 8 + byte] = column >> 8 * byte & 255


class PassPlanner:
    """Lists of passes. What was planned once is used again while the cut of the pass stays the same.

    Args:
        config: of the device.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.known: dict[Hashable, _Template] = {}
        self.planned = 0

    def commands(self, kind: Pass, shape: Convolution, tensor: Compressed, top: int, at: Addresses) -> Words:
        """The commands of a pass, without END; FP and WG with the constant 1.

        Args:
            tensor: X in FP and WG, d in BP, as `refresh` found it. top: of the window. at: where all else is.

        Raises:
            EngineError: the layer does not fit the engine.
        """
        layer = self._layer(kind, shape, tensor, top)
        shared = 1 if kind is Pass.WG else max(map(len, lane_groups(layer, self.config)))
        tiles = pixel_tiles(layer, self.config, most_pixels(layer, self.config, shared))
        key = kind, shape, tensor.geometry, at, tuple(tiles)
        if key not in self.known:
            if len(self.known) == KEPT:
                self.known.clear()
            self.known[key] = self._plan(layer, tensor, at)
        template = self.known[key]

        data = template.words.view(np.uint8).copy()
        one_code, one_wide = constant_one(tensor.format.bias)
        own = {"scale": tensor.format.bias, "top": top, "one_code": one_code, "one_wide": one_wide}
        _put(data, np.zeros(1, np.int64), Opcode.PASS, own)
        first, end = tensor.pointers[template.rows], tensor.pointers[template.rows + 1]
        fills: dict[str, Ints | int] = {
            "address": at.sparse + 8 * first,
            "words": end - first,
            "row_k8": tensor.format.k8,
            "row_k16": tensor.format.k16,
        }
        _put(data, template.fills, Opcode.FILL, fills)
        return data.view(np.uint64)

    def _layer(self, kind: Pass, shape: Convolution, tensor: Compressed, top: int) -> Layer:
        g = tensor.geometry
        out = g.n, shape.output_height, shape.output_width, shape.outputs
        dense = out if kind is Pass.WG else (shape.kernel, shape.kernel, shape.inputs, shape.outputs)
        return Layer(
            kind,
            shape,
            SparseInput.unknown((g.n, g.h, g.w, g.c), tensor.format.bias),
            np.broadcast_to(np.int64(0), dense),
            top,
            ones=kind is not Pass.BP,
            words=words_bound(g, tensor.format, np.diff(tensor.pointers), self.config.units),
        )

    def _plan(self, layer: Layer, tensor: Compressed, at: Addresses) -> _Template:
        self.planned += 1
        records = pass_commands(layer, _hollow(tensor), self.config, at)
        starts = np.cumsum([0, *map(len, records)])
        words = np.array([word for record in records for word in record], "<u8")
        opcodes = np.array([record[0] & 255 for record in records])
        fills = starts[:-1][opcodes == Opcode.FILL]
        address = places(Opcode.FILL)["address"]
        low = [int(words[start + address.low // 64]) >> address.low % 64 for start in fills]
        rows = (np.array(low) & (1 << address.bits) - 1) - at.sparse >> 3
        return _Template(words, 8 * fills, rows)

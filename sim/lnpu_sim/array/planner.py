"""Layers to line programs: which slots, loads and drains a pass of a layer is."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.array.config import ArrayError, Convolution, LineConfig, Pass
from lnpu.codec.config import BLOCK
from lnpu_sim.array.program import SLOT_FIELDS, Drains, LineProgram, Loads, Slots, join_slots
from lnpu_sim.codec.quantise import FP8, narrow
from lnpu_sim.codec.rows import decode_rows, lengths
from lnpu_sim.codec.tensor import EncodedTensor, to_nhwc

__all__ = ["Layer", "SparseInput", "channel_blocks", "constant_one", "plan"]

Ints = NDArray[np.int64]


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
        """The elements of a compressed tensor."""
        d, g = tensor.descriptor, tensor.descriptor.geometry
        pointers = tensor.pointers.astype(np.int64)
        rows = decode_rows(tensor.words, pointers, lengths(g), g.w, g.block, g.count_bits, d.format)
        codes, group = to_nhwc(rows.codes, g), to_nhwc(rows.group, g)
        bias = d.format.bias
        code = np.where(group == FP8, narrow(codes, bias).astype(np.int64), codes.astype(np.int64))
        return cls(code, (group > FP8).astype(np.int64), group > 0, bias)

    def block(self, image: int, y: int, x: int, channels: slice) -> tuple[Ints, Ints, Ints]:
        """Elements of a block in stream order, fp8 first: (channel within the slice, code, wide)."""
        present = np.flatnonzero(self.present[image, y, x, channels])
        wide = self.wide[image, y, x, channels][present]
        order = np.argsort(wide, kind="stable")
        return present[order], self.code[image, y, x, channels][present][order], wide[order]


@dataclass(frozen=True)
class Layer:
    """One pass of one layer.

    Args:
        kind: the pass. shape: the layer. sparse: X in FP and WG, d in BP; its channels are the input side's.
        dense: fp16 codes: W `[R, S, C, K]` in FP and BP; d `[N, H, W, K]` of the output in WG.
        top: of the window. ones: whether a constant-1 channel is issued (FP and WG).
        bias: fp16 codes [K], weights of the constant-1 channel in FP.
    """

    kind: Pass
    shape: Convolution
    sparse: SparseInput
    dense: Ints
    top: int
    ones: bool = False
    bias: Ints | None = None

    def __post_init__(self) -> None:
        if self.ones and self.kind is Pass.BP:
            raise ArrayError("`ones` must be False in BP, not True")

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


def _pixel(layer: Layer, number: int, channels: slice, with_one: bool) -> Iterator[tuple[int, int, int]]:
    """Elements of a pixel: (tile entry, code, wide), tap by tap."""
    height, width = layer.pixels
    image, rest = divmod(number, height * width)
    y, x = divmod(rest, width)
    shape, size = layer.shape, channels.stop - channels.start
    ys = shape.valid_taps(layer.kind, shape.height, y)
    xs = shape.valid_taps(layer.kind, shape.width, x)
    for i in range(ys.count):
        for j in range(xs.count):
            tap = (ys.tap + i * ys.step) * shape.kernel + xs.tap + j * xs.step
            at = image, ys.pixel + i * ys.direction, xs.pixel + j * xs.direction
            for c, code, wide in zip(*layer.sparse.block(*at, channels), strict=True):
                yield tap * size + int(c), int(code), int(wide)
    if with_one:
        yield (shape.taps * size, *constant_one(layer.sparse.bias))


def _slots(
    elements: list[tuple[int, int, int, int]], banks: tuple[int, int], halves: int, marks: tuple[int, int]
) -> Slots:
    """Slots of (tile, code, wide, row) elements; the marks (release, last) ride on the last one."""
    rows = []
    for tile, code, wide, row in elements:
        for lane in range(halves if wide else 1):
            rows.append((1, 1 - wide, lane, code, tile, banks[0], row, banks[1], 0, 0))
    if any(marks) and not rows:
        rows.append((0, 0, 0, 0, 0, banks[0], 0, banks[1], 0, 0))
    columns = np.array(rows, np.int64).reshape(-1, len(SLOT_FIELDS))
    if len(columns):
        columns[-1, -2:] = marks
    return Slots(columns)


def channel_blocks(layer: Layer, config: LineConfig) -> list[slice]:
    """Channels of each Tile bank on the sparse input's side.

    Raises:
        ArrayError: the kernel does not fit the Tile file.
    """
    taps = layer.shape.taps
    room = (config.tile_entries - int(layer.ones)) // taps
    if room < 1:
        raise ArrayError(
            f"`tile_entries` must be at least {taps + int(layer.ones)} for this kernel, "
            f"not {config.tile_entries}"
        )
    channels = layer.sides[0]
    # A block stays within one plane of the compressed tensor.
    return [
        slice(c, min(c + room, plane + BLOCK, channels))
        for plane in range(0, channels, BLOCK)
        for c in range(plane, min(plane + BLOCK, channels), room)
    ]


class _Builder:
    """Collects one line's streams."""

    def __init__(self, config: LineConfig) -> None:
        self.config = config
        self.slots: list[Slots] = []
        self.loads: list[tuple[int, Ints]] = []
        self.counts: list[int] = []
        self.places: list[tuple[int, int, int]] = []

    def load(self, words: Ints) -> int:
        """One bank of operands, [entries, at most lanes]; returns the bank."""
        bank = len(self.loads) & 1
        padded = np.zeros((len(words), self.config.lanes), np.int64)
        padded[:, : words.shape[1]] = words
        self.loads.append((bank, padded))
        return bank

    @property
    def sum_bank(self) -> int:
        return len(self.counts) & 1

    def drain(self, places: list[tuple[int, int, int]]) -> None:
        self.counts.append(len(places))
        self.places += places

    def program(self, layer: Layer) -> LineProgram:
        width = self.config.lanes
        bank = np.concatenate([np.full(len(w), b) for b, w in self.loads] or [np.zeros(0, np.int64)])
        entry = np.concatenate([np.arange(len(w)) for _, w in self.loads] or [np.zeros(0, np.int64)])
        last = np.append(entry[1:] == 0, True).astype(np.int64) if len(entry) else entry
        lanes = np.concatenate([w for _, w in self.loads] or [np.zeros((0, width), np.int64)])
        drains = Drains(np.arange(len(self.counts)) & 1, np.array(self.counts, np.int64))
        return LineProgram(
            wg=layer.kind is Pass.WG,
            scale=layer.sparse.bias,
            top=layer.top,
            slots=join_slots(self.slots),
            loads=Loads(bank, entry, last, lanes),
            drains=drains,
            places=np.array(self.places, np.int64).reshape(-1, 3),
        )


def _weights(layer: Layer, channels: slice, lanes: slice, with_one: bool) -> Ints:
    """Tile words [taps * channels (+ 1), lanes] of FP or BP."""
    w = layer.dense
    block = w[:, :, channels, lanes] if layer.kind is Pass.FP else w[:, :, lanes, channels].swapaxes(2, 3)
    words = block.reshape(-1, block.shape[-1])
    if with_one:
        bias = np.zeros(words.shape[1], np.int64) if layer.bias is None else layer.bias[lanes]
        words = np.concatenate([words, bias[None, :]])
    return words


def plan(layer: Layer, config: LineConfig, lines: int = 1) -> list[LineProgram]:
    """The programs of all lines; pixel `j` of a tile goes to line `j mod lines`.

    Raises:
        ArrayError: the kernel does not fit the Tile file.
    """
    height, width = layer.pixels
    pixels = layer.images * height * width
    step = lines * config.row_entries
    tiles = [range(start, min(start + step, pixels)) for start in range(0, pixels, step)]
    blocks = channel_blocks(layer, config)
    outer = layer.sides[1]
    builders = [_Builder(config) for _ in range(lines)]
    for number, first in enumerate(range(0, outer, config.lanes)):
        lanes = slice(first, min(first + config.lanes, outer))
        halves = 1 if lanes.stop - lanes.start <= config.pes else 2
        for line, builder in enumerate(builders):
            mine = [tile[line::lines] for tile in tiles]
            mine = [tile for tile in mine if len(tile)]
            if not mine:
                continue
            if layer.kind is Pass.WG:
                _weight_gradient(builder, layer, number, lanes, halves, mine, blocks)
            else:
                _sums(builder, layer, number, lanes, halves, mine, blocks)
    return [builder.program(layer) for builder in builders]


def _elements(layer: Layer, tile: range, channels: slice, one: bool) -> list[tuple[int, int, int, int]]:
    return [(*e, row) for row, pixel in enumerate(tile) for e in _pixel(layer, pixel, channels, one)]


def _sums(
    builder: _Builder,
    layer: Layer,
    number: int,
    lanes: slice,
    halves: int,
    tiles: list[range],
    blocks: list[slice],
) -> None:
    for tile in tiles:
        for index, channels in enumerate(blocks):
            one = layer.ones and index == 0
            bank = builder.load(_weights(layer, channels, lanes, one))
            marks = 1, int(index == len(blocks) - 1)
            banks = bank, builder.sum_bank
            builder.slots.append(_slots(_elements(layer, tile, channels, one), banks, halves, marks))
        builder.drain([(number, pixel, 0) for pixel in tile])


def _weight_gradient(
    builder: _Builder,
    layer: Layer,
    number: int,
    lanes: slice,
    halves: int,
    tiles: list[range],
    blocks: list[slice],
) -> None:
    gradients = layer.dense.reshape(-1, layer.dense.shape[-1])
    for index, channels in enumerate(blocks):
        one = layer.ones and index == 0
        for n, tile in enumerate(tiles):
            bank = builder.load(gradients[tile.start : tile.stop : tile.step, lanes])
            marks = 1, int(n == len(tiles) - 1)
            banks = builder.sum_bank, bank
            builder.slots.append(_slots(_elements(layer, tile, channels, one), banks, halves, marks))
        taps, inside = range(layer.shape.taps), range(channels.start, channels.stop)
        places = [(number, channel, tap) for tap in taps for channel in inside]
        builder.drain(places + ([(number, -1, 0)] if one else []))

"""How a pass is cut: rectangles of taps that fit a Tile bank, tiles of pixels that fit Row and X banks."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import BLOCK, WORD_BITS, FgmpFormat, Geometry
from lnpu.engine.config import EngineConfig, EngineError, Pass
from lnpu_sim.engine.layer import Layer

__all__ = [
    "PixelTile",
    "Rectangle",
    "most_pixels",
    "needed_rows",
    "pixel_tiles",
    "rectangles",
    "row_words",
    "used_rows",
    "words_bound",
]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rectangle:
    """Taps `ky_first` to `ky_last`, `kx_first` to `kx_last`; `one`: and the constant-1 channel."""

    ky_first: int
    ky_last: int
    kx_first: int
    kx_last: int
    one: bool

    @property
    def taps(self) -> list[tuple[int, int]]:
        """(ky, kx) in the order of Tile addresses."""
        xs = range(self.kx_first, self.kx_last + 1)
        return [(ky, kx) for ky in range(self.ky_first, self.ky_last + 1) for kx in xs]


@dataclass(frozen=True)
class PixelTile:
    """Pixels `start` to `stop` - 1, counted through all images, and the rows `first` to `last` of the sparse
    input (image * height + row) that hold their taps."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.stop - self.start


def rectangles(kernel: int, length: int, entries: int, one: bool) -> list[Rectangle]:
    """The kernel in as few Tile banks as whole kernel rows (or, where not one row fits, taps) allow.

    Args:
        length: channels of the plane. entries: of a Tile bank. one: the first bank holds the constant 1, too.

    Raises:
        EngineError: not a single tap fits.
    """
    room = entries - int(one)
    taps = room // length
    if taps < 1:
        raise EngineError(
            f"`tile_entries` must be at least {length + int(one)} for this layer, not {entries}"
        )
    rows, parts = (taps // kernel, [(0, kernel - 1)]) if taps >= kernel else (1, [])
    parts = parts or [(x, min(x + taps, kernel) - 1) for x in range(0, kernel, taps)]
    found = [
        Rectangle(y, min(y + rows, kernel) - 1, *part, False)
        for y in range(0, kernel, rows)
        for part in parts
    ]
    return [replace(found[0], one=one), *found[1:]]


def row_words(layer: Layer, config: EngineConfig) -> Ints:
    """Words that the rows of the sparse input take in the X buffer, int64 [planes, N * H].

    An fp8 element takes one unit, an fp16 element two, at an even unit; a block starts at a word.
    """
    if layer.words is not None:
        return layer.words
    sparse = layer.sparse
    n, h, _, c = sparse.code.shape
    firsts = np.arange(0, c, BLOCK)
    wide = np.add.reduceat(sparse.wide, firsts, axis=3, dtype=np.int64)
    small = np.add.reduceat(sparse.present & (sparse.wide == 0), firsts, axis=3, dtype=np.int64)
    units = small + np.where(wide > 0, small & 1, 0) + 2 * wide
    words = (-(-units // config.units)).sum(axis=2)
    return np.asarray(words.reshape(n * h, -1).T)


def words_bound(geometry: Geometry, fmt: FgmpFormat, row_sizes: Ints, units: int) -> Ints:
    """What `row_words` is at most, from the sizes of the rows alone, int64 [planes, N * H].

    A row of `b` bits behind its headers holds units of at least `min(w8, w16 / 2)` bits each; a block loses
    at most `units` to its alignment, and takes no more than 2 units an element.

    Args:
        row_sizes: int64 [rows], 64-bit words of the rows in memory. units: of a word of the X buffer.
    """
    g = geometry
    bits = np.maximum(WORD_BITS * row_sizes - 2 * g.count_bits * g.w, 0)
    found = np.maximum(bits // fmt.w8, 2 * bits // fmt.w16)
    by_row = (found + g.w * units) // units
    sizes = by_row.reshape(g.n, g.planes, g.h).swapaxes(0, 1).reshape(g.planes, -1)
    full = np.array([g.w * -(-2 * g.length(plane) // units) for plane in range(g.planes)])
    return np.asarray(np.minimum(sizes, full[:, None]))


def needed_rows(layer: Layer) -> tuple[Ints, Ints]:
    """First and last row of the sparse input (image * height + row) that the pixels of a row need; for each
    row of the lanes' side through all images, ascending. Rows without valid taps get a row between their
    neighbours'."""
    s, height = layer.shape, layer.sparse.code.shape[1]
    first, last = [], []
    for y in range(layer.pixels[0]):
        taps = s.valid_taps(layer.kind, s.height, y)
        ends = taps.pixel, taps.pixel + taps.direction * (taps.count - 1)
        if taps.count == 0:
            ends = (min((y + s.padding) // s.stride, height - 1),) * 2
        first.append(min(ends))
        last.append(max(ends))
    images = np.arange(layer.images)[:, None] * height
    return (images + np.array(first)).reshape(-1), (images + np.array(last)).reshape(-1)


def used_rows(layer: Layer) -> NDArray[np.bool_]:
    """Rows of the sparse input that taps read, bool [N * H]: not all if the stride exceeds the kernel."""
    s, height = layer.shape, layer.sparse.code.shape[1]
    rows = np.arange(height)
    if layer.kind is not Pass.BP:
        rows = (rows + s.padding) % s.stride
    used = rows < s.kernel if layer.kind is not Pass.BP else rows >= 0
    return np.tile(used, layer.images)


def _ends(words: Ints, begins: Ints, decoders: int, region: int) -> Ints:
    """For each first row of a bank the first row that no longer fits: rows go to the decoders in turn, each
    with `region` words; [planes, rows] words."""
    count = words.shape[1]
    ends = np.full(len(begins), count)
    for plane in words:
        for decoder in range(decoders):
            total = np.cumsum(plane[decoder::decoders])
            start = (begins - decoder + decoders - 1) // decoders  # its first row in the bank
            before = np.append(0, total)[np.minimum(start, len(total))]
            late = np.searchsorted(total, before + region, side="right")
            ends = np.minimum(ends, np.where(late < len(total), decoder + decoders * late, count))
    return ends


def _reach(layer: Layer, config: EngineConfig) -> Ints:
    """For each row of the lanes' side, the last row that fits into an X bank together with it."""
    first, last = needed_rows(layer)
    width = layer.sparse.code.shape[2]
    words = row_words(layer, config)
    used_row = used_rows(layer)
    if width > config.blocks:
        raise EngineError(f"`blocks` must be at least {width} for this layer, not {config.blocks}")
    rows, region = config.blocks // width, config.words // config.decoders
    # Rows that no tap reads take no room and no turn.
    kept = np.flatnonzero(used_row)
    ends = _ends(words[:, kept], np.searchsorted(kept, first), config.decoders, region)
    fits = np.minimum(np.append(kept, words.shape[1])[ends], first + rows) - 1
    reach = np.asarray(np.searchsorted(last, fits, side="right") - 1, np.int64)
    short = np.flatnonzero(reach < np.arange(len(first)))
    if len(short):
        at = int(short[0])
        need = int(last[at] - first[at]) + 1
        if need * width > config.blocks:
            raise EngineError(f"`blocks` must be at least {need * width} for this layer, not {config.blocks}")
        part = words[:, first[at] : last[at] + 1][:, used_row[first[at] : last[at] + 1]]
        most = max(int(part[:, d :: config.decoders].sum(axis=1).max()) for d in range(config.decoders))
        raise EngineError(
            f"`words` must be at least {most * config.decoders} for this layer, not {config.words}"
        )
    return reach


def _cuts(total: int, width: int, reach: list[int], most: int) -> list[int]:
    """Ends of tiles of at most `most` pixels, each as long as its rows allow."""
    ends, at = [], 0
    while at < total:
        at = min(at + most, (reach[at // width] + 1) * width, total)
        ends.append(at)
    return ends


def pixel_tiles(layer: Layer, config: EngineConfig, most: int) -> list[PixelTile]:
    """As few tiles of at most `most` pixels as the X bank allows, of nearly equal size.

    Raises:
        EngineError: the X bank is too small for one pixel.
    """
    height, width = layer.pixels
    total = layer.images * height * width
    reach = _reach(layer, config).tolist()
    count = len(_cuts(total, width, reach, most))
    low, high = 1, most  # the smallest size that needs no more tiles
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(_cuts(total, width, reach, middle)) <= count else (middle + 1, high)
    ends = _cuts(total, width, reach, low)
    first, last = needed_rows(layer)
    return [
        PixelTile(start, stop, int(first[start // width]), int(last[(stop - 1) // width]))
        for start, stop in zip([0, *ends[:-1]], ends, strict=True)
    ]


def most_pixels(layer: Layer, config: EngineConfig, groups: int) -> int:
    """Pixels that the Row banks take: with a reserve of 1/16 in FP and BP, since lines fill unevenly.

    Args:
        groups: lane blocks that share a Row bank (FP, BP).
    """
    if layer.kind is Pass.WG:
        return config.row_entries * config.groups // config.operand_words
    return max(1, config.lines * (config.row_entries // groups) * 15 // 16)

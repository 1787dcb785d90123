"""Layers to engine programs: the walks of a pass in order, and the streams that feed them."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import BLOCK
from lnpu.engine.config import EngineConfig, EngineError, Pass, Policy
from lnpu_sim.codec.tensor import EncodedTensor
from lnpu_sim.engine.layer import Layer, constant_one
from lnpu_sim.engine.operands import Operands
from lnpu_sim.engine.program import EngineProgram, columns
from lnpu_sim.engine.tiles import PixelTile, Rectangle, most_pixels, pixel_tiles, rectangles, used_rows

__all__ = ["OperandBanks", "Walk", "pass_constants", "plan", "walks_of"]

Ints = NDArray[np.int64]

SHARED_TAPS = 4
"""With several planes, lane blocks share a Row bank until an X bank serves this many taps."""


@dataclass(frozen=True)
class Walk:
    """One walk, before banks are assigned.

    Args:
        tile: number of the pixel tile. plane: of the sparse input. rectangle: of the kernel.
        blocks: lane blocks: one, or (WG, `all`) one for each line.
        place, group: lane block `place` of `group` that share the Row bank (FP, BP).
        first, last: the first and last walk on its accumulator bank.
    """

    tile: int
    plane: int
    rectangle: Rectangle
    blocks: list[int]
    place: int
    group: list[int]
    first: bool
    last: bool

    @property
    def all(self) -> bool:
        """Every line works on a lane block of its own."""
        return len(self.blocks) > 1


class OperandBanks:
    """What the two operand banks hold: what is there is not loaded again.

    Args:
        kind: of the pass.
    """

    def __init__(self, kind: Pass) -> None:
        self.wg = kind is Pass.WG
        self.held: list[Hashable] = [None, None]
        self.last = 1

    def take(self, walk: Walk) -> tuple[int, bool]:
        """The bank of the next walk; whether it must be loaded. Then it is the one that the walk before does
        not use, so that the load goes beside that."""
        what = (walk.tile, *walk.blocks) if self.wg else (walk.rectangle, walk.plane, walk.blocks[0])
        known = what in self.held
        bank = self.held.index(what) if known else 1 - self.last
        self.held[bank], self.last = what, bank
        return bank, not known


def pass_constants(layer: Layer, config: EngineConfig) -> dict[str, int]:
    """The fields of `pass_layout`."""
    _, height, width, _ = layer.sparse.code.shape
    code, wide = constant_one(layer.sparse.bias)
    shape = layer.shape
    x, y = (shape.valid_taps(layer.kind, size, 0) for size in (shape.width, shape.height))
    return {
        "wg": int(layer.kind is Pass.WG),
        "backward": int(layer.kind is Pass.BP),
        "stride": shape.stride,
        "kernel_last": shape.kernel - 1,
        "height_last": height - 1,
        "width_last": width - 1,
        "image": height * width & ((2 << config.block_bits) - 1),
        "rows_last": layer.pixels[0] - 1,
        "columns_last": layer.pixels[1] - 1,
        "x_tap": x.tap,
        "x_pixel": x.pixel,
        "y_tap": y.tap,
        "y_pixel": y.pixel,
        "y_offset": y.pixel * width & ((1 << config.block_bits) - 1),
        "one_code": code,
        "one_wide": wide,
        "scale": layer.sparse.bias,
        "top": layer.top,
    }


def lane_groups(layer: Layer, config: EngineConfig) -> list[list[int]]:
    """Lane blocks that are worked on together: of one Row bank in FP and BP, one a line in WG."""
    inner, outer = layer.sides
    count = -(-outer // config.lanes)
    if layer.kind is Pass.WG:
        together = config.lines if config.lines <= count else 1
        groups = [list(range(n, min(n + together, count))) for n in range(0, count, together)]
        # A group that does not fill the lines is dealt over all lines, block by block.
        return [
            part for group in groups for part in ([group] if len(group) == together else [[b] for b in group])
        ]
    shared = 1 if inner <= BLOCK else min(count, -(-SHARED_TAPS // layer.shape.taps), config.row_entries)
    number = -(-count // shared)
    ends = [count * (n + 1) // number for n in range(number)]  # of nearly equal size
    return [list(range(start, end)) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _flushes(tiles: list[PixelTile], most: int) -> list[list[int]]:
    """Numbers of consecutive tiles, together at most `most` pixels where there are several."""
    found: list[list[int]] = []
    pixels = 0
    for n, tile in enumerate(tiles):
        if not found or pixels + tile.pixels > most:
            found.append([])
            pixels = 0
        found[-1].append(n)
        pixels += tile.pixels
    return found


def walks_of(layer: Layer, config: EngineConfig, tiles: list[PixelTile]) -> Iterator[Walk]:
    """All walks in order."""
    inner = layer.sides[0]
    groups = lane_groups(layer, config)
    cut = [
        rectangles(layer.shape.kernel, min(BLOCK, inner - c), config.tile_entries, layer.ones and c == 0)
        for c in range(0, inner, BLOCK)
    ]
    if layer.kind is Pass.WG:
        for group in groups:
            for plane, parts in enumerate(cut):
                for part in parts:
                    for flush in _flushes(tiles, layer.flush):
                        for tile in flush:
                            ends = tile == flush[0], tile == flush[-1]
                            yield Walk(tile, plane, part, group, 0, group[:1], *ends)
        return
    for tile in range(len(tiles)):
        for group in groups:
            session = [
                (plane, place, part)
                for plane, parts in enumerate(cut)
                for place in range(len(group))
                for part in parts
            ]
            for n, (plane, place, part) in enumerate(session):
                ends = n == 0, n == len(session) - 1
                yield Walk(tile, plane, part, [group[place]], place, group, *ends)


class _Builder:
    """Collects the streams, walk by walk."""

    def __init__(self, layer: Layer, tensor: EncodedTensor, config: EngineConfig) -> None:
        self.layer, self.tensor, self.config = layer, tensor, config
        self.wg = layer.kind is Pass.WG
        groups = lane_groups(layer, config)
        self.shared = 1 if self.wg else max(map(len, groups))
        self.tiles = pixel_tiles(layer, config, most_pixels(layer, config, self.shared))
        self.operands = Operands(layer, config)
        self.walks: list[dict[str, int]] = []
        self.fills: list[dict[str, int]] = []
        self.rows: list[int] = []
        self.drains: list[dict[str, int]] = []
        self.places: list[Ints] = []
        self.sessions = 0
        self.banks = OperandBanks(layer.kind)
        self.users: list[int | None] = [None, None]  # last walk on each of them
        self.filled: tuple[int, int] | None = None
        self.x_banks = 0
        self.dealt = -1
        self.used = used_rows(layer)

    def lanes_used(self, block: int) -> int:
        """Lanes of a lane block that stand for channels."""
        return min(self.config.lanes, self.layer.sides[1] - block * self.config.lanes)

    def fill(self, walk: Walk) -> int:
        """The X bank of a walk, filled if the last one does not hold the same."""
        if self.filled != (walk.tile, walk.plane):
            if self.walks:
                self.walks[-1]["x_free"] = 1
            self.filled = walk.tile, walk.plane
            self._fill_rows(self.tiles[walk.tile], walk.plane, self.x_banks & 1)
            self.x_banks += 1
        return (self.x_banks - 1) & 1

    def _fill_rows(self, tile: PixelTile, plane: int, bank: int) -> None:
        d, g = self.tensor.descriptor, self.tensor.descriptor.geometry
        rows = tile.first + np.flatnonzero(self.used[tile.first : tile.last + 1])
        for row in rows.tolist() or [tile.first]:
            image, y = divmod(row, g.h)
            self.rows.append((image * g.planes + plane) * g.h + y)
            self.fills.append(
                {
                    "row_blocks": g.w,
                    "row_length": g.length(plane),
                    "row_count_bits": g.count_bits,
                    "row_k8": d.format.k8,
                    "row_k16": d.format.k16,
                    "base": (row - tile.first) * g.w,
                    "bank": bank,
                    "last": int(row == rows.max(initial=tile.first)),
                }
            )

    def walk(self, walk: Walk) -> None:
        """One walk, the operands that it needs, and the drains behind it."""
        config, tile = self.config, self.tiles[walk.tile]
        x_bank = self.fill(walk)
        (operand, load), sums = self.banks.take(walk), self.sessions & 1
        if load:
            self._release(operand)
        self.users[operand] = len(self.walks)
        tile_bank, row_bank = (sums, operand) if self.wg else (operand, sums)
        part = walk.rectangle
        length = self.tensor.descriptor.geometry.length(walk.plane)
        y_pitch = (part.kx_last - part.kx_first + 1) * length
        entry = tile_bank * config.tile_entries
        origin = entry - part.ky_first * y_pitch - part.kx_first * length
        row = row_bank * config.row_entries * config.groups
        first_row, step = row + walk.place * config.groups, self.shared * config.groups
        self.walks.append(
            {
                **self._first_pixel(tile),
                "pixels": tile.pixels - 1,
                "ky_first": part.ky_first,
                "ky_last": part.ky_last,
                "kx_first": part.kx_first,
                "kx_last": part.kx_last,
                "tile": origin & ((1 << config.tile_bits) - 1),
                "x_pitch": length,
                "y_pitch": y_pitch,
                "one": int(part.one),
                "one_tile": entry + len(part.taps) * length if part.one else 0,
                "both": int(max(map(self.lanes_used, walk.blocks)) > config.pes),
                "replay": int(not self.wg and walk.tile == self.dealt),
                **self._assignment(walk),
                "all": int(walk.all),
                "row": row if self.wg else first_row,
                "row_step": config.operand_words if self.wg else step,
                "capacity": config.row_entries // self.shared,
                "x_bank": x_bank,
                "x_free": 0,
                "tile_bank": tile_bank,
                "row_bank": row_bank,
                "release": 0,
                "last": int(walk.last),
            }
        )
        self.dealt = walk.tile
        if load and self.wg:
            self.operands.rows(tile, walk.blocks, row_bank, row)
        elif load:
            self.operands.tile(part, walk.plane, walk.blocks[0], tile_bank, entry)
        if walk.last:
            self.sessions += 1
            if self.wg:
                self._drain_tile(walk, tile_bank, entry, length)
            else:
                self._drain_row(walk, tile, row_bank, row, step)

    def _release(self, bank: int) -> None:
        """The last walk on an operand bank frees it."""
        user = self.users[bank]
        if user is not None:
            self.walks[user]["release"] = 1

    def _assignment(self, walk: Walk) -> dict[str, int]:
        """Where a pixel's line is noted, and how far the group's lines are turned: what the dealing leaves
        uneven goes round."""
        turning = self.config.policy is not Policy.NONE and not self.wg
        turn = walk.group[0] // self.shared % self.config.lines if turning else 0
        return {"table": 0 if self.wg else walk.tile & 1, "turn": turn}

    def _first_pixel(self, tile: PixelTile) -> dict[str, int]:
        """The fields of a walk's first pixel."""
        shape, (height, width) = self.layer.shape, self.layer.pixels
        _, rows, blocks, _ = self.layer.sparse.code.shape
        image, rest = divmod(tile.start, height * width)
        y, x = divmod(rest, width)
        ys = shape.valid_taps(self.layer.kind, shape.height, y)
        xs = shape.valid_taps(self.layer.kind, shape.width, x)
        base = (image * rows - tile.first) * blocks
        mask = (1 << self.config.block_bits) - 1
        return {
            "x_tap": xs.tap,
            "x_pixel": xs.pixel,
            "y_tap": ys.tap,
            "y_pixel": ys.pixel,
            "y_block": base + ys.pixel * blocks & mask,
            "base": base & mask,
            "columns": width - 1 - x,
            "rows": height - 1 - y,
        }

    def _drain(self, bank: int, tile: int, lines: int, last: int, block: int, **fields: int) -> Ints:
        """One drain command; the numbers of its words."""
        groups = (min(self.lanes_used(block), self.config.pes) - 1) // self.config.group
        self.drains.append(
            {"tile": tile, "bank": bank, "groups": groups, "lines": lines, "last": last, **fields}
        )
        return np.arange(groups + 1)

    def _drain_row(self, walk: Walk, tile: PixelTile, bank: int, row: int, step: int) -> None:
        every = (1 << self.config.lines) - 1
        for place, block in enumerate(walk.group):
            last = int(place == len(walk.group) - 1)
            first = row + place * self.config.groups
            place_of = {"first": first, "step": step, "count": tile.pixels - 1, **self._assignment(walk)}
            words = self._drain(bank, 0, every, last, block, **place_of)
            pixels = np.arange(tile.start, tile.stop)
            self._place(pixels, np.zeros_like(pixels), block, words)

    def _drain_tile(self, walk: Walk, bank: int, entry: int, length: int) -> None:
        part, kernel = walk.rectangle, self.layer.shape.kernel
        taps = np.repeat([ky * kernel + kx for ky, kx in part.taps], length)
        channels = np.tile(walk.plane * BLOCK + np.arange(length), len(part.taps))
        if part.one:
            taps, channels = np.append(taps, 0), np.append(channels, -1)
        for line, block in enumerate(walk.blocks):
            lines = 1 << line if walk.all else (1 << self.config.lines) - 1
            words = self._drain(
                bank, 1, lines, 1, block, first=entry, step=0, count=len(taps) - 1, table=0, turn=0
            )
            self._place(taps, channels, block, words)

    def _place(self, a: Ints, b: Ints, block: int, words: Ints) -> None:
        count = len(words)
        blocks = np.full(len(a) * count, block)
        self.places.append(
            np.stack([np.repeat(a, count), np.repeat(b, count), blocks, np.tile(words, len(a))], axis=1)
        )

    def program(self) -> EngineProgram:
        """All streams."""
        for walk in walks_of(self.layer, self.config, self.tiles):
            self.walk(walk)
        self.walks[-1]["x_free"] = 1
        for bank in range(2):
            self._release(bank)
        pointers = self.tensor.pointers.astype(np.int64)
        parts = [self.tensor.words[pointers[n] : pointers[n + 1]] for n in self.rows]
        ends = np.cumsum([len(part) for part in parts]) - 1
        last = np.zeros(int(ends[-1]) + 1, np.uint64)
        last[ends] = 1
        return EngineProgram(
            constants=pass_constants(self.layer, self.config),
            walks=columns(self.walks),
            fills=columns(self.fills),
            words={"data": np.concatenate(parts), "last": last},
            loads=columns(self.operands.commands),
            vectors=np.concatenate(self.operands.vectors),
            drains=columns(self.drains),
            places=np.concatenate(self.places),
        )


def plan(layer: Layer, tensor: EncodedTensor, config: EngineConfig) -> EngineProgram:
    """The program of a pass.

    Args:
        layer: the pass. tensor: its sparse input, compressed. config: the engine.

    Raises:
        EngineError: a tap of a plane does not fit a Tile bank, the rows that one pixel needs do not fit an X
            bank, or the tensor is not the layer's.
    """
    g = tensor.descriptor.geometry
    if (g.n, g.h, g.w, g.c) != layer.sparse.code.shape:
        raise EngineError(
            f"`tensor` must have the shape {layer.sparse.code.shape}, not {(g.n, g.h, g.w, g.c)}"
        )
    return _Builder(layer, tensor, config).program()

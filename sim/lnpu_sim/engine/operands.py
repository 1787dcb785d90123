"""The operands of a pass in the order of memory: load commands and vectors."""

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import BLOCK
from lnpu.engine.config import EngineConfig, Pass
from lnpu_sim.engine.layer import Layer
from lnpu_sim.engine.tiles import PixelTile, Rectangle

__all__ = ["Operands"]

Ints = NDArray[np.int64]


class Operands:
    """Collects load commands and their vectors.

    Lanes without a channel get zeros; vectors are filled up with zeros. In BP each tap is a command of its
    own, so that a run of entries never crosses a tap; so is the weight of the constant-1 channel in FP.

    Args:
        layer: the pass. config: the engine.
    """

    def __init__(self, layer: Layer, config: EngineConfig) -> None:
        self.layer, self.config = layer, config
        self.commands: list[dict[str, int]] = []
        self.vectors: list[Ints] = []
        self._cache: dict[tuple[Rectangle, int, int], list[Ints]] = {}

    def _command(self, lines: int, bank: int, first: int, entries: int, vectors: Ints, **fields: int) -> None:
        self.commands.append(
            {
                "lines": lines,
                "row": 0,
                "bank": bank,
                "first": first,
                "entries": entries - 1,
                "chunks": self.config.chunks - 1,
                "transposed": 0,
                "tail": 0,
                "last": 1,
                **fields,
            }
        )
        self.vectors.append(vectors)

    def _straight(self, entries: Ints) -> Ints:
        """Vectors of [entries, used lanes], entry by entry, chunk by chunk."""
        width = self.config.chunks * self.config.vector
        padded = np.zeros((len(entries), width), np.int64)
        padded[:, : entries.shape[1]] = entries
        return padded.reshape(-1, self.config.vector)

    def _transposed(self, entries: Ints) -> Ints:
        """Vectors of [entries, used lanes], run by run, lane by lane."""
        vector = self.config.vector
        runs = -(-len(entries) // vector)
        padded = np.zeros((runs * vector, self.config.lanes), np.int64)
        padded[: len(entries), : entries.shape[1]] = entries
        return padded.reshape(runs, vector, -1).swapaxes(1, 2).reshape(-1, vector)

    def _tile_parts(self, part: Rectangle, plane: int, block: int) -> list[Ints]:
        """Vectors of each command of a Tile bank."""
        layer, config = self.layer, self.config
        channels = slice(plane * BLOCK, min((plane + 1) * BLOCK, layer.sides[0]))
        lanes = slice(block * config.lanes, min((block + 1) * config.lanes, layer.sides[1]))
        if layer.kind is Pass.BP:
            return [self._transposed(layer.dense[ky, kx, lanes, channels].T) for ky, kx in part.taps]
        taps = [layer.dense[ky, kx, channels, lanes] for ky, kx in part.taps]
        parts = [self._straight(np.concatenate(taps))]
        if part.one:
            bias = np.zeros(layer.sides[1], np.int64) if layer.bias is None else layer.bias
            parts.append(self._straight(bias[None, lanes]))
        return parts

    def tile(self, part: Rectangle, plane: int, block: int, bank: int, first: int) -> None:
        """W of a rectangle, plane and lane block into the Tile bank that starts at entry `first`."""
        key = part, plane, block
        if key not in self._cache:
            self._cache[key] = self._tile_parts(part, plane, block)
        length = min(BLOCK, self.layer.sides[0] - plane * BLOCK)
        every = (1 << self.config.lines) - 1
        parts = self._cache[key]
        if self.layer.kind is Pass.BP:
            entries = [length] * len(parts)
            tail = self.config.lanes - (self.config.chunks - 1) * self.config.vector - 1
            fields = {"transposed": 1, "tail": tail}
        else:
            entries = [len(part.taps) * length, 1][: len(parts)]
            fields = {}
        for n, (count, vectors) in enumerate(zip(entries, parts, strict=True)):
            self._command(every, bank, first, count, vectors, last=int(n == len(parts) - 1), **fields)
            first += count

    def rows(self, tile: PixelTile, blocks: list[int], bank: int, first: int) -> None:
        """d of a pixel tile into the Row bank that starts at word `first`: one lane block for all lines, or
        one for each line."""
        pixels = self.layer.dense.reshape(-1, self.layer.sides[1])[tile.start : tile.stop]
        for line, block in enumerate(blocks):
            lines = 1 << line if len(blocks) > 1 else (1 << self.config.lines) - 1
            part = pixels[:, block * self.config.lanes : (block + 1) * self.config.lanes]
            self._command(lines, bank, first, tile.pixels, self._straight(part), row=1)

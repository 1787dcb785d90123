"""Golden model of the Loader: load commands and vectors to writes of the operand files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig

__all__ = ["Loaded", "load", "vectors_of"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Loaded:
    """What the Loader writes, in order.

    Args:
        tile: `lines`, `entry`, `chunk` [beats]; tile_elements: [beats, vector].
        row: `lines`, `word` [beats]; row_lanes: [beats, 2 * row_lanes].
        complete: `lines`, `bank` of each command with `last`; `tile`, `row`: beats of each kind before it.
    """

    tile: dict[str, Ints]
    tile_elements: Ints
    row: dict[str, Ints]
    row_lanes: Ints
    complete: dict[str, Ints]


def vectors_of(config: EngineConfig, command: Mapping[str, int]) -> int:
    """Vectors that a load command takes."""
    entries, chunks = command["entries"] + 1, command["chunks"] + 1
    if command["row"] or not command["transposed"]:
        return entries * chunks
    return -(-entries // config.vector) * ((chunks - 1) * config.vector + command["tail"] + 1)


def load(config: EngineConfig, loads: Mapping[str, Ints], vectors: Ints) -> Loaded:
    """Run load commands.

    Args:
        loads: fields of `load_command`, [commands]. vectors: fp16 codes [vectors, config.vector].

    Raises:
        ValueError: the commands take more or fewer vectors than there are.
    """
    tile: list[tuple[int, int, int]] = []
    tile_elements: list[Ints] = []
    row: list[tuple[int, int]] = []
    row_lanes: list[Ints] = []
    complete: list[tuple[int, int, int, int]] = []
    at = 0
    for number in range(len(loads["lines"])):
        command = {name: int(values[number]) for name, values in loads.items()}
        count = vectors_of(config, command)
        part = vectors[at : at + count]
        if len(part) != count:
            raise ValueError(f"`vectors` must be at least {at + count}, not {len(vectors)}")
        at += count
        lines, first, chunks = command["lines"], command["first"], command["chunks"] + 1
        entries = command["entries"] + 1
        if command["row"]:
            for pixel in range(entries):
                words = _pixel_words(config, part[pixel * chunks : (pixel + 1) * chunks])
                for n, word in enumerate(words):
                    row.append((lines, first + pixel * config.operand_words + n))
                    row_lanes.append(word)
        else:
            placed = _transposed(config, command, part) if command["transposed"] else None
            for entry, chunk, vector in placed or [
                (n // chunks, n % chunks, part[n]) for n in range(entries * chunks)
            ]:
                tile.append((lines, first + entry, chunk))
                tile_elements.append(vector)
        if command["last"]:
            complete.append((lines, command["bank"], len(tile), len(row)))
    if at != len(vectors):
        raise ValueError(f"`vectors` must be {at}, not {len(vectors)}")
    return Loaded(
        _columns(("lines", "entry", "chunk"), tile),
        np.array(tile_elements, np.int64).reshape(len(tile), config.vector),
        _columns(("lines", "word"), row),
        np.array(row_lanes, np.int64).reshape(len(row), 2 * config.row_lanes),
        _columns(("lines", "bank", "tile", "row"), complete),
    )


def _columns(names: tuple[str, ...], records: Sequence[tuple[int, ...]]) -> dict[str, Ints]:
    table = np.array(records, np.int64).reshape(len(records), len(names))
    return {name: table[:, n] for n, name in enumerate(names)}


def _transposed(
    config: EngineConfig, command: Mapping[str, int], vectors: Ints
) -> list[tuple[int, int, Ints]]:
    """(entry, chunk, lanes of the chunk) in the order of writing."""
    size, out, at = config.vector, [], 0
    for run in range(0, command["entries"] + 1, size):
        for chunk in range(command["chunks"] + 1):
            count = command["tail"] + 1 if chunk == command["chunks"] else size
            square = np.zeros((size, size), np.int64)  # [lane, entry]
            square[:count] = vectors[at : at + count]
            at += count
            for n in range(min(size, command["entries"] + 1 - run)):
                out.append((run + n, chunk, square[:, n]))
    return out


def _pixel_words(config: EngineConfig, vectors: Ints) -> list[Ints]:
    """The words of the Row file that hold a pixel's lanes."""
    lanes = np.zeros(max(config.lanes, vectors.size), np.int64)
    lanes[: vectors.size] = vectors.reshape(-1)
    half = np.zeros((2, 2 * config.operand_words * config.group), np.int64)
    half[:, : config.pes] = lanes[: config.lanes].reshape(2, config.pes)
    # [half, group, PE of the group] to [group, half, PE]
    groups = half.reshape(2, 2 * config.operand_words, config.group).transpose(1, 0, 2)
    return list(groups.reshape(config.operand_words, 2 * config.row_lanes))

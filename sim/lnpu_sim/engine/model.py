"""Golden model of the engine: executes a program, exact integers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig, EngineError
from lnpu.numeric.config import FMA_BUILDS
from lnpu_sim.engine.balance import rank
from lnpu_sim.engine.dealing import SLOT, DealingModel
from lnpu_sim.engine.files import accumulate, lane_order, terms_of
from lnpu_sim.engine.program import EngineProgram
from lnpu_sim.engine.x_bank import XBank, fill_bank
from lnpu_sim.numeric.window import WindowModel

__all__ = ["EngineModel", "EngineResult"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class EngineResult:
    """What a pass delivers.

    Args:
        beats: int64 [beats, row_lanes], in order. last: bool [beats], ends of drain commands.
        overflow: a sum saturated. errors: `Cause` bits of malformed rows. full: an X bank was too small.
        slots: int64 [walks, lines], slots with work that each line issues.
        dealt: for each walk the line of each pixel, -1 where it goes to all.
    """

    beats: Ints
    last: NDArray[np.bool_]
    overflow: bool
    errors: int
    full: bool
    slots: Ints
    dealt: list[Ints]


class EngineModel:
    """What an engine delivers.

    Args:
        config: geometry and policy.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config

    def run(self, program: EngineProgram) -> EngineResult:
        """Execute a program.

        Raises:
            EngineError: a command waits for a bank that will never be ready, or an address is out of range.
        """
        return _Run(self.config, program).result()


def _record(stream: dict[str, Ints], at: int) -> dict[str, int]:
    return {name: int(values[at]) for name, values in stream.items()}


def _count(stream: dict[str, Ints]) -> int:
    return len(next(iter(stream.values()), ()))


class _Run:
    """State of a pass."""

    def __init__(self, config: EngineConfig, program: EngineProgram) -> None:
        self.config, self.program = config, program
        self.window = WindowModel(FMA_BUILDS["pe"])
        self.wg = bool(program.constants["wg"])
        self.order = lane_order(config)
        lines, width = config.lines, len(self.order)
        # Operands: fp16 codes a lane. WG: one place a Row word; FP, BP: one a Tile entry.
        self.tile_size, self.row_size = 1 << config.tile_bits, 1 << config.row_bits
        self.operands = np.zeros((lines, self.row_size if self.wg else self.tile_size, width), np.int64)
        # A pixel's accumulators are `groups` Row words from its first one on; only first words are used here.
        self.sums = np.zeros((lines, self.tile_size if self.wg else self.row_size, width), np.int64)
        self.banks: list[XBank | None] = [None, None]
        self.loaded, self.closed = np.zeros((2, lines), bool), np.zeros((2, lines), bool)
        self.dealing = DealingModel(config, program.constants)
        self.at = dict.fromkeys(("fill", "word", "load", "vector", "drain"), 0)
        self.beats: list[Ints] = []
        self.last: list[NDArray[np.bool_]] = []
        self.slots: list[Ints] = []
        self.dealt: list[Ints] = []
        self.overflow, self.full, self.errors = False, False, 0
        self.row_ends = np.flatnonzero(program.words["last"])

    def result(self) -> EngineResult:
        """All walks, then what is left of the other streams."""
        for n in range(_count(self.program.walks)):
            self._walk(n)
        for name, stream in (("load", self.program.loads), ("drain", self.program.drains)):
            if self.at[name] != _count(stream):
                raise EngineError(f"{name} {self.at[name]} waits for a bank that no walk will free")
        return EngineResult(
            beats=np.concatenate(self.beats),
            last=np.concatenate(self.last),
            overflow=self.overflow,
            errors=self.errors,
            full=self.full,
            slots=np.array(self.slots),
            dealt=self.dealt,
        )

    def _fill(self, bank: int) -> XBank:
        """The X bank, filled first if it is free."""
        kept = self.banks[bank]
        if kept is not None:
            return kept
        fills, words = self.program.fills, self.program.words["data"]
        start = self.at["fill"]
        if start == _count(fills) or int(fills["bank"][start]) != bank:
            raise EngineError(f"a walk waits for X bank {bank}, which fill {start} does not fill")
        end = start + int(np.argmax(fills["last"][start:])) + 1
        first = np.append(0, self.row_ends + 1)
        rows = [words[first[n] : first[n + 1]] for n in range(start, end)]
        filled = fill_bank({name: values[start:end] for name, values in fills.items()}, rows, self.config)
        self.at["fill"] = end
        self.errors |= filled.errors
        self.full |= filled.full
        self.banks[bank] = filled
        return filled

    def _load(self, bank: int) -> None:
        """Load commands until all lines have the operand bank."""
        while not self.loaded[bank].all():
            if self.at["load"] == _count(self.program.loads):
                raise EngineError(f"a walk waits for operand bank {bank}, and there are no loads left")
            command = _record(self.program.loads, self.at["load"])
            lines = np.array([command["lines"] >> n & 1 for n in range(self.config.lines)], bool)
            if self.loaded[command["bank"]][lines].any():
                raise EngineError(f"load {self.at['load']} waits for a bank that no walk will free")
            self._load_part(command, lines)
            self.at["load"] += 1
            if command["last"]:
                self.loaded[command["bank"]][lines] = True

    def _load_part(self, command: dict[str, int], lines: NDArray[np.bool_]) -> None:
        config, entries, chunks = self.config, command["entries"] + 1, command["chunks"] + 1
        if command["transposed"]:
            runs = -(-entries // config.vector)
            count = runs * ((chunks - 1) * config.vector + command["tail"] + 1)
        else:
            count = entries * chunks
        start = self.at["vector"]
        vectors = self.program.vectors[start : start + count]
        self.at["vector"] += count
        if command["transposed"]:
            vectors = vectors.reshape(runs, -1, config.vector).swapaxes(1, 2)
        rows = runs * config.vector if command["transposed"] else entries
        lanes = vectors.reshape(rows, -1)[:entries]
        lanes = np.pad(lanes, ((0, 0), (0, max(0, config.lanes - lanes.shape[1]))))
        step = config.operand_words if command["row"] else 1
        place = command["first"] + np.arange(entries) * step
        ordered = np.where(self.order >= 0, lanes[:, self.order], 0)
        for line in np.flatnonzero(lines):
            self.operands[line, place] = ordered

    def _walk(self, n: int) -> None:
        walk = _record(self.program.walks, n)
        operand, sums = ("row", "tile") if self.wg else ("tile", "row")
        operand_bank, sum_bank = walk[f"{operand}_bank"], walk[f"{sums}_bank"]
        bank = self._fill(walk["x_bank"])
        self._load(operand_bank)
        if self.closed[sum_bank].any():
            raise EngineError(f"walk {n} waits for accumulator bank {sum_bank}, which no drain will empty")

        dealt = self.dealing.walk(walk, bank)
        self.dealt.append(dealt.lines)
        self.slots.append(np.array([len(slots) for slots in dealt.slots]))
        self._issue(np.concatenate(dealt.slots), np.repeat(np.arange(self.config.lines), self.slots[-1]))

        if walk["x_free"]:
            self.banks[walk["x_bank"]] = None
        if walk["release"]:
            self.loaded[operand_bank] = False
        if walk["last"]:
            self.closed[sum_bank] = True
            self._drain()

    def _issue(self, slots: Ints, line: Ints) -> None:
        """Add the terms of slots [slots, len(SLOT)]; `line` of each."""
        dual, lane, code, tile, row = (
            slots[:, SLOT.index(name)] for name in ("dual", "lane", "code", "tile", "row")
        )
        constants = self.program.constants
        operand_at, sum_at = (row, tile) if self.wg else (tile, row)
        operands = self.operands[line, operand_at]
        terms = terms_of(self.window, dual, code, operands, constants["scale"], constants["top"])
        half = self.order // self.config.pes  # of each place; places without a PE have zero operands
        terms[(dual[:, None] == 0) & (lane[:, None] != half)] = 0
        flat = self.sums.reshape(-1, len(self.order))
        self.overflow |= accumulate(flat, line * self.sums.shape[1] + sum_at, terms, self.window)

    def _drain(self) -> None:
        """Drain commands, in order, as far as their banks are complete."""
        config, drains = self.config, self.program.drains
        while self.at["drain"] < _count(drains):
            command = _record(drains, self.at["drain"])
            lines = np.array([command["lines"] >> n & 1 for n in range(config.lines)], bool)
            lines |= command["tile"] == 0
            if not self.closed[command["bank"]][lines].all():
                return
            words = self._drain_tile(command, lines) if command["tile"] else self._drain_row(command)
            self.beats.append(words)
            self.last.append(np.arange(len(words)) == len(words) - 1)
            if command["last"]:
                self.closed[command["bank"]][lines] = False
            self.at["drain"] += 1

    def _words(self, entries: Ints, command: dict[str, int]) -> Ints:
        """The drained words of [entries, lanes]."""
        kept = entries.reshape(len(entries), self.config.groups, -1)[:, : command["groups"] + 1]
        return kept.reshape(-1, self.config.row_lanes)

    def _drain_row(self, command: dict[str, int]) -> Ints:
        noted = self.dealing.table[command["table"]][: command["count"] + 1]
        lines = (noted + command["turn"]) % self.config.lines
        place = command["first"] + rank(lines) * command["step"]
        words = self._words(self.sums[lines, place], command)
        self.sums[lines, place] = 0
        return words

    def _drain_tile(self, command: dict[str, int], lines: NDArray[np.bool_]) -> Ints:
        place = command["first"] + np.arange(command["count"] + 1)
        words = self._words(self.sums[lines][:, place].sum(axis=0), command)
        self.sums[np.ix_(lines, place)] = 0
        return words

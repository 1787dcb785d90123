"""Cycles of the dealer, as `lnpu.engine.dealer`."""

from collections import deque
from collections.abc import Iterator, Mapping

from lnpu.engine.config import EngineConfig, Policy
from lnpu_sim.engine.cycles.banks import BlockLists
from lnpu_sim.engine.cycles.feed import Block, Feed
from lnpu_sim.engine.cycles.policies import Chooser
from lnpu_sim.engine.cycles.walker import DEPTH, Entry, Walker

__all__ = ["Dealer"]


RESULTS = 7
"""Results of a Row bank that may wait inside."""


class Dealer:
    """Walker, policy and assignment table.

    Args:
        walks: commands in order, always offered. banks: (bank, blocks) of the fills in order.

    Attributes:
        given: the block for each line that is taken in this cycle, or None. claim: bits of banks that are
        claimed in this cycle; free: bits of banks that all lines have let go, from a register.
        filling, looking: as the hardware's, in this cycle.
    """

    def __init__(
        self,
        config: EngineConfig,
        constants: Mapping[str, int],
        walks: list[dict[str, int]],
        banks: Iterator[tuple[int, BlockLists]],
    ) -> None:
        self.walker = Walker(constants, config)
        self.table = self.walker.table
        self.claim = self.free = 0
        self.filling = self.looking = False
        lines = config.lines
        self.given: list[Block | None] = [None] * lines
        self._wg = constants["wg"]
        self._config = config
        self._lines = lines
        self._barrier = config.policy is Policy.NONE
        self._row_mask = (1 << config.row_bits) - 1
        self._walks = walks
        self._at = 0
        self._banks = banks
        # Blocks of a bank in the order of its fills: the walks come behind.
        self._blocks: list[deque[BlockLists]] = [deque(), deque()]
        self._undrained = [0, 0]  # results of each Row bank
        self._loaded = False
        self._policy = Chooser(config)
        self._fresh, self._begun = True, False
        self._kept = 0
        self._sent = [False] * lines
        self._row, self._room = [0] * lines, [0] * lines
        self._pixel = 0
        self._gone = [0, 0]
        self._every = (1 << lines) - 1

    def _bank(self, number: int) -> BlockLists:
        waiting = self._blocks[number]
        while not waiting:
            bank, blocks = next(self._banks)
            self._blocks[bank].append(blocks)
        return waiting[0]

    def step(self, feeds: list[Feed], filled: int, drained: int) -> None:
        """One cycle. `filled`: bits of X banks; `drained`: bits of line 0's accumulator banks, a pulse."""
        walker = self.walker
        room = len(walker.queue) < DEPTH - 1
        self.claim = 0
        load: Mapping[str, int] | None = None
        self.filling = False
        undrained = self._undrained
        before = tuple(undrained)
        if drained and not self._wg:
            for bank in range(2):
                undrained[bank] -= drained >> bank & 1 and undrained[bank] != 0
        if not walker.busy and self._at < len(self._walks):
            walk = self._walks[self._at]
            inside = before[walk["row_bank"]]
            wait = not self._wg and (inside == RESULTS if walk["replay"] else inside != 0)
            if filled >> walk["x_bank"] & 1 and not wait:
                load = walk
                self._at += 1
                if walk["x_free"]:
                    self.claim = 1 << walk["x_bank"]
                if walk["last"]:
                    undrained[walk["row_bank"]] += 1
            else:
                self.filling = True
        busy = walker.busy
        left = self._give(feeds)
        self.looking = busy and (left or not self._offered)
        done = self._let_go(feeds)
        walker.step(room)
        if self._loaded:
            self._row = [walker.walk["row"]] * self._lines
            self._room = [walker.walk["capacity"]] * self._lines
            self._pixel = 0
        self._loaded = load is not None
        if load is not None:
            walker.load(load, self._bank(load["x_bank"]))
            if load["x_free"]:
                self._blocks[load["x_bank"]].popleft()
        self.free = done

    def _let_go(self, feeds: list[Feed]) -> int:
        """Bits of banks that all lines have let go."""
        done = 0
        for bank in range(2):
            gone = self._gone[bank]
            if gone == self._every:
                done |= 1 << bank
                gone = 0
            for n, feed in enumerate(feeds):
                if feed.released >> bank & 1:
                    gone |= 1 << n
            self._gone[bank] = gone
        return done

    def _give(self, feeds: list[Feed]) -> bool:
        """The oldest lookup goes to its line; whether it leaves."""
        given = self.given
        for n in range(self._lines):
            given[n] = None
        queue = self.walker.queue
        self._offered = bool(queue)
        if not queue:
            return False
        entry, walk = queue[0], self.walker.walk
        if self._barrier and not self._begun and not entry.end and not all(feed.idle for feed in feeds):
            return False
        together = self._wg == 1 or walk["all"] == 1
        if not self._fresh:
            line = self._kept
        elif walk["replay"]:
            line = (entry.line + walk["turn"]) % self._lines
        else:
            line = self._policy.choice([together or room != 0 for room in self._room])
        leave = True
        if entry.end or (entry.inside and (entry.n8 or entry.n16)):
            if entry.end or walk["all"]:
                sent = self._sent
                for n, feed in enumerate(feeds):
                    if not sent[n]:
                        if feed.ready:
                            given[n] = self._block(entry, walk, self._row[n])
                            sent[n] = True
                        else:
                            leave = False
                if leave:
                    self._sent = [False] * self._lines
            elif feeds[line].ready:
                given[line] = self._block(entry, walk, self._row[line])
            else:
                leave = False
        if leave:
            queue.popleft()
            self._left(entry, walk, line, together)
        return leave

    def _left(self, entry: Entry, walk: Mapping[str, int], line: int, together: bool) -> None:
        self._kept, self._fresh, self._begun = line, entry.last or entry.end, not entry.end
        dealing = not walk["replay"] and not walk["all"]
        if not entry.end and dealing:
            wide = 2 * entry.n16 if walk["both"] else entry.n16
            self._policy.give(line, entry.n8 + wide + entry.last)
        self._policy.step(entry.last, entry.end)
        if entry.end:
            self.walker.busy = False
        if entry.last:
            for n in range(self._lines) if together else (line,):
                self._row[n] = self._row[n] + walk["row_step"] & self._row_mask
                self._room[n] -= 1
            if dealing:
                self.table[walk["table"]][self._pixel] = line
            self._pixel += 1

    def _block(self, entry: Entry, walk: Mapping[str, int], row: int) -> Block:
        return Block(entry, walk, row, self._config, self._wg)

"""Cycles of the collector, as `lnpu.engine.collector`."""

from collections import deque

from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.cycles.claims import Claims
from lnpu_sim.engine.cycles.line import Line

__all__ = ["Collector"]

DEPTH = 8
"""Pixels or entries whose words have not come yet."""


class Collector:
    """Requests to the lines, and their words in order.

    Args:
        drains: commands in order, always offered. table: the assignment table.

    Attributes:
        claims: their `done` says which banks were drained. requests: for each line, further words that are
        wanted of an entry, -1: nothing. took: lines whose word is taken in this cycle.
        ended: the cycle in which the last word so far left; left: commands that have not ended.
    """

    def __init__(self, config: EngineConfig, drains: list[dict[str, int]], table: list[list[int]]) -> None:
        self.claims = Claims(config.lines)
        self.requests = [-1] * config.lines
        self.took = [False] * config.lines
        self.ended, self.left = 0, len(drains)
        self._latency = 1 + (config.lines - 1).bit_length()
        self._drains, self._at = drains, 0
        self._table = table
        self._lines = config.lines
        self._every = (1 << config.lines) - 1
        self._command: dict[str, int] | None = None
        self._accepted: dict[str, int] | None = None
        self._number = 0
        self._waiting = 0  # lines that have not taken the present request
        self._target = 0
        # Lines of a request, whether it ends its command, lines and bank that are done with then.
        self._order: deque[tuple[int, bool, int, int]] = deque()
        self._room = True
        self._done = 0, 0

    def take(self, lines: list[Line], now: int) -> None:
        """Begin of a cycle: the words of the oldest request are taken, and perhaps a command."""
        took = self.took
        for n in range(self._lines):
            took[n] = False
        self._room = len(self._order) < DEPTH
        self._done = 0, 0
        self._accepted = None
        if self._command is None and self._at < len(self._drains):
            head = self._drains[self._at]
            mask = head["lines"] if head["tile"] else self._every
            if self.claims.free(lines, mask, head["bank"], now, False):
                self._accepted = head
        if not self._order:
            return
        mask, ends, done, bank = self._order[0]
        last = False
        for n, line in enumerate(lines):
            if mask >> n & 1 and not line.drain.words:
                return
        for n, line in enumerate(lines):
            if mask >> n & 1:
                took[n] = True
                last |= line.drain.words.popleft()
        if last:
            self._order.popleft()
            self._done = done, bank
            if ends:
                self.ended = now + self._latency
                self.left -= 1

    def step(self, lines: list[Line]) -> None:
        """The rest of the cycle, behind the lines'."""
        command = self._command
        if command is not None:
            if self._room:
                for n, line in enumerate(lines):
                    if self._waiting >> n & 1 and line.drain.accepted:
                        self._waiting &= ~(1 << n)
                if not self._waiting:
                    self._next(command)
        elif (head := self._accepted) is not None:
            self._at += 1
            self._command, self._number = head, 0
            self._aim(head)
            if head["last"]:
                self.claims.claim(head["lines"] if head["tile"] else self._every, head["bank"])
        self.claims.end(*self._done)
        self._offer()

    def _aim(self, command: dict[str, int]) -> None:
        """The lines of the next request."""
        if command["tile"]:
            self._target = command["lines"]
        else:
            line = self._table[command["table"]][self._number] + command["turn"]
            self._target = 1 << line % self._lines
        self._waiting = self._target

    def _next(self, command: dict[str, int]) -> None:
        """All lines have taken a request."""
        ends = self._number == command["count"]
        close = self._target if command["tile"] else self._every
        done = close if ends and command["last"] else 0
        self._order.append((self._target, ends, done, command["bank"]))
        if ends:
            self._command = None
        else:
            self._number += 1
            self._aim(command)

    def _offer(self) -> None:
        """Requests of the next cycle."""
        command = self._command
        room = command is not None and len(self._order) < DEPTH
        for n in range(self._lines):
            wanted = room and self._waiting >> n & 1
            self.requests[n] = command["groups"] if wanted and command is not None else -1

"""Cycles of a line, as `lnpu.engine.line`, `banks` and `visits`."""

from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.cycles.drain import Drain
from lnpu_sim.engine.cycles.feed import Block, Feed

__all__ = ["DRAIN", "EMPTY", "ISSUE8", "ISSUE16", "PIXEL", "PRESSURE", "TILE", "Line"]

ISSUE8, ISSUE16, PIXEL, TILE, DRAIN, PRESSURE, EMPTY = range(7)
"""What a line does with a cycle."""


class Line:
    """Whether slots are taken, and the flags of the banks.

    Args:
        feed: of this line.

    Attributes:
        drain: its queue of drained words.
    """

    def __init__(self, config: EngineConfig, wg: int, feed: Feed) -> None:
        self.drain = Drain(config, wg)
        self._feed, self._wg = feed, wg
        self._groups, self._settle, self._spacing = config.groups, config.groups + 4, config.spacing
        self._clear = 2 * config.tile_entries if wg else config.row_words
        # Banks.
        self._applied = False
        self._loaded = self._closed = 0
        self._empty, self._wanted_from = [True, True], [0, 0]
        self._quiet = [0, 0]
        # Visits.
        self._visiting = self._held = self._moved = self._held_before = self._applies = False
        self._row = self._tile = self._tile_before = self._bank = 0
        self._far_from = 0

    def wanted(self, bank: int, now: int) -> bool:
        """The operand bank may be written."""
        return self._empty[bank] and now >= self._wanted_from[bank]

    def complete(self, bank: int) -> bool:
        """The accumulator bank may be drained."""
        return self._quiet[bank] == self._settle

    def step(self, now: int, request: int, word: bool, loaded: int, drained: int) -> tuple[int, bool]:
        """One cycle.

        Args:
            now: its number. request: further words that the collector wants of an entry, -1: nothing.
            word: the collector takes a word. loaded, drained: bits of banks.

        Returns:
            What the line does with the cycle; whether the slot is taken.
        """
        active = now >= self._clear
        slot = self.drain.step(now, request if active else -1, word)
        feed, wg, held = self._feed, self._wg, self._held
        closed = self._closed
        cause, taken, take = EMPTY, False, False
        pending = False
        apply = None
        moved = slot
        if feed.full:
            marks = feed.marks
            pending = active and marks is not None and not self._applied
            cause = self._judge(now, active, slot, marks if pending else None)
            taken = cause < PIXEL or cause == EMPTY
            take = taken and feed.work
            if pending and self._applies:
                apply = marks
        flush = False
        if take:
            block = feed.block
            assert block is not None
            if not self._visiting or (wg and pending) or self._row != block.row:
                self._far_from = now + self._spacing
                moved = True if not wg else not held or self._tile != feed.tile
            elif wg:
                moved = not held or self._tile != feed.tile
        elif held and not slot and closed >> self._bank & 1 and (wg or now >= self._far_from):
            flush = moved = True
        if apply is not None or loaded or drained or closed:
            self._flags(now, apply, loaded, drained)
        if wg:
            self._moved, self._held_before, self._tile_before = moved, held, self._tile
        else:
            self.drain.move(moved)
        if take:
            block = feed.block
            assert block is not None
            self._visiting = self._held = True
            self._row, self._tile = block.row, feed.tile
            self._bank = block.tile_bank if wg else block.row_bank
        else:
            if flush or slot:
                self._held = False
            if pending if wg else flush:
                self._visiting = False
        if feed.full:
            self._applied = (self._applied or apply is not None) and not taken
        return cause, taken

    def _judge(self, now: int, active: bool, slot: bool, marks: Block | None) -> int:
        """What becomes of the slot at the input, if `slot` a drain goes first; `marks` that are pending."""
        feed, wg = self._feed, self._wg
        operands = sums = True
        self._applies = False
        released = closing = -1
        if marks is not None:
            mark_operands, mark_sums = marks.tile_bank, marks.row_bank
            if wg:
                mark_operands, mark_sums = mark_sums, mark_operands
            if marks.release:
                operands, released = self._loaded >> mark_operands & 1 == 1, mark_operands
            if marks.last:
                sums, closing = not self._closed >> mark_sums & 1, mark_sums
            self._applies = operands and sums
        if not feed.work:
            return EMPTY if operands and sums and active else TILE if active and not operands else PRESSURE
        block = feed.block
        assert block is not None
        bank, sum_bank = (block.row_bank, block.tile_bank) if wg else (block.tile_bank, block.row_bank)
        if active and (not operands or not self._loaded >> bank & 1 or released == bank):
            return TILE
        if not active or not sums or self._closed >> sum_bank & 1 or closing == sum_bank:
            return PRESSURE
        if slot:
            return DRAIN
        visit = not self._visiting or self._row != block.row or (wg and marks is not None)
        if visit and now < self._far_from:
            return PIXEL
        if (
            wg
            and self._moved
            and self._held_before
            and self._tile_before == feed.tile
            and (not self._held or self._tile != feed.tile)
        ):
            return PIXEL
        return ISSUE16 if feed.wide else ISSUE8

    def _flags(self, now: int, marks: Block | None, loaded: int, drained: int) -> None:
        """What changes with marks that are applied, loads and drains."""
        closed, held, bank = self._closed, self._held, self._bank
        for n in range(2):
            if not closed >> n & 1 or (held and bank == n) or drained >> n & 1:
                self._quiet[n] = 0
            elif self._quiet[n] < self._settle:
                self._quiet[n] += 1
            if loaded >> n & 1:
                self._empty[n] = False
        if marks is not None:
            operands, sums = marks.tile_bank, marks.row_bank
            if self._wg:
                operands, sums = sums, operands
            if marks.release:
                self._loaded &= ~(1 << operands)
                self._empty[operands], self._wanted_from[operands] = True, now + 1 + self._groups
            if marks.last:
                closed |= 1 << sums
        self._loaded |= loaded
        self._closed = closed & ~drained

"""Cycles of a row decoder and its packer, as `lnpu.engine.row_reader`, `row_decoder`, `halves`, `packer`."""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from lnpu.engine.config import EngineConfig

__all__ = ["WORDS", "Decoder", "Job", "Row"]

WORDS = 512
"""Words that wait for a decoder."""


class _State(Enum):
    HEADER = 0
    BODY = 1
    TAIL = 2
    DROP = 3


# What a step of a row carries to the packer.
_ENTRY, _ELEMENT, _WIDE, _GROUP_END, _BLOCK_END, _END, _BANK = (1 << n for n in range(7))
_ITEM = _ENTRY | _BLOCK_END | _END


@dataclass(frozen=True)
class Row:
    """One row: its bits and what its command says of them."""

    bits: int
    blocks: int
    length: int
    count_bits: int
    k8: int
    k16: int


@dataclass(frozen=True)
class Job:
    """What a decoder is told: to decode `row` (or none), and that it has no more rows of `bank` (`end`)."""

    row: Row | None
    bank: int
    end: bool


class Decoder:
    """One decoder with its FIFO of words and its packer.

    Attributes:
        first, second: jobs that wait, `second` the older one, under way. level: words in the FIFO.
        writes: a word or span waits to be written. ended: bit of the bank that is complete in this cycle.
        asleep: nothing changes until a job or word comes or a bank is freed.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.units = config.units
        self.first: Job | None = None
        self.second: Job | None = None
        self.level = 0
        self.words: deque[bool] = deque()
        self.writes = False
        self.ended = 0
        self.asleep = False
        self._shown = self._high = self._shown_last = False
        self._front = self._front_last = self._back = self._back_last = False
        self._offset = 0
        self._state = _State.HEADER
        self._step = self._item = -1  # registers behind the reader and behind the checks, -1: empty
        self._rem8 = self._rem16 = 0
        self._begun = self._done = False
        self._number = 0
        self._place = 0  # bits of the row that are used
        self._sent = 0
        self._unit = 0

    def step(self, granted: bool, free: int) -> bool:
        """One cycle; returns whether the job is over. The caller moves the jobs and brings words.

        Args:
            granted: what waits is written now. free: bits of banks that are freed.
        """
        before = self._step, self._item, self.writes, self._front, self._back, self._shown
        packer_ready = not self.writes or granted
        item_ready = self._item < 0 or packer_ready
        self._pack(packer_ready)
        if item_ready:
            self._item = self._step if self._step >= 0 and self._step & _ITEM else -1
        go = self._step < 0 or item_ready
        made, use, skip, over = self._read(go, free)
        if go:
            self._step = made
        self._window(use, skip)
        after = self._step, self._item, self.writes, self._front, self._back, self._shown
        self.asleep = (
            before == after == (-1, -1, False, self._front, self._back, self._shown)
            and not over
            and not free
            and not use
            and not skip
            and (self._back or not (self._shown or self.level))
            and (self._shown or not self.level)
        )
        return over

    def _pack(self, ready: bool) -> None:
        """The oldest item goes into the word that is packed."""
        self.ended = 0
        if not ready:
            return
        item = self._item
        self.writes = False
        if item < 0:
            return
        word = False
        if item & _ELEMENT:
            following = (self._unit | (item & (_WIDE | _GROUP_END) != 0)) + 1
            full = following == self.units
            word = full or item & _BLOCK_END != 0
            self._unit = 0 if full else following
        if item & _BLOCK_END:
            self._unit = 0
        if item & _END:
            self.ended = 2 if item & _BANK else 1
        self.writes = word or item & _BLOCK_END != 0

    def _read(self, go: bool, free: int) -> tuple[int, int, bool, bool]:
        """The next step of the row (-1: none), bits that it uses, whether a half is dropped, whether the job
        is over."""
        job = self.second
        sent, self._sent = self._sent, self._sent & ~free
        if not go or job is None:
            return -1, 0, False, False
        row, state = job.row, self._state
        if row is None:
            if not self._begun and sent >> job.bank & 1:
                return -1, 0, False, False
            return self._end_job(job), 0, False, True
        if not (self._front and (self._front_last or self._back)):
            if state is _State.DROP and not self._done:
                return self._end_block(row, _State.DROP), 0, False, False
            return -1, 0, False, False
        if state is _State.BODY:
            wide = self._rem8 == 0
            k = row.k16 if wide else row.k8
            need = k + (16 if wide else 8)
            if self._rem8 > row.length or self._rem16 > row.length or self._cut(need):
                return self._end_block(row, _State.DROP), 0, False, False
            field = row.bits >> self._place & ((1 << need) - 1)
            made = _ENTRY if field == (1 << k) - 1 else _ENTRY | _ELEMENT
            if wide:
                made |= _WIDE
                left, self._rem16 = self._rem16, self._rem16 - 1
                last = left == 1
            else:
                left, self._rem8 = self._rem8, self._rem8 - 1
                last = left == 1 and self._rem16 == 0
            if left == 1:
                made |= _GROUP_END
            if last:
                made |= self._end_block(row)
            return made, need, False, False
        if state is _State.HEADER:
            if not self._begun and sent >> job.bank & 1:
                return -1, 0, False, False
            self._begun = True
            need = 2 * row.count_bits
            if self._cut(need):
                return self._end_block(row, _State.DROP), 0, False, False
            mask = (1 << row.count_bits) - 1
            self._rem8 = row.bits >> self._place & mask
            self._rem16 = row.bits >> self._place + row.count_bits & mask
            if self._rem8 | self._rem16:
                self._state = _State.BODY
                return -1, need, False, False
            return self._end_block(row), need, False, False
        if state is _State.DROP and not self._done:
            return self._end_block(row, _State.DROP), 0, False, False
        if self._front_last:
            return self._end_job(job), 0, True, True
        return (0 if state is _State.TAIL else -1), 0, True, False

    def _cut(self, need: int) -> bool:
        return self._front_last and self._offset + need > 32

    def _end_block(self, row: Row, state: _State | None = None) -> int:
        self._number += 1
        self._done = self._number == row.blocks
        self._state = state or (_State.TAIL if self._done else _State.HEADER)
        return _BLOCK_END

    def _end_job(self, job: Job) -> int:
        self._number, self._done, self._begun, self._place = 0, False, False, 0
        self._state = _State.HEADER
        if not job.end:
            return 0
        self._sent |= 1 << job.bank
        return _END | (_BANK if job.bank else 0)

    def _window(self, use: int, skip: bool) -> None:
        """The two halves in front, and the word that comes out of the FIFO's RAM."""
        pop = skip
        if skip:
            self._offset = 0
        elif use:
            self._place += use
            self._offset += use
            if self._offset >= 32 and not self._front_last:
                self._offset -= 32
                pop = True
        shift = pop or not self._front
        wanted = shift or not self._back
        if shift:
            self._front, self._front_last = self._back, self._back_last
        shown, high = self._shown, self._high
        if wanted:
            self._back, self._back_last = shown, self._shown_last and high
        spent = wanted and high
        if self.level and (not shown or spent):
            self.level -= 1
            self._shown, self._shown_last = True, self.words.popleft()
        elif shown and spent:
            self._shown = False
        if shown and wanted:
            self._high = not high

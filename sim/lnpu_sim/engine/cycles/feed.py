"""Cycles of a feed, as `lnpu.engine.block_queue`, `fetch` and `unpack`."""

from collections import deque
from collections.abc import Mapping
from functools import cache

from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.cycles.walker import Entry

__all__ = ["Block", "Feed"]

BLOCKS = 16
"""Blocks of a line that are looked up and not issued yet."""
WORDS = 8
"""Words of a line that wait."""
_WIDE, _SPENT = 1, 2


@cache
def _pattern(n8: int, n16: int, both: int, units: int) -> bytes:
    """The slots of a block: `_WIDE` where the element is fp16, `_SPENT` where a word is used up."""
    found = bytearray(n8)
    for element in range(n16):
        found += bytes([_WIDE] * (2 if both else 1))
        if (n8 + (n8 & 1) + 2 * (element + 1)) % units == 0:
            found[-1] |= _SPENT
    for element in range(n8):
        # The word's second unit stays empty where fp16 elements follow an odd one.
        used = element + 1 + (element == n8 - 1 and (n8 & 1))
        if used % units == 0:
            found[element] |= _SPENT
    found[-1] |= _SPENT
    return bytes(found)


class Block:
    """A block with elements for a line, or the end of a walk; fields as in the hardware's `block_layout`.

    Attributes:
        pattern: its slots. places: their Tile addresses (WG).
    """

    __slots__ = (
        "end",
        "last",
        "one",
        "pattern",
        "places",
        "release",
        "row",
        "row_bank",
        "tile_bank",
        "units",
        "x_bits",
    )

    def __init__(self, entry: Entry, walk: Mapping[str, int], row: int, config: EngineConfig, wg: int):
        self.end, self.one, self.row = entry.end, entry.one, row
        self.tile_bank, self.row_bank = walk["tile_bank"], walk["row_bank"]
        self.units = 0
        if entry.end:
            self.release, self.last = walk["release"], walk["last"]
            self.x_bits = (1 << walk["x_bank"]) * walk["x_free"]
            return
        n8, n16 = entry.n8, entry.n16
        self.x_bits = 0
        self.pattern = _pattern(n8, n16, walk["both"], config.units)
        if not entry.one:
            self.units = n8 + (n8 & 1 if n16 else 0) + 2 * n16
        if wg:
            self.places = self._addresses(entry, walk["both"], (1 << config.tile_bits) - 1)

    def _addresses(self, entry: Entry, both: int, mask: int) -> list[int]:
        tile = entry.tile
        if entry.one:
            return [tile] * len(self.pattern)
        places = [tile + n & mask for n in entry.index[entry.first : entry.first + entry.n8 + entry.n16]]
        if not both:
            return places
        return places[: entry.n8] + [place for place in places[entry.n8 :] for _ in range(2)]


class Feed:
    """Queue of blocks, word fetch and unpacking of one line.

    Attributes:
        ready: a block is taken in this cycle. idle: everything given has been issued. wants: a word is
        requested. released: bits of X banks whose words are all read.
        full: a slot is offered: `work`, `wide`, `tile` (WG) of its `block`; `marks`: the end of a walk that
        goes with it.
    """

    def __init__(self, config: EngineConfig, wg: int) -> None:
        self.ready = self.idle = True
        self.wants = self.full = self.work = False
        self.wide = self.tile = self.released = 0
        self.block: Block | None = None
        self.marks: Block | None = None
        self._wg, self._units = wg, config.units
        self._placing: deque[Block] = deque()
        self._issuing: deque[Block] = deque()
        # Fetch.
        self._busy = self._asked = False
        self._left = self._level = 0
        # Unpack.
        self._under: Block | None = None
        self._pattern = b""
        self._at = 0
        self._pending = self._ended = False
        self._ends: Block | None = None

    def give(self, block: Block) -> None:
        """A block comes, behind `step`."""
        self._placing.append(block)
        self.idle = False
        self.ready = len(self._placing) + len(self._issuing) < BLOCKS

    def step(self, granted: bool, taken: bool) -> None:
        """One cycle; `granted`: the word that is wanted is read; `taken`: the slot is."""
        if self.idle and not self.released and not self._asked:
            return
        level = self._level
        under, issuing = self._under, self._issuing
        head = issuing[0] if issuing else None
        absorb = head is not None and head.end and not self._pending and not self._ended
        load = head is not None and not head.end and under is None
        if taken or not self.full:
            if under is not None:
                if issue := under.one or level > 0:
                    at = self._at
                    code = self._pattern[at]
                    self.full = self.work = True
                    self.wide, self.block = code & _WIDE, under
                    if self._wg:
                        self.tile = under.places[at]
                    self.marks = self._ends if self._ended else None
                    self._ended = False
                    self._at = at = at + 1
                    if code & _SPENT and not under.one:
                        level -= 1
                    if at == len(self._pattern):
                        self._under = None
                        load = head is not None and not head.end
                self.full = issue
            elif self._pending and not load:
                self.full, self.work, self.marks = True, False, self._ends
                self._pending = False
            else:
                self.full = False
        if load and head is not None:
            issuing.popleft()
            self._under, self._pattern, self._at = head, head.pattern, 0
            self._ended, self._pending = self._pending, False
        elif absorb:
            issuing.popleft()
            self._pending, self._ends = True, head
        self._fetch(granted, level)
        waiting = len(self._placing) + len(issuing)
        self.ready = waiting < BLOCKS
        self.idle = not (waiting or self.full or self._pending or self._under is not None)

    def _fetch(self, granted: bool, level: int) -> None:
        """Blocks to words; `level`: words that wait, but for the one that comes now."""
        self._level = level = level + self._asked
        self._asked = granted
        self.released = 0
        placing = self._placing
        if placing and (not self._busy or (granted and self._left <= self._units)):
            block = placing.popleft()
            self._issuing.append(block)
            self._left = block.units
            self._busy = block.units != 0
            self.released = block.x_bits
        elif granted:
            self._left -= self._units
            self._busy = self._left > 0
        self.wants = self._busy and level < WORDS - 1

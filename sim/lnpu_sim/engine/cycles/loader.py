"""Cycles of the loader, as `lnpu.engine.loader` and `operands`."""

from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.cycles.claims import Claims
from lnpu_sim.engine.cycles.line import Line
from lnpu_sim.engine.cycles.transposers import Registers, make_transposer

__all__ = ["Loader"]


class _Assembler:
    """Pixels of the Row file (WG).

    Attributes:
        ready: a vector is taken in this cycle. busy: something is inside.
    """

    def __init__(self, words: int) -> None:
        self.ready, self.busy = True, False
        self._words = words
        self._gathered: tuple[int, int] | None = None
        self._out: tuple[int, int] | None = None
        self._left = 0

    def step(self, pixel: tuple[int, int] | None) -> tuple[int, int]:
        """One cycle. `pixel`: comes with its last vector: lines whose bank it completes, and the bank.
        Returns the same of the word that is written."""
        completes = 0, 0
        if self._out is not None:
            if self._left == 0:
                completes, self._out = self._out, None
            else:
                self._left -= 1
        if self._gathered is not None and self._out is None:
            self._out, self._gathered, self._left = self._gathered, None, self._words - 1
        if pixel is not None:
            self._gathered = pixel
        self.ready = self._gathered is None or self._out is None or self._left == 0
        self.busy = self._gathered is not None or self._out is not None
        return completes


class Loader:
    """When operand banks are complete.

    Args:
        loads: commands in order, always offered, their vectors too.

    Attributes:
        claims: their `done` says which banks are complete.
    """

    def __init__(self, config: EngineConfig, loads: list[dict[str, int]]) -> None:
        self.claims = Claims(config.lines)
        self._loads = loads
        self._at = 0
        self._size = config.vector
        self._command: dict[str, int] = {}  # the one whose vectors come next
        self._to_feed = self._to_hand = False
        self._fed_vector = self._fed_chunk = self._fed_left = 0
        self._present: dict[str, int] | None = None  # the one that is written
        self._left = self._chunk = self._index = 0
        self._rows = _Assembler(config.operand_words)
        self._buffer = make_transposer(config.transposer)
        self._passing: tuple[int, int] | None = None  # a beat of the transposing buffer
        self._beat = 0, 0  # lines whose bank the beat in the output register completes, and the bank

    def step(self, lines: list[Line], now: int) -> None:
        """One cycle."""
        accepted = None
        if not self._to_feed and not self._to_hand and self._at < len(self._loads):
            head = self._loads[self._at]
            if self.claims.free(lines, head["lines"], head["bank"], now, True):
                accepted = head
        elif self._present is None and not self._to_hand:
            self._finish(None, None)
            return
        present = self._present
        transposed = present is not None and present["transposed"] == 1 and not present["row"]
        feed = self._to_feed and (present is None or transposed)
        read = transposed and self._buffer.readable
        tile_end = self._index == self._size - 1 or self._left == 0
        column = self._feed(self._buffer.ready(read and tile_end)) if feed else False
        busy = self._rows.busy
        pixel, beat = self._write(present, read, tile_end) if present is not None else (None, None)
        hand = self._to_hand and self._present is None
        if hand and not self._command["row"]:
            hand = not busy and not (present is not None and present["row"])
        if hand:
            self._to_hand = False
            self._present = self._command
            self._left, self._chunk, self._index = self._command["entries"], 0, 0
        self._buffer.step(column, read and tile_end)
        self._finish(pixel, beat)
        if accepted is not None:
            self._accept(accepted)

    def _accept(self, command: dict[str, int]) -> None:
        self._at += 1
        self._command = command
        self._to_hand = True
        self._to_feed = command["transposed"] == 1 and not command["row"]
        self._fed_vector = self._fed_chunk = 0
        self._fed_left = command["entries"]
        if command["last"]:
            self.claims.claim(command["lines"], command["bank"])

    def _feed(self, ready: bool) -> bool:
        """A column for the transposing buffer; whether it is a tile's last one."""
        if not ready:
            return False
        command = self._command
        last_chunk = self._fed_chunk == command["chunks"]
        if self._fed_vector != (command["tail"] if last_chunk else self._size - 1):
            self._fed_vector += 1
            return False
        self._fed_vector = 0
        self._fed_chunk += 1
        if last_chunk:
            self._fed_chunk = 0
            self._to_feed = self._fed_left >= self._size
            self._fed_left -= self._size
        return True

    def _write(
        self, present: dict[str, int], read: bool, tile_end: bool
    ) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """The vector that is taken or the row that is read: the pixel that ends, the beat that leaves."""
        row, transposed = present["row"], present["transposed"] == 1 and not present["row"]
        if transposed:
            step = read
        elif row:
            step = self._rows.ready
        else:
            step = self._passing is None
        if not step:
            return None, None
        last_chunk = self._chunk == present["chunks"]
        ends = last_chunk and self._left == 0
        what = present["lines"] if ends and present["last"] else 0, present["bank"]
        if ends:
            self._present = None
        if not transposed:
            self._chunk = 0 if last_chunk else self._chunk + 1
            self._left -= last_chunk
        else:
            self._left += self._index if tile_end and not last_chunk else -1
            self._index = 0 if tile_end else self._index + 1
            if tile_end:
                self._chunk = 0 if last_chunk else self._chunk + 1
        if row:
            return (what if last_chunk else None), None
        if transposed and isinstance(self._buffer, Registers):
            return None, (what[0] | _LATE, what[1])
        return None, what

    def _finish(self, pixel: tuple[int, int] | None, beat: tuple[int, int] | None) -> None:
        """The output register, and the pulses behind it."""
        mask, bank = self._beat
        passing, self._passing = self._passing, None
        if beat is not None and beat[0] & _LATE:
            self._passing, beat = (beat[0] & ~_LATE, beat[1]), None
        self._beat = passing or beat or (0, 0)
        if pixel is not None or self._rows.busy:
            rows = self._rows.step(pixel)
            if rows[0]:
                mask, bank = rows
        self.claims.end(mask, bank)


_LATE = 1 << 16
"""A beat that leaves the transposing buffer one cycle later."""

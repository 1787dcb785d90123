"""The host's end of a board's link: checked commands over a serial line, repeated where they fail.

Wire format: `docs/deploy.md`. Every access is repeated as a whole until its answer is right, so only accesses
that may happen twice are given to `read` and `write`; `once` is for the others.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

from lnpu.boards.protocol import CHECKED, LINK_BASE, QUEUE_BYTES, Command, LinkRegister
from lnpu_host.errors import LinkError

__all__ = ["Link", "Port"]

BURST = 255
"""Words of a command, at most."""
READ_BYTES = 10
"""Bytes of a checked command to read."""
WINDOW = QUEUE_BYTES // READ_BYTES
"""Commands under way: as many as the board can queue while it answers the first."""

Note = Callable[[int, int], None]
"""Called with words done, and words in all."""


class Port(Protocol):
    """A serial line, as pyserial has it."""

    timeout: float | None
    """Seconds that `read` waits."""

    def write(self, data: bytes, /) -> int | None:
        """Send bytes."""

    def read(self, size: int = 1, /) -> bytes:
        """Bytes that came, at most `size`; fewer after `timeout`."""

    def reset_input_buffer(self) -> None:
        """Forget what came."""


@dataclass(frozen=True)
class _Request:
    """A command as bytes, without its CRC; words that it moves, and words that come back before the CRC."""

    data: bytes
    words: int
    answer: int

    @property
    def address(self) -> int:
        return 4 * int.from_bytes(self.data[2:6], "big")


class _Failure(Exception):
    """An answer that was not right; the text says how."""


def _request(command: Command, address: int, count: int, data: bytes = b"") -> _Request:
    head = bytes((command | CHECKED, count)) + (address // 4).to_bytes(4, "big")
    return _Request(head + data, count, 0 if command.writes else count)


class Link:
    """Words of a board's address space. Words are little-endian in `bytes`, as in the machine's memory.

    Args:
        port: the line. name: of the port, for errors. baud: bits a second. attempts: until the link counts as
        broken, at least 1. patience: seconds to wait for an answer beyond the time on the line.
        quiet: seconds without a byte after which the board has forgotten a broken command.
    """

    def __init__(
        self,
        port: Port,
        name: str,
        baud: int,
        *,
        attempts: int = 3,
        patience: float = 2.0,
        quiet: float = 0.15,
    ) -> None:
        self.port, self.name, self.baud = port, name, baud
        self.attempts, self.patience, self.quiet = attempts, patience, quiet
        self.repeated = 0
        """Commands that had to be repeated so far."""

    def read(self, address: int, words: int, note: Note | None = None) -> bytes:
        """`words` words from byte `address` (multiple of 4) on.

        Raises:
            LinkError: no right answer came, or nothing is at an address.
        """
        requests = [
            _request(Command.READ, address + 4 * first, min(BURST, words - first))
            for first in range(0, words, BURST)
        ]
        return b"".join(self._run(requests, self.attempts, note))

    def write(self, address: int, data: bytes, note: Note | None = None) -> None:
        """Whole words to byte `address` (multiple of 4) on.

        Raises:
            LinkError: as `read`.
        """
        self._run(self._writes(address, data), self.attempts, note)

    def once(self, address: int, word: int) -> bool:
        """Write a word, without repetition; whether the board said that it did. If not, it may have."""
        try:
            self._run(self._writes(address, word.to_bytes(4, "little")), 1, None)
        except _Failure:
            self._settle()
            return False
        return True

    def _writes(self, address: int, data: bytes) -> list[_Request]:
        size = 4 * BURST
        parts = [data[first : first + size] for first in range(0, len(data), size)]
        return [
            _request(Command.WRITE, address + size * n, len(part) // 4, _swapped(part))
            for n, part in enumerate(parts)
        ]

    def _run(self, requests: Sequence[_Request], attempts: int, note: Note | None) -> list[bytes]:
        """Carry out commands; answers in their order. With one attempt a failure is raised as it is."""
        answers: list[bytes] = []
        sent = failures = done = 0
        total = sum(request.words for request in requests)
        while len(answers) < len(requests):
            while sent < len(requests) and sent - len(answers) < WINDOW:
                data = requests[sent].data
                self.port.write(data + crc32(data).to_bytes(4, "big"))
                sent += 1
            request = requests[len(answers)]
            try:
                answers.append(self._answer(request, requests[len(answers) : sent]))
            except LinkError:
                self._settle()  # answers to later commands may be on their way
                raise
            except _Failure as failure:
                failures += 1
                if attempts == 1:
                    raise
                if failures == attempts:
                    raise self._broken(request, failure) from None
                self.repeated += 1
                self._settle()
                sent = len(answers)
                continue
            failures = 0
            done += request.words
            if note is not None:
                note(done, total)
        return answers

    def _answer(self, request: _Request, on_the_line: Sequence[_Request]) -> bytes:
        size = 4 * request.answer + 4
        # All that is under way may have to pass first.
        moving = size + sum(len(one.data) + 4 for one in on_the_line)
        self.port.timeout = self.patience + 20 * moving / self.baud
        answer = self.port.read(size)
        if len(answer) < size:
            raise _Failure(f"{len(answer)} of {size} bytes came" if answer else "no answer came")
        crc = int.from_bytes(answer[-4:], "big")
        right = crc32(answer[:-4], crc32(request.data))
        if crc == right ^ 0xFFFFFFFF:
            raise LinkError(
                f"{self.name}: the board has nothing for {request.words} words at {request.address:#x}"
            )
        if crc != right:
            raise _Failure("an answer with a wrong CRC came")
        return _swapped(answer[:-4])

    def _settle(self) -> None:
        """Wait until the board has forgotten what was under way."""
        self.port.timeout = self.quiet
        end = time.monotonic() + 20 * self.quiet + self.patience
        while self.port.read(4096) and time.monotonic() < end:
            pass
        self.port.reset_input_buffer()

    def _broken(self, request: _Request, failure: _Failure) -> LinkError:
        text = f"{self.name}: {failure} in {self.attempts} attempts at {request.address:#x}"
        if str(failure) == "no answer came":
            return LinkError(
                f"{text}; is the board on and loaded, and is {self.baud} its baud rate? "
                f"(another one: uart:{self.name}:BAUD)"
            )
        return LinkError(f"{text}: the link is broken{self._counted()}")

    def _counted(self) -> str:
        """What the board counted, if it can be asked."""
        names = (LinkRegister.LOST, LinkRegister.REFUSED, LinkRegister.EXPIRED)
        try:
            self._settle()
            words = [self._run([_request(Command.READ, LINK_BASE + name, 1)], 1, None)[0] for name in names]
        except (_Failure, LinkError):
            return ", and the board cannot be asked what it received"
        lost, refused, expired = (int.from_bytes(word, "little") for word in words)
        return f"; the board counts {lost} lost bytes, {refused} refused and {expired} incomplete commands"


def _swapped(data: bytes) -> bytes:
    """Words of the memory in the order of the line, and back."""
    swapped = bytearray(len(data))
    for n in range(4):
        swapped[n::4] = data[3 - n :: 4]
    return bytes(swapped)

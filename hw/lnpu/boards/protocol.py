"""What both ends of a board's host link know: commands, addresses, registers. Pure Python, no hardware.

Wire format and map are described in `docs/deploy.md`.
"""

import enum

__all__ = [
    "CHECKED",
    "LINK_BASE",
    "LINK_ID",
    "LINK_VERSION",
    "MEMORY_BASE",
    "PAGE",
    "QUEUE_BYTES",
    "REGISTER_BASE",
    "BoardError",
    "Command",
    "LinkRegister",
    "bit_cycles",
    "check_memory",
]


class BoardError(ValueError):
    """A board's parameter that cannot be used; names the field, the value and what is allowed."""


class Command(enum.IntEnum):
    """First byte of a command, as LiteX's uartbone has them. A second byte gives the number of 32-bit words,
    1 to 255, four more the first one's address / 4, highest byte first; then come the words of a write."""

    WRITE = 0x01
    READ = 0x02
    WRITE_FIXED = 0x03
    """All words go to one address."""
    READ_FIXED = 0x04

    @property
    def writes(self) -> bool:
        """Words come with the command; else they are the reply."""
        return self in (Command.WRITE, Command.WRITE_FIXED)

    @property
    def moves(self) -> bool:
        """The address grows from word to word."""
        return self in (Command.WRITE, Command.READ)


CHECKED = 0x10
"""Added to a command: four bytes behind it are the CRC-32 of all its bytes, and nothing is done unless they
are right. The reply ends with a CRC-32, of the command's bytes (without its CRC) and those of the reply
before; all its bits are inverted when the bus answered an error."""

QUEUE_BYTES = 64
"""Bytes that wait while a command is carried out, at most."""

MEMORY_BASE = 0x0000_0000
"""Byte address of the memory: the machine's own addresses."""
REGISTER_BASE = 0xF000_0000
"""Of the machine's registers."""
LINK_BASE = 0xF001_0000
"""Of the link's registers."""
PAGE = 4096

LINK_ID = 0x4C49_4E4B
"""The letters LINK, first one in the highest byte."""
LINK_VERSION = 1


class LinkRegister(enum.IntEnum):
    """Byte offsets from `LINK_BASE`; all are read-only."""

    ID = 0x00
    VERSION = 0x04
    MEMORY = 0x08
    """Bytes of memory."""
    CLOCK = 0x0C
    """Clock of the machine, Hz."""
    RECEIVED = 0x10
    """Bytes taken from the line, those of the command that reads this included; modulo 2^32."""
    CRC = 0x14
    """CRC-32 of the same bytes, all since reset."""
    REFUSED = 0x18
    """Commands that were not carried out: unknown, without words, or with a wrong CRC. This count and the
    next ones are modulo 2^16."""
    EXPIRED = 0x1C
    """Commands whose rest did not come in time."""
    LOST = 0x20
    """Bytes lost: stop bit missing, or no room."""
    FAILED = 0x24
    """Words whose address is nobody's, or whose access was answered by an error."""


def bit_cycles(clock_hz: int, baud: int) -> int:
    """Clock cycles of a bit.

    Raises:
        BoardError: fewer than 4, or the rate is missed by more than 2 % (each end may be off by about that).
    """
    if baud < 1 or clock_hz < 4 * baud:
        raise BoardError(f"`baud` must be 1 to {clock_hz // 4} at a clock of {clock_hz} Hz, not {baud}")
    cycles = round(clock_hz / baud)
    got = clock_hz / cycles
    if abs(got - baud) > 0.02 * baud:
        raise BoardError(
            f"`baud` must be within 2 % of the clock of {clock_hz} Hz over an integer, not {baud}: "
            f"{got:.0f} is the nearest"
        )
    return cycles


def check_memory(kilobytes: int) -> None:
    """Raise BoardError unless `kilobytes` is a multiple of 4 from 4 to 65536."""
    if not 4 <= kilobytes <= 65536 or kilobytes % 4:
        raise BoardError(f"`memory_kb` must be a multiple of 4 from 4 to 65536, not {kilobytes}")

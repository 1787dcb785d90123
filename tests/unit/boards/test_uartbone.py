# amaranth: UnusedElaboratable=no
"""Commands on the wire, and what the board's link says and counts."""

import random
from zlib import crc32

import numpy as np
import pytest

from lnpu.boards.protocol import CHECKED, LINK_BASE, LINK_ID, QUEUE_BYTES, BoardError, Command, LinkRegister
from lnpu.boards.uartbone import Uartbone
from support.board import (
    CLOCK,
    DIVISOR,
    KILOBYTES,
    Wires,
    answer,
    command,
    link_only,
    link_only_verilog,
    words,
)
from support.lint import lint

WRITE, READ, WRITE_FIXED, READ_FIXED = Command
BEYOND = KILOBYTES * 1024


@pytest.fixture
def board():
    return Wires(link_only())


def random_words(count, seed=0):
    return np.random.default_rng(seed).integers(0, 1 << 32, count, dtype=np.uint64).tolist()


def test_bits_of_the_wire(board):
    """One command and its answer, each bit of the line for exactly `DIVISOR` cycles."""
    module = board.module
    board.exchange(command(WRITE, 8, 1, [0x12345680]))
    bits = [b for byte in command(READ, 8, 1) for b in (0, *(byte >> n & 1 for n in range(8)), 1)]
    levels = [bit for bit in bits for _ in range(DIVISOR)] + [1] * 250
    line = []
    for level in levels:
        module["rx"] = level
        module.step()
        line.append(module["tx"])
    start = line.index(0)
    assert start > len(bits) * DIVISOR - 20
    # Between bytes that are ready in time there is no gap.
    want = [b for byte in (0x12, 0x34, 0x56, 0x80) for b in (0, *(byte >> n & 1 for n in range(8)), 1)]
    assert line[start : start + len(want) * DIVISOR] == [bit for bit in want for _ in range(DIVISOR)]
    assert all(line[:start] + line[start + len(want) * DIVISOR :])


def test_plain_commands(board):
    data = random_words(255)
    assert board.exchange(command(WRITE, 16, 255, data)) == b""
    assert board.exchange(command(READ, 16, 255)) == words(data)
    assert board.exchange(command(READ_FIXED, 20, 3)) == words([data[1]] * 3)
    board.exchange(command(WRITE_FIXED, 20, 3, [1, 2, 3]))
    assert board.exchange(command(READ, 16, 3)) == words([data[0], 3, data[2]])


def test_checked_commands(board):
    data = random_words(255)
    request = command(WRITE, 16, 255, data, checked=True)
    assert board.exchange(request) == answer(request)
    for kind, want in ((READ, data), (READ_FIXED, data[:1] * 255)):
        request = command(kind, 16, 255, checked=True)
        assert board.exchange(request) == answer(request, want)
    request = command(WRITE_FIXED, 16, 3, [1, 2, 3], checked=True)
    assert board.exchange(request) == answer(request)
    # Several under way at once, the first of them as long as can be.
    more = random_words(255, 1)
    long = command(WRITE, 0, 255, more, checked=True)
    short = [command(READ, 4 * n, 1, checked=True) for n in range(QUEUE_BYTES // 10)]
    want = answer(long) + b"".join(answer(one, [more[n]]) for n, one in enumerate(short))
    assert board.exchange(long + b"".join(short)) == want
    assert board.link(LinkRegister.LOST) == 0


def test_link_registers(board):
    assert board.exchange(command(READ, LINK_BASE, 4)) == words([LINK_ID, 1, KILOBYTES * 1024, CLOCK])
    got = board.exchange(command(READ, LINK_BASE + LinkRegister.RECEIVED, 6))
    assert got == words([len(board.sent), crc32(board.sent), 0, 0, 0, 0])
    for address in (LINK_BASE, BEYOND):  # read-only, and nobody's
        request = command(WRITE, address, 1, [5], checked=True)
        assert board.exchange(request) == answer(request, failed=True)
    for address in (LINK_BASE + 0x28, LINK_BASE + 4096, BEYOND):
        request = command(READ, address, 1, checked=True)
        got = board.exchange(request)
        assert got == answer(request, [int.from_bytes(got[:4], "big")], failed=True)
    assert board.link(LinkRegister.FAILED) == 5
    # Part of a command is enough, and plain commands are counted, too.
    request = command(WRITE, BEYOND - 4, 3, [1, 2, 3], checked=True)
    assert board.exchange(request) == answer(request, failed=True)
    board.exchange(command(READ, BEYOND, 1))
    assert board.link(LinkRegister.FAILED) == 8
    assert board.link(LinkRegister.ID) == LINK_ID


@pytest.mark.parametrize(
    "bad",
    [
        bytes((0x07, 1)),
        bytes((0x00,)),
        bytes((0x21, 1)),
        bytes((READ, 0)),
        bytes((WRITE | CHECKED, 0)),
        command(READ, 0, 1, checked=True)[:-1] + b"\0",
        command(WRITE, 0, 2, [7, 8], checked=True)[:-4] + bytes(4),
    ],
)
def test_refused(board, bad):
    """After what is no command everything is ignored until the line was quiet."""
    board.exchange(command(WRITE, 0, 2, [1, 2]))
    assert board.exchange(bad + command(WRITE, 0, 1, [9], checked=True) + command(WRITE, 0, 1, [9])) == b""
    board.rest()
    assert board.exchange(command(READ, 0, 2)) == words([1, 2])
    assert board.link(LinkRegister.REFUSED) == 1
    assert board.link(LinkRegister.EXPIRED) == 0


def test_half_commands(board):
    """Each beginning of a command is forgotten after the timeout, and not before."""
    board.exchange(command(WRITE, 0, 2, [1, 2]))
    whole = command(WRITE, 0, 2, [3, 4], checked=True)
    for end in range(1, len(whole)):
        assert board.exchange(whole[:end]) == b""
        board.rest()
    assert board.exchange(command(READ, 0, 2)) == words([1, 2])
    assert board.link(LinkRegister.EXPIRED) == len(whole) - 1
    assert board.exchange(whole[:9]) == b""
    assert board.exchange(whole[9:]) == answer(whole)
    # A plain write has written what came.
    board.exchange(command(WRITE, 0, 2, [5, 6])[:-1])
    board.rest()
    assert board.exchange(command(READ, 0, 2)) == words([5, 4])


def test_no_room(board):
    """Bytes that come while answers take longer than the queue lasts are counted, and do no harm."""
    asks = command(READ, 0, 255, checked=True)
    got = board.exchange(asks * 12)
    board.rest()
    assert len(got) >= 7 * 1024
    assert board.link(LinkRegister.LOST) >= 40
    assert board.exchange(command(READ, LINK_BASE, 1)) == words([LINK_ID])


def test_broken_streams_write_nothing_else(board):
    """Checked writes with bytes flipped, dropped and doubled: memory changes by whole, right commands only,
    and an answer says which ones."""
    rng = random.Random(3)
    memory = random_words(64, 2)
    board.exchange(command(WRITE, 0, 64, memory))
    refused = 0
    for _ in range(120):
        at, count = rng.randrange(60), rng.randint(1, 4)
        data = [rng.getrandbits(32) for _ in range(count)]
        request = command(WRITE, 4 * at, count, data, checked=True)
        wire = bytearray(request)
        fault, place = rng.choice("fdx-"), rng.randrange(len(wire))
        if fault == "f":
            wire[place] ^= 1 << rng.randrange(8)
        elif fault == "d":
            del wire[place]
        elif fault == "x":
            wire.insert(place, wire[place])
        got = board.exchange(bytes(wire))
        board.rest()
        if fault == "-" or (fault == "x" and got == answer(request)):
            memory[at : at + count] = data
            assert got == answer(request)
        else:
            refused += 1
            assert got == b""
        assert board.exchange(command(READ, 0, 64)) == words(memory)
    assert refused > 60


def test_lint(tmp_path):
    path = tmp_path / "lnpu_board.v"
    path.write_text(link_only_verilog())
    assert lint([path], "lnpu_board") == ""


def test_limits():
    with pytest.raises(BoardError, match=r"`timeout` must be at least 1 cycle, not 0"):
        Uartbone(timeout=0)

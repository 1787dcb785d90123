"""The host's link over a pseudo-terminal to a simulated board: good and broken lines, LiteX's own client."""

import os
import random
from zlib import crc32

import numpy as np
import pytest
import serial
from litex.tools.remote.comm_uart import CommUART

from lnpu.boards.protocol import LINK_BASE, LINK_ID, LinkRegister
from lnpu.engine.config import EngineConfig
from lnpu_host.devices import open_device
from lnpu_host.errors import HostError, LinkError
from lnpu_host.link import Link
from lnpu_host.uart import UartDevice, parse_uart
from lnpu_sim.boards.board import SimulatedBoard
from support.board import KILOBYTES, link_only

SIZE = KILOBYTES * 1024
# The simulated board forgets a broken command after 2000 cycles, 10 ms when it idles.
TIMES = {"patience": 0.5, "quiet": 0.05}


@pytest.fixture
def board():
    with SimulatedBoard(link_only(), idle=400) as board:
        yield board


@pytest.fixture
def link(board):
    with serial.Serial(board.port, 1_000_000) as port:
        yield Link(port, board.port, 1_000_000, **TIMES)


def nth_byte(n, change):
    """Bytes on their way, the n-th one (from 0) changed."""
    seen = 0

    def fault(data):
        nonlocal seen
        place, seen = n - seen, seen + len(data)
        if not 0 <= place < len(data):
            return data
        return data[:place] + change(data[place]) + data[place + 1 :]

    return fault


FAULTS = {
    "dropped": lambda byte: b"",
    "flipped": lambda byte: bytes([byte ^ 8]),
    "doubled": lambda byte: bytes([byte] * 2),
}


def test_memory(link):
    data = np.random.default_rng(0).bytes(SIZE)
    moved = []
    link.write(0, data, lambda done, total: moved.append((done, total)))
    assert moved == [(255 * n, SIZE // 4) for n in range(1, 5)] + [(SIZE // 4, SIZE // 4)]
    assert link.read(0, SIZE // 4) == data
    assert link.read(40, 3) == data[40:52]
    assert link.repeated == 0
    with pytest.raises(LinkError, match=r"the board has nothing for 255 words at 0xffc"):
        link.read(SIZE - 4, 300)
    assert link.read(0, 1) == data[:4]


@pytest.mark.parametrize("direction", ["to_board", "to_host"])
@pytest.mark.parametrize("kind", FAULTS)
def test_single_faults(board, link, direction, kind):
    """One byte in a transfer goes wrong: it is repeated, and all is right."""
    rng = random.Random(kind)
    link.patience = 0.2
    for place in (3, rng.randrange(100, 3000)):
        data = rng.randbytes(SIZE)
        setattr(board, direction, nth_byte(place, FAULTS[kind]))
        link.write(0, data)
        setattr(board, direction, nth_byte(place, FAULTS[kind]))
        assert link.read(0, SIZE // 4) == data
        setattr(board, direction, None)
        assert link.read(0, SIZE // 4) == data
    assert link.repeated >= 3


def test_once(board, link):
    """A write that must not be repeated: the answer says whether it was done."""
    assert link.once(8, 5)
    board.to_host = lambda data: b""
    assert not link.once(8, 6)
    board.to_host = None
    assert link.read(8, 1) == bytes((6, 0, 0, 0))
    board.to_board = nth_byte(7, FAULTS["flipped"])
    assert not link.once(8, 7)
    assert link.read(8, 1) == bytes((6, 0, 0, 0))


def test_broken_link(board, link):
    """Every long command loses a byte; short ones pass, so that the board can be asked what it saw."""
    board.to_board = lambda data: data[:50] + data[51:] if len(data) > 50 else data
    with pytest.raises(LinkError) as error:
        link.write(0, bytes(400))
    assert "no answer came in 3 attempts at 0x0" in str(error.value)
    board.to_board = None
    board.to_host = lambda data: data[:-1] + bytes([data[-1] ^ 1]) if len(data) > 50 else data
    with pytest.raises(LinkError) as error:
        link.read(0, 200)
    text = str(error.value)
    assert "an answer with a wrong CRC came in 3 attempts at 0x0: the link is broken" in text
    assert "the board counts 0 lost bytes, " in text


def test_silence(board, link):
    link.patience = 0.2
    board.to_host = lambda data: b""
    with pytest.raises(LinkError, match=r"no answer came in 3 attempts at 0x0; is the board on and loaded"):
        link.read(0, 1)
    board.to_host = lambda data: data[:-1]
    with pytest.raises(LinkError, match=r"7 of 8 bytes came in 3 attempts at 0x0: the link is broken"):
        link.read(0, 1)


def test_litex_client(board):
    """LiteX's client, unmodified, speaks to the board."""
    client = CommUART(board.port, 1_000_000)
    try:
        assert client.read(LINK_BASE) == LINK_ID
        values = np.random.default_rng(0).integers(0, 1 << 32, 50).tolist()
        client.write(64, values)
        assert client.read(64, 50) == values
        client.write(64, values[:3], burst="fixed")
        assert client.read(64) == values[2]
        assert client.read(68, 3, burst="fixed") == [values[1]] * 3
        # A host without checked commands can compare what it sent with what the board received.
        received, crc = client.read(LINK_BASE + LinkRegister.RECEIVED, 2)
        more = bytes((2, 2)) + ((LINK_BASE + LinkRegister.RECEIVED) // 4).to_bytes(4, "big")
        assert client.read(LINK_BASE + LinkRegister.RECEIVED, 2) == [received + len(more), crc32(more, crc)]
    finally:
        client.close()


def test_ports(board, tmp_path, monkeypatch):
    config = EngineConfig()
    missing = str(tmp_path / "ttyUSB0")
    with pytest.raises(HostError, match=rf"{missing}: no such port; there are .*\(is the cable in\?\)"):
        open_device(f"uart:{missing}", config)
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="file: this is not a serial port"):
        UartDevice(config, str(tmp_path / "file"))
    with (
        serial.Serial(board.port, exclusive=True),
        pytest.raises(HostError, match="another program has the port"),
    ):
        UartDevice(config, board.port)

    def denied(path, *arguments, **options):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(HostError, match="no permission: add yourself to the group dialout"):
        UartDevice(config, board.port)


def test_no_machine(board):
    """The link is there, and no machine behind it."""
    with pytest.raises(LinkError, match="the board has nothing for 1 words at 0xf0000000"):
        UartDevice(EngineConfig(), board.port, **TIMES)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("/dev/ttyUSB0", ("/dev/ttyUSB0", 1_000_000)),
        ("/dev/ttyUSB0:115200", ("/dev/ttyUSB0", 115200)),
        ("COM3", ("COM3", 1_000_000)),
        ("/dev/pci-0:1.0", ("/dev/pci-0:1.0", 1_000_000)),
    ],
)
def test_names(text, want):
    assert parse_uart(text) == want


@pytest.mark.parametrize("text", ["", ":115200", "/dev/ttyUSB0:0"])
def test_bad_names(text):
    with pytest.raises(HostError, match=f"`device` must be uart:PORT or uart:PORT:BAUD, not uart:{text}"):
        open_device(f"uart:{text}", EngineConfig())

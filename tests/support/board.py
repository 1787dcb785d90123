"""The board's wrapper without its machine, which compiles in seconds; and bytes through its wires without a
pty."""

import functools
from zlib import crc32

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from lnpu.boards.link import LinkRegisters
from lnpu.boards.memory import OnChipMemory
from lnpu.boards.protocol import CHECKED, LINK_BASE, PAGE, Command
from lnpu.boards.uart import UartReceiver, UartTransmitter
from lnpu.boards.uartbone import Uartbone
from lnpu.boards.word import Decoder
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.boards.board import board_module

KILOBYTES = 4
CLOCK = 4_000_000
TIMEOUT = 2000
DIVISOR = 4


class LinkOnly(wiring.Component):
    """Ports as of `BoardTop`."""

    def __init__(self, kilobytes=KILOBYTES, timeout=TIMEOUT):
        self.kilobytes, self.timeout = kilobytes, timeout
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1), "error": Out(1)})

    def elaborate(self, platform):
        m = Module()
        size = self.kilobytes * 1024
        m.submodules.receiver = receiver = UartReceiver(DIVISOR)
        m.submodules.transmitter = transmitter = UartTransmitter(DIVISOR)
        m.submodules.uartbone = uartbone = Uartbone(timeout=self.timeout)
        m.submodules.memory = memory = OnChipMemory(self.kilobytes)
        m.submodules.link = link = LinkRegisters(memory_bytes=size, clock_hz=CLOCK)
        m.submodules.decoder = decoder = Decoder([(0, size // 4), (LINK_BASE // 4, PAGE // 4)])
        connect(m, receiver.o, uartbone.rx)
        connect(m, uartbone.tx, transmitter.i)
        connect(m, uartbone.bus, decoder.bus)
        connect(m, decoder.targets[0], memory.host)
        connect(m, decoder.targets[1], link.bus)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            uartbone.broken.eq(receiver.broken),
            link.counts.eq(uartbone.counts),
        ]
        return m


@functools.cache
def link_only_verilog(kilobytes=KILOBYTES):
    unit = LinkOnly(kilobytes)
    return to_verilog(unit, "lnpu_board", flat_ports(unit), share=True)


def link_only():
    """A fresh instance, compiled."""
    return board_module(link_only_verilog())


class Wires:
    """Bytes to a board and back, at once."""

    def __init__(self, module):
        self.module = module
        self.sent = b""
        module.call("board_reset", DIVISOR)

    def exchange(self, data, quiet=1500):
        """What the board says until both wires were quiet for so many cycles."""
        self.sent += data
        room, taken = np.zeros(1 << 14, np.uint8), np.zeros(2, np.int64)
        given = np.frombuffer(data or b"\0", np.uint8)
        count = self.module.call("board_run", given, len(data), room, len(room), 10**7, quiet, taken)
        assert taken.tolist() == [len(data), 0]
        return room[:count].tobytes()

    def rest(self):
        """Until the board has forgotten what was under way."""
        assert self.exchange(b"", TIMEOUT + 100) == b""

    def link(self, register):
        """A register of the link, by a plain command."""
        return int.from_bytes(self.exchange(command(Command.READ, LINK_BASE + register, 1)), "big")


def words(values):
    return b"".join(int(value).to_bytes(4, "big") for value in values)


def command(kind, address, count, values=(), *, checked=False):
    """A command as bytes."""
    data = bytes((kind | (CHECKED if checked else 0), count)) + (address // 4).to_bytes(4, "big")
    data += words(values)
    return data + crc32(data).to_bytes(4, "big") if checked else data


def answer(request, values=(), *, failed=False):
    """The right answer to a checked command."""
    crc = crc32(words(values), crc32(request[:-4])) ^ (0xFFFFFFFF if failed else 0)
    return words(values) + crc.to_bytes(4, "big")

"""The host's end of the bus: commands that come over a UART, in the format of LiteX's uartbone."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.boards.protocol import CHECKED, QUEUE_BYTES, BoardError, Command
from lnpu.boards.word import WordBus

__all__ = ["LINK_COUNTS", "Uartbone"]

LINK_COUNTS = data.StructLayout(
    {"received": 32, "crc": 32, "refused": 16, "expired": 16, "lost": 16, "failed": 16}
)
"""As the registers of the same names (`lnpu.boards.protocol.LinkRegister`)."""

_WORDS = 255
"""Words of a command, at most: its length is a byte."""


class Uartbone(wiring.Component):
    """Carries out commands that come as bytes, one at a time; replies are bytes.

    Plain commands are LiteX's: words are written as they come, and no write is answered. Those with `CHECKED`
    are collected, judged by their CRC and only then carried out, and each one is answered. After a byte that
    is no command, a length of 0 or a wrong CRC nobody knows where the next command begins: bytes are ignored
    until the line was quiet for `timeout` cycles. A command whose rest does not come within that time is
    forgotten.

    Args:
        timeout: cycles without a byte, at least 1.

    Members:
        rx: `In(stream of 8 bits, always ready)`. tx: `Out(stream of 8 bits)`. broken: `In(1)`: a byte was
        lost on the line. bus: `Out(WordBus)`. counts: `Out(LINK_COUNTS)`.

    Bytes that come while a command is carried out wait in a queue of 64: a checked write of 255 words keeps
    the memory's bus busy for 4 cycles a word, the time of 26 bytes at 4 cycles a bit.
    """

    def __init__(self, *, timeout: int):
        if timeout < 1:
            raise BoardError(f"`timeout` must be at least 1 cycle, not {timeout}")
        self.timeout = timeout
        super().__init__(
            {
                "rx": In(stream.Signature(8, always_ready=True)),
                "tx": Out(stream.Signature(8)),
                "broken": In(1),
                "bus": Out(WordBus()),
                "counts": Out(LINK_COUNTS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bus, tx, counts = self.bus, self.tx, self.counts
        m.submodules.queue = queue = SyncFIFOBuffered(width=8, depth=QUEUE_BYTES)
        m.submodules.buffer = buffer = Memory(shape=32, depth=_WORDS + 1, init=[])
        m.submodules.line_crc = line_crc = CRC32_ISO_HDLC(data_width=8).create()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=8).create()
        fetched, stored = buffer.read_port(), buffer.write_port()

        byte, got, wants = queue.r_data, Signal(), Signal()
        writes, moves, checked = (Signal(name=name) for name in ("writes", "moves", "checked"))
        last_index = Signal(8, reset_less=True)
        index = Signal(8)
        address = Signal(32, reset_less=True)
        word = Signal(32, reset_less=True)
        place = Signal(2)  # byte of a word
        ends = Signal()  # the word is the command's last one
        tail = Signal()  # the reply's CRC is being sent
        error = Signal()
        timer = Signal(range(self.timeout + 1))

        m.d.comb += [
            queue.w_data.eq(self.rx.payload),
            queue.w_en.eq(self.rx.valid),
            queue.r_en.eq(wants),
            got.eq(wants & queue.r_rdy),
            ends.eq(index == last_index),
            line_crc.data.eq(byte),
            line_crc.valid.eq(got),
            crc.data.eq(byte),
            stored.addr.eq(index),
            stored.data.eq(word),
            fetched.addr.eq(index),
            bus.address.eq(address),
            bus.data.eq(word),
            bus.write.eq(writes),
            tx.payload.eq(word[24:]),
            counts.crc.eq(line_crc.crc),
        ]
        m.d.sync += counts.received.eq(counts.received + got)
        with m.If(self.broken | (self.rx.valid & ~queue.w_rdy)):
            m.d.sync += counts.lost.eq(counts.lost + 1)
        with m.If(got | ~wants):
            m.d.sync += timer.eq(0)
        with m.Else():
            m.d.sync += timer.eq(timer + (timer != self.timeout))

        def take(target: Value) -> None:
            """Shift the byte in."""
            m.d.sync += [target.eq(Cat(byte, target[:24])), place.eq(place + 1)]

        def refuse() -> None:
            m.d.sync += counts.refused.eq(counts.refused + 1)
            m.next = "DEAF"

        def awaits() -> None:
            """The command's next byte, or its end."""
            m.d.comb += wants.eq(1)
            with m.If(timer == self.timeout):
                m.d.sync += counts.expired.eq(counts.expired + 1)
                m.next = "COMMAND"

        def advance() -> None:
            m.d.sync += [index.eq(index + 1), address.eq(address + moves)]

        with m.FSM():
            with m.State("COMMAND"):
                m.d.comb += wants.eq(1)
                m.d.sync += [place.eq(0), index.eq(0), tail.eq(0), error.eq(0)]
                with m.If(got):
                    m.d.comb += [crc.start.eq(1), crc.valid.eq(1)]
                    m.d.sync += checked.eq((byte & CHECKED) != 0)
                    with m.Switch(byte):
                        for command in Command:
                            with m.Case(command, command | CHECKED):
                                m.d.sync += [writes.eq(command.writes), moves.eq(command.moves)]
                                m.next = "LENGTH"
                        with m.Default():
                            refuse()
            with m.State("LENGTH"):
                awaits()
                with m.If(got):
                    m.d.comb += crc.valid.eq(1)
                    m.d.sync += last_index.eq(byte - 1)
                    m.next = "ADDRESS"
                    with m.If(byte == 0):
                        refuse()
            with m.State("ADDRESS"):
                awaits()
                with m.If(got):
                    m.d.comb += crc.valid.eq(1)
                    take(address)
                    with m.If(place == 3):
                        with m.If(writes):
                            m.next = "DATA"
                        with m.Elif(checked):
                            m.next = "CHECK"
                        with m.Else():
                            m.next = "READ"
            with m.State("DATA"):
                awaits()
                with m.If(got):
                    m.d.comb += crc.valid.eq(1)
                    take(word)
                    with m.If(place == 3):
                        with m.If(checked):
                            m.next = "STORE"
                        with m.Else():
                            m.next = "WRITE"
            with m.State("STORE"):
                m.d.comb += stored.en.eq(1)
                m.d.sync += index.eq(index + 1)
                m.next = "DATA"
                with m.If(ends):
                    m.d.sync += index.eq(0)
                    m.next = "CHECK"
            with m.State("CHECK"):
                awaits()
                with m.If(got):
                    take(word)
                    with m.If(place == 3):
                        m.next = "JUDGE"
            with m.State("JUDGE"):
                with m.If(word != crc.crc):
                    refuse()
                with m.Elif(writes):
                    m.next = "LOOKUP"
                with m.Else():
                    m.next = "READ"
            with m.State("LOOKUP"):
                m.d.comb += fetched.en.eq(1)
                m.next = "FETCH"
            with m.State("FETCH"):
                m.d.sync += word.eq(fetched.data)
                m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += bus.valid.eq(1)
                with m.If(bus.ack):
                    m.d.sync += [error.eq(error | bus.error), counts.failed.eq(counts.failed + bus.error)]
                    advance()
                    with m.If(ends & checked):
                        m.next = "TAIL"
                    with m.Elif(ends):
                        m.next = "COMMAND"
                    with m.Elif(checked):
                        m.next = "LOOKUP"
                    with m.Else():
                        m.next = "DATA"
            with m.State("READ"):
                m.d.comb += bus.valid.eq(1)
                with m.If(bus.ack):
                    m.d.sync += [
                        error.eq(error | bus.error),
                        counts.failed.eq(counts.failed + bus.error),
                        word.eq(bus.read),
                    ]
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [tx.valid.eq(1), crc.data.eq(word[24:])]
                with m.If(tx.ready):
                    m.d.comb += crc.valid.eq(1)  # the last four bytes are of no matter
                    m.d.sync += [word.eq(word << 8), place.eq(place + 1)]
                    with m.If(place == 3):
                        with m.If(tail | (ends & ~checked)):
                            m.next = "COMMAND"
                        with m.Elif(ends):
                            m.next = "TAIL"
                        with m.Else():
                            advance()
                            m.next = "READ"
            with m.State("TAIL"):
                m.d.sync += [tail.eq(1), word.eq(crc.crc ^ error.replicate(32))]
                m.next = "SEND"
            with m.State("DEAF"):
                m.d.comb += wants.eq(1)
                with m.If(timer == self.timeout):
                    m.next = "COMMAND"
        return m

"""A UART: 8 data bits, no parity, one stop bit, lowest bit first."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from lnpu.boards.protocol import BoardError

__all__ = ["UartReceiver", "UartTransmitter"]


def _check(divisor: int) -> None:
    if not 4 <= divisor <= 65536:
        raise BoardError(f"`divisor` must be 4 to 65536 cycles a bit, not {divisor}")


class UartReceiver(wiring.Component):
    """Bytes from the line.

    Args:
        divisor: cycles of a bit, 4 to 65536.

    Members:
        rx: `In(1)`, any clock. o: `Out(stream of 8 bits, always ready)`: a byte, when the middle of its stop
        bit is 1. broken: `Out(1)`: that was 0; the byte is dropped, and the line must be 1 before the next
        one.

    Timing: two cycles of synchroniser; bits are read in their middle, so that the rates may differ by 4 %
    together (less with a small divisor: the start is seen within one cycle).
    """

    def __init__(self, divisor: int):
        _check(divisor)
        self.divisor = divisor
        super().__init__(
            {"rx": In(1, init=1), "o": Out(stream.Signature(8, always_ready=True)), "broken": Out(1)}
        )

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        timer = Signal(range(self.divisor))
        bits = Signal(8, reset_less=True)
        left = Signal(range(11))  # samples to come: start, data, stop
        released = Signal(init=1)  # the line was 1 since the last byte
        m.d.sync += [self.o.valid.eq(0), self.broken.eq(0)]
        with m.If(left == 0):
            m.d.sync += timer.eq(self.divisor // 2 - 1)
            with m.If(line):
                m.d.sync += released.eq(1)
            with m.Elif(released):
                m.d.sync += left.eq(10)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1), bits.eq(Cat(bits[1:], line))]
            with m.If((left == 10) & line):  # a spike, no start bit
                m.d.sync += left.eq(0)
            with m.If(left == 1):
                m.d.sync += [
                    bits.eq(bits),
                    released.eq(line),
                    self.o.valid.eq(line),
                    self.broken.eq(~line),
                ]
        m.d.comb += self.o.payload.eq(bits)
        return m


class UartTransmitter(wiring.Component):
    """Bytes to the line.

    Args:
        divisor: cycles of a bit, 4 to 65536.

    Members:
        i: `In(stream of 8 bits)`. tx: `Out(1)`, from a register, 1 while there is nothing to send.

    Timing: a byte takes `10 * divisor` cycles; the next one follows without a gap.
    """

    def __init__(self, divisor: int):
        _check(divisor)
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self.divisor))
        bits = Signal(9, init=0x1FF)
        left = Signal(range(11))
        ends = Signal()
        m.d.comb += [
            ends.eq(timer == 0),
            self.i.ready.eq((left == 0) | (left == 1) & ends),
            self.tx.eq(bits[0]),
        ]
        with m.If(left != 0):
            m.d.sync += timer.eq(timer - 1)
            with m.If(ends):
                m.d.sync += [
                    timer.eq(self.divisor - 1),
                    left.eq(left - 1),
                    bits.eq(Cat(bits[1:], Const(1, 1))),
                ]
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [
                timer.eq(self.divisor - 1),
                left.eq(10),
                bits.eq(Cat(Const(0, 1), self.i.payload)),
            ]
        return m

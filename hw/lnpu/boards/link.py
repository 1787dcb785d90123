"""Registers of the host link."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from lnpu.boards.protocol import LINK_ID, LINK_VERSION, LinkRegister
from lnpu.boards.uartbone import LINK_COUNTS
from lnpu.boards.word import WordBus

__all__ = ["LinkRegisters"]


class LinkRegisters(wiring.Component):
    """What the link is and what it counted (`lnpu.boards.protocol.LinkRegister`).

    Args:
        memory_bytes: of the board. clock_hz: of the machine.

    Members:
        bus: `In(WordBus)`: answers in the next cycle; writes, and addresses without a register, by an error.
        counts: `In(LINK_COUNTS)`.
    """

    def __init__(self, *, memory_bytes: int, clock_hz: int):
        self.constants = {
            LinkRegister.ID: LINK_ID,
            LinkRegister.VERSION: LINK_VERSION,
            LinkRegister.MEMORY: memory_bytes,
            LinkRegister.CLOCK: clock_hz,
        }
        super().__init__({"bus": In(WordBus()), "counts": In(LINK_COUNTS)})

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        value, known = Signal(32), Signal()
        with m.Switch(bus.address):
            for register in LinkRegister:
                with m.Case(register >> 2):
                    constant = self.constants.get(register)
                    found = self.counts[register.name.lower()] if constant is None else constant
                    m.d.comb += [known.eq(~bus.write), value.eq(found)]
        m.d.sync += [bus.ack.eq(bus.valid & ~bus.ack), bus.read.eq(value), bus.error.eq(~known)]
        return m

"""A whole board design: machine, memory on the chip, host link. Pins: two wires and two LEDs."""

from amaranth.hdl import ClockSignal, DomainRenamer, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from lnpu.boards.link import LinkRegisters
from lnpu.boards.memory import OnChipMemory
from lnpu.boards.protocol import LINK_BASE, MEMORY_BASE, PAGE, REGISTER_BASE, bit_cycles, check_memory
from lnpu.boards.uart import UartReceiver, UartTransmitter
from lnpu.boards.uartbone import Uartbone
from lnpu.boards.word import AxiLiteBridge, Decoder
from lnpu.bus.slice import RegisterSlice
from lnpu.engine.config import EngineConfig
from lnpu.machine.top import Top
from lnpu.regs.slave import ADDRESS_BITS

__all__ = ["BoardTop"]


class BoardTop(wiring.Component):
    """Machine, memory and host link in the clock domain `sync` (`docs/deploy.md`).

    Args:
        config: geometry of the machine. memory_kb: its memory, a multiple of 4 kB. clock_hz: of `sync`.
        baud: of the UART, at most a quarter of the clock. timeout: cycles after which half a command is
        forgotten; default a tenth of a second.

    Members:
        rx: `In(1)`, tx: `Out(1)`: the UART, 1 when idle. busy: `Out(1)`: a list runs. error: `Out(1)`: the
        last list was stopped by an error. Both are for LEDs, 1 is on.

    Raises:
        BoardError: a size or rate is out of range. EngineError: the geometry does not fit a machine.
    """

    def __init__(
        self,
        config: EngineConfig,
        memory_kb: int,
        clock_hz: int,
        baud: int = 1_000_000,
        *,
        timeout: int | None = None,
    ):
        self.divisor = bit_cycles(clock_hz, baud)
        check_memory(memory_kb)
        memory_bytes = memory_kb * 1024
        self.machine = Top(config, status=True)
        self.memory = OnChipMemory(memory_kb)
        self.uartbone = Uartbone(timeout=clock_hz // 10 if timeout is None else timeout)
        self.link = LinkRegisters(memory_bytes=memory_bytes, clock_hz=clock_hz)
        self.decoder = Decoder(
            [
                (MEMORY_BASE // 4, memory_bytes // 4),
                (REGISTER_BASE // 4, PAGE // 4),
                (LINK_BASE // 4, PAGE // 4),
            ]
        )
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1), "error": Out(1)})

    def elaborate(self, platform):
        m = Module()
        machine = self.machine
        # It makes its clock domain of its ports `aclk` and `aresetn`: here another name for the same clock.
        m.submodules.machine = DomainRenamer("machine")(machine)
        m.submodules.memory = memory = self.memory
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.submodules.uartbone = uartbone = self.uartbone
        m.submodules.link = link = self.link
        m.submodules.decoder = decoder = self.decoder
        m.submodules.bridge = bridge = AxiLiteBridge(ADDRESS_BITS)
        connect(m, receiver.o, uartbone.rx)
        connect(m, uartbone.tx, transmitter.i)
        connect(m, uartbone.bus, decoder.bus)
        connect(m, decoder.targets[0], memory.host)
        connect(m, decoder.targets[1], bridge.bus)
        connect(m, decoder.targets[2], link.bus)
        connect(m, bridge.axil, machine.s_axil)
        # The RAM's blocks lie all over the chip, and what they give passes wide multiplexers.
        m.submodules.slice = between = RegisterSlice()
        connect(m, machine.m_axi, between.i)
        connect(m, between.o, memory.m_axi)
        m.d.comb += [
            machine.aclk.eq(ClockSignal()),
            machine.aresetn.eq(~ResetSignal(allow_reset_less=True)),
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            uartbone.broken.eq(receiver.broken),
            link.counts.eq(uartbone.counts),
            self.busy.eq(machine.busy),
            self.error.eq(machine.error),
        ]
        return m

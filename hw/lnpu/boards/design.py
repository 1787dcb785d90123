"""A board's design: clock, reset, pins, and the exported Verilog `lnpu_board` between them."""

from typing import Any

from amaranth.build import Attrs, Pins, Resource, Subsignal
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from lnpu.boards.catalog import Board
from lnpu.boards.pll import find_pll
from lnpu.export.board import TOP

__all__ = ["BoardDesign"]


class BoardDesign(Elaboratable):
    """What goes into the FPGA, for `platform.build` of amaranth-boards.

    Args:
        board: pins, clock.
    """

    def __init__(self, board: Board):
        self.board = board

    def elaborate(self, platform):
        m = Module()
        self._clock(m, platform)
        rx, tx, busy, error = Signal(), Signal(), Signal(), Signal()
        uart = self._uart(platform)
        m.submodules.rx = receive = io.Buffer("i", uart.rx)
        m.submodules.tx = transmit = io.Buffer("o", uart.tx)
        m.d.comb += [rx.eq(receive.i), transmit.o.eq(tx)]
        places = dict.fromkeys(led[:2] for led in self.board.leds)
        lamps = {place: self._request(platform, *place) for place in places}
        for value, (resource, number, part) in zip((busy, error), self.board.leds, strict=True):
            lamp = lamps[resource, number]
            m.submodules += (pin := io.Buffer("o", getattr(lamp, part) if part else lamp))
            m.d.comb += pin.o.eq(value)
        m.submodules.board = Instance(
            TOP,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(allow_reset_less=True),
            i_rx=rx,
            o_tx=tx,
            o_busy=busy,
            o_error=error,
        )
        return m

    def _clock(self, m: Module, platform: Any) -> None:
        """Domain `sync` at the board's `clock_hz`; without a PLL the platform makes it."""
        source_hz = int(platform.default_clk_frequency)
        wanted = self.board.clock_hz
        if wanted == source_hz:
            return
        source = platform.request(platform.default_clk, 0, dir="-")
        feedback, locked = Signal(), Signal()
        clock_in, clock = Signal(), Signal()
        m.submodules.clock_buffer = buffer = io.Buffer("i", source)
        m.d.comb += clock_in.eq(buffer.i)
        if self.board.device.family == "ecp5":
            pll = find_pll(source_hz, wanted)
            m.submodules.pll = Instance(
                "EHXPLLL",
                a_ICP_CURRENT="12",
                a_LPF_RESISTOR="8",
                a_MFG_ENABLE_FILTEROPAMP="1",
                a_MFG_GMCREF_SEL="2",
                a_FREQUENCY_PIN_CLKI=f"{source_hz / 1e6:g}",
                a_FREQUENCY_PIN_CLKOP=f"{wanted / 1e6:g}",
                p_PLLRST_ENA="DISABLED",
                p_INTFB_WAKE="DISABLED",
                p_STDBY_ENABLE="DISABLED",
                p_DPHASE_SOURCE="DISABLED",
                p_OUTDIVIDER_MUXA="DIVA",
                p_OUTDIVIDER_MUXB="DIVB",
                p_OUTDIVIDER_MUXC="DIVC",
                p_OUTDIVIDER_MUXD="DIVD",
                p_CLKI_DIV=pll.input,
                p_CLKFB_DIV=pll.feedback,
                p_CLKOP_DIV=pll.output,
                p_CLKOP_ENABLE="ENABLED",
                p_CLKOP_CPHASE=pll.output - 1,
                p_CLKOP_FPHASE=0,
                p_FEEDBK_PATH="CLKOP",
                i_RST=0,
                i_STDBY=0,
                i_CLKI=clock_in,
                i_CLKFB=clock,
                i_PHASESEL0=0,
                i_PHASESEL1=0,
                i_PHASEDIR=1,
                i_PHASESTEP=1,
                i_PHASELOADREG=1,
                i_PLLWAKESYNC=0,
                i_ENCLKOP=0,
                o_CLKOP=clock,
                o_LOCK=locked,
            )
        else:
            multiplier = round(1e9 / source_hz)
            made = Signal()
            m.submodules.pll = Instance(
                "PLLE2_BASE",
                p_CLKIN1_PERIOD=1e9 / source_hz,
                p_CLKFBOUT_MULT=multiplier,
                p_CLKOUT0_DIVIDE=round(source_hz * multiplier / wanted),
                i_CLKIN1=clock_in,
                i_CLKFBIN=feedback,
                i_RST=0,
                i_PWRDWN=0,
                o_CLKFBOUT=feedback,
                o_CLKOUT0=made,
                o_LOCKED=locked,
            )
            m.submodules.clock_net = Instance("BUFG", i_I=made, o_O=clock)
        m.domains.sync = domain = ClockDomain()
        m.d.comb += domain.clk.eq(clock)
        platform.add_clock_constraint(clock, wanted)
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")

    def _uart(self, platform: Any) -> Any:
        if self.board.uart_pins is not None:
            receive, transmit = (
                Pins(pin.partition(":")[2], dir=direction, conn=_connector(pin))
                for pin, direction in zip(self.board.uart_pins, "io", strict=True)
            )
            attributes = Attrs(IO_TYPE="LVCMOS33")
            ports = (Subsignal("rx", receive), Subsignal("tx", transmit))
            platform.add_resources([Resource("uart", 0, *ports, attributes)])
        return self._request(platform, "uart", 0)

    @staticmethod
    def _request(platform: Any, name: str, number: int) -> Any:
        """A resource with bare pins, in parts where it has parts."""
        resource = platform.lookup(name, number)
        parts = [ios.name for ios in resource.ios if isinstance(ios, Subsignal)]
        return platform.request(name, number, dir=dict.fromkeys(parts, "-") if parts else "-")


def _connector(pin: str) -> tuple[str, int]:
    name, _, number = pin.partition(":")[0].rpartition("_")
    return name, int(number)

"""The machine as a whole: AXI4-Lite registers, AXI4 memory port, interrupt."""

from amaranth.hdl import ClockDomain, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.bus.axi import Axi4, AxiLite
from lnpu.engine.config import EngineConfig
from lnpu.machine.core import Core
from lnpu.regs import compile_registers
from lnpu.regs.slave import ADDRESS_BITS, CountSelect, Registers

__all__ = ["Top"]


class Top(wiring.Component):
    """Core and registers (`docs/programming.md`, `docs/registers.md`).

    Args:
        config: geometry. status: make the members `busy` and `error`.

    Members:
        aclk: `In(1)`, aresetn: `In(1)`, synchronous, active low.
        s_axil: `In(AxiLite(12))`: control. m_axi: `Out(Axi4)`: memory. irq: `Out(1)`, level.
        busy, error: `Out(1)`: as the register STATUS, for a board's LEDs.
    """

    def __init__(self, config: EngineConfig, *, status: bool = False):
        self.config, self.status = config, status
        super().__init__(
            {
                "aclk": In(1),
                "aresetn": In(1),
                "s_axil": In(AxiLite(ADDRESS_BITS)),
                "m_axi": Out(Axi4()),
                "irq": Out(1),
                **({"busy": Out(1), "error": Out(1)} if status else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = domain = ClockDomain()
        description = compile_registers(self.config)
        m.submodules.core = core = Core(self.config)
        m.submodules.registers = regs = Registers(description)
        m.submodules.counts = counts = CountSelect(description)
        connect(m, flipped(self.s_axil), regs.s_axil)
        connect(m, core.m_axi, flipped(self.m_axi))
        m.d.comb += [
            domain.clk.eq(self.aclk),
            domain.rst.eq(~self.aresetn),
            self.irq.eq(regs.irq),
            core.start.eq(regs.control_start),
            core.abort.eq(regs.control_abort),
            core.reset.eq(regs.control_soft_reset),
            core.list_address.eq(regs.list_address_word << 3),
            core.list_words.eq(regs.list_words_words),
            core.watchdog.eq(regs.watchdog_limit),
            regs.status_busy.eq(core.busy),
            regs.status_done.eq(core.done),
            regs.status_error.eq(core.error),
            regs.irq_status_done.eq(core.ended),
            regs.irq_status_error.eq(core.ended & core.error),
            regs.error_cause_cause.eq(Value.cast(core.cause)),
            regs.error_command.eq(core.index),
            regs.error_address.eq(core.address),
            counts.word.eq(regs.counts_word),
            regs.counts_value.eq(counts.value),
            counts.count_busy.eq(core.cycles),
        ]
        if self.status:
            m.d.comb += [self.busy.eq(core.busy), self.error.eq(core.error)]
        for name, _ in core.counts.shape():
            m.d.comb += getattr(counts, f"count_{name}").eq(core.counts[name])
        for name, _ in core.traffic.shape():
            m.d.comb += getattr(counts, name).eq(core.traffic[name])
        return m

"""Registers behind AXI4-Lite: hardware made from the compiled description."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from systemrdl.node import AddrmapNode

from lnpu.bus.axi import AxiLite, Response
from lnpu.regs.description import Field, Register, registers

__all__ = ["ADDRESS_BITS", "CountSelect", "Registers", "port_name"]

ADDRESS_BITS = 12
"""Bits of a byte address: the registers take a page of 4 KiB of the bus."""


def port_name(register: Register, field: Field) -> str:
    """Member of `Registers` for a field: `control_start`; a field `value` has the register's name alone."""
    name = register.name.lower()
    return name if field.name == "value" else f"{name}_{field.name}"


class Registers(wiring.Component):
    """AXI4-Lite subordinate with the registers of a description.

    Every field becomes a port as the description says: a value of hardware is `In`, sampled when it is read;
    a value of software is `Out`; `pulse` fields are `Out`, high for one cycle; fields that hardware sets and
    writing 1 clears are `In` (set while high; setting wins) and their state is `Out`, `<name>_state`.
    Constant fields have no port.

    Writes honour byte strobes. An address without a register, a write to a register without a writable field
    and a read of one without a readable field answer SLVERR and change nothing. The low two address bits are
    ignored.

    Args:
        top: from `lnpu.regs.compile_registers`.

    Members:
        s_axil: `In(AxiLite(12))`; every output comes from a register. irq: `Out(1)`, registered: an interrupt
            cause is set and `irq_enable` is 1. counts_word: `Out(10)`: address / 4 of the register that is
            read; counts_value: `In(32)`: the value of an external register, one cycle later (`CountSelect`,
            or a RAM). One port for each field of the other registers, see above.

    Timing: RVALID three cycles after the address is taken, a read every five cycles; BRESP two cycles after
    address and data are taken; values change with BRESP's rise.

    Raises:
        ValueError: the description has two fields that give one port, or an address beyond 4 KiB.
    """

    def __init__(self, top: AddrmapNode):
        self.registers = registers(top)
        ports: dict[str, wiring.Member] = {}
        for register in self.registers:
            if register.address >= 1 << ADDRESS_BITS:
                raise ValueError(f"`{register.name}` must lie below 0x1000, not at {register.address:#x}")
            for field in () if register.external else register.fields:
                name = port_name(register, field)
                if name in ports:
                    raise ValueError(f"two fields of the description make the port `{name}`")
                if field.clears:
                    ports[name] = In(field.width)
                    ports[f"{name}_state"] = Out(field.width)
                elif field.driven:
                    ports[name] = In(field.width)
                elif field.watched:
                    ports[name] = Out(field.width, init=field.reset or 0)
        super().__init__(
            {
                "s_axil": In(AxiLite(ADDRESS_BITS)),
                "irq": Out(1),
                "counts_word": Out(ADDRESS_BITS - 2),
                "counts_value": In(32),
                **ports,
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._write(m)
        self._read(m)
        states = [
            getattr(self, f"{port_name(register, field)}_state")
            for register in self.registers
            for field in register.fields
            if field.clears
        ]
        m.d.sync += self.irq.eq(Cat(*states).any() & self.control_irq_enable)
        return m

    def _write(self, m: Module) -> None:
        axil = self.s_axil
        address = Signal(ADDRESS_BITS - 2, reset_less=True)
        data = Signal(32, reset_less=True)
        strobe = Signal(4, reset_less=True)
        # What is held is what is not ready for more.
        no_address, no_data = Signal(init=1), Signal(init=1)
        m.d.comb += [axil.awready.eq(no_address), axil.wready.eq(no_data)]
        act = Signal()
        hit = Signal()
        m.d.comb += act.eq(~no_address & ~no_data & ~axil.bvalid)
        with m.If(axil.awvalid & no_address):
            m.d.sync += [address.eq(axil.awaddr[2:]), no_address.eq(0)]
        with m.If(axil.wvalid & no_data):
            m.d.sync += [data.eq(axil.wdata), strobe.eq(axil.wstrb), no_data.eq(0)]
        with m.If(axil.bready):
            m.d.sync += axil.bvalid.eq(0)
        with m.If(act):
            m.d.sync += [
                no_address.eq(1),
                no_data.eq(1),
                axil.bvalid.eq(1),
                axil.bresp.eq(Mux(hit, Response.OKAY.value, Response.SLVERR.value)),
            ]
        mask = Cat(bit.replicate(8) for bit in strobe)
        for register in self.registers:
            selected = Signal(name=f"write_{register.name.lower()}")
            if register.writable:
                m.d.comb += selected.eq(address == register.address >> 2)
                with m.If(selected):
                    m.d.comb += hit.eq(1)
            for field in () if register.external else register.fields:
                bits = slice(field.low, field.low + field.width)
                self._field(m, register, field, act & selected, data[bits], mask[bits])

    def _field(
        self, m: Module, register: Register, field: Field, act: Value, data: Value, mask: Value
    ) -> None:
        name = port_name(register, field)
        if field.clears:
            state = getattr(self, f"{name}_state")
            written = data & mask & act.replicate(field.width)
            m.d.sync += state.eq((state & ~written) | getattr(self, name))
        elif field.pulse:
            m.d.sync += getattr(self, name).eq(data & mask & act.replicate(field.width))
        elif field.writable:
            value = getattr(self, name)
            with m.If(act):
                m.d.sync += value.eq((value & ~mask) | (data & mask))

    def _read(self, m: Module) -> None:
        axil = self.s_axil
        address = Signal(ADDRESS_BITS - 2, reset_less=True)
        ready = Signal(init=1)
        selects, answers = Signal(), Signal()
        m.d.comb += [axil.arready.eq(ready), self.counts_word.eq(address)]
        m.d.sync += [selects.eq(0), answers.eq(selects)]
        with m.If(axil.arvalid & ready):
            m.d.sync += [address.eq(axil.araddr[2:]), ready.eq(0), selects.eq(1)]
        # Selected in two steps: what is here, then that or the count.
        word = Signal(32)
        kept = Signal(32, reset_less=True)
        hit, external = Signal(), Signal()
        hit_kept, external_kept = Signal(reset_less=True), Signal(reset_less=True)
        with m.Switch(address):
            for register in self.registers:
                if register.readable:
                    with m.Case(register.address >> 2):
                        m.d.comb += hit.eq(1)
                        if register.external:
                            m.d.comb += external.eq(1)
                        else:
                            m.d.comb += word.eq(self._word(register))
        m.d.sync += [kept.eq(word), hit_kept.eq(hit), external_kept.eq(external)]
        with m.If(axil.rvalid & axil.rready):
            m.d.sync += [axil.rvalid.eq(0), ready.eq(1)]
        with m.If(answers):
            m.d.sync += [
                axil.rvalid.eq(1),
                axil.rdata.eq(kept | (self.counts_value & external_kept.replicate(32))),
                axil.rresp.eq(Mux(hit_kept, Response.OKAY.value, Response.SLVERR.value)),
            ]

    def _word(self, register: Register) -> Value:
        parts: list[Value] = []
        low = 0
        for field in register.fields:
            parts.append(Const(0, field.low - low))
            low = field.low + field.width
            name = port_name(register, field)
            if not field.readable:
                parts.append(Const(0, field.width))
            elif field.clears:
                parts.append(getattr(self, f"{name}_state"))
            elif field.driven or field.watched:
                parts.append(getattr(self, name))
            else:
                parts.append(Const(field.reset or 0, field.width))
        return Cat(*parts)


class CountSelect(wiring.Component):
    """Gives `Registers` the external register that it asks for.

    Args:
        top: from `lnpu.regs.compile_registers`.

    Members:
        word: `In(10)`: address / 4. value: `Out(32)`: 0 where no external register is. One `In(32)` for each
            external register, named as in the description, lower case.

    Timing: one cycle.
    """

    def __init__(self, top: AddrmapNode):
        self.registers = tuple(register for register in registers(top) if register.external)
        ports = {register.name.lower(): In(32) for register in self.registers}
        super().__init__({"word": In(ADDRESS_BITS - 2), "value": Out(32), **ports})

    def elaborate(self, platform):
        m = Module()
        chosen = Signal(32)
        with m.Switch(self.word):
            for register in self.registers:
                with m.Case(register.address >> 2):
                    m.d.comb += chosen.eq(getattr(self, register.name.lower()))
        m.d.sync += self.value.eq(chosen)
        return m

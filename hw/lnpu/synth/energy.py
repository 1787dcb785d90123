"""Delays and energies of every transition of a mapped design, as arrays for a gate-level simulation.

Energy of a transition at a net = internal energy of the cell that drives it (table over the slew at the pin
that caused it and the net's load) + charge of the net's capacitance, C V^2 / 2 + internal energy of the pins
that it drives. A clock pin of a register costs its internal energy and C V^2 in each cycle in which it has a
clock. Liberty User Guide, `internal_power`; there are no wires and no clock tree.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.synth.blocks import BlockDesign
from lnpu.synth.cells import Cell, Kind, Pin
from lnpu.synth.conditions import Conditions
from lnpu.synth.errors import SynthError
from lnpu.synth.function import Function
from lnpu.synth.graph import topological
from lnpu.synth.library import Library
from lnpu.synth.netlist import Bit, Instance
from lnpu.synth.sram import SramModel
from lnpu.synth.sta import Annotation

__all__ = ["CLOCK_GATE", "GATE", "MAX_PINS", "NONE", "RAM", "REGISTER", "Circuit", "circuit"]

MAX_PINS = 6
"""Inputs of a cell that can be simulated."""

NONE = 0xFFFF_FFFF
"""In place of an index: there is none."""

GATE = np.dtype(
    [
        ("table", "u8"),
        ("pins", "u4"),
        ("net", "u4", MAX_PINS),
        ("out", "u4"),
        ("block", "u4"),
        ("delay", "u4", (MAX_PINS, 2)),
        ("energy", "f4", (MAX_PINS, 2)),
    ],
    align=True,
)
REGISTER = np.dtype(
    [
        ("table", "u8"),
        ("pins", "u4"),
        ("net", "u4", MAX_PINS),
        ("out", "u4"),
        ("inverse", "u4"),
        ("gate", "u4"),
        ("block", "u4"),
        ("delay", "u4", (2, 2)),
        ("energy", "f4", (2, 2)),
        ("clock", "f4"),
    ],
    align=True,
)
CLOCK_GATE = np.dtype([("enable", "u4"), ("block", "u4"), ("idle", "f4"), ("open", "f4")], align=True)
RAM = np.dtype(
    [
        *((name, "u4") for name in ("words", "bits", "address_bits", "reads", "block", "nets", "delay")),
        *((name, "f4") for name in ("read", "write", "pin")),
    ],
    align=True,
)


@dataclass(frozen=True)
class Circuit:
    """A design for simulation; times in ps, energies in fJ. Nets 0 and 1 are the constants.

    Args:
        gates: in an order in which each follows its drivers. registers, clock_gates, rams: see `GATE` etc.
        ram_nets: nets of the memories' ports; see `gates.cpp`.
        ports: nets of each port, lowest bit first; the clock is not among them.
        net_energy: fJ [nets, 2] of a fall and a rise of a net that comes from outside.
        nets: number of nets.
        blocks: names. leakage_nw: of each block's cells. sram_leakage_nw: of all memories.
    """

    gates: NDArray[np.void]
    registers: NDArray[np.void]
    clock_gates: NDArray[np.void]
    rams: NDArray[np.void]
    ram_nets: NDArray[np.uint32]
    ports: dict[str, list[int]]
    net_energy: NDArray[np.float32]
    nets: int
    blocks: tuple[str, ...]
    leakage_nw: tuple[float, ...]
    sram_leakage_nw: float


def circuit(
    design: BlockDesign,
    library: Library,
    conditions: Conditions,
    sram: SramModel,
    timing: Annotation,
    clock: str = "clk",
) -> Circuit:
    """The arrays of a mapped design.

    Args:
        design: mapped. library, conditions, sram: as it was mapped with. timing: loads and slews of its nets.
        clock: name of the clock port.

    Raises:
        SynthError: a cell with more than `MAX_PINS` inputs, without power tables or with asynchronous inputs,
            or a register whose clock is not the clock port or a clock gate behind it.
    """
    return _Builder(design, library, conditions, sram, timing, clock).build()


class _Builder:
    def __init__(
        self,
        design: BlockDesign,
        library: Library,
        conditions: Conditions,
        sram: SramModel,
        timing: Annotation,
        clock: str,
    ) -> None:
        self._design, self._library, self._sram, self._timing = design, library, sram, timing
        self._slew = conditions.input_slew_ns / library.time_ns
        port = next((p for p in design.netlist.ports if p.name == clock), None)
        if port is None or len(port.bits) != 1:
            raise SynthError(f"{design.netlist.top} has no clock port {clock!r} of one bit")
        self._clock = port.bits[0]
        self._next = 2
        self._number: dict[Bit, int] = {"0": 0, "1": 1, "x": 0, "z": 0}
        self._sinks: dict[Bit, list[Pin]] = defaultdict(list)
        cells = library.cells
        for instance in design.netlist.instances:
            for pin in cells[instance.type].inputs:
                if instance.pins.get(pin.name):
                    self._sinks[instance.pins[pin.name][0]].append(pin)

    def build(self) -> Circuit:
        design, cells = self._design, self._library.cells
        gates: list[tuple[object, ...]] = []
        registers: list[tuple[object, ...]] = []
        clock_gates: list[tuple[object, ...]] = []
        gate_behind: dict[Bit, int] = {}
        kinds = [cells[i.type].kind for i in design.netlist.instances]
        leakage = [0.0] * len(design.blocks)
        self._constants()
        for index, (instance, kind) in enumerate(zip(design.netlist.instances, kinds, strict=True)):
            leakage[design.block_of[index]] += cells[instance.type].leakage
            if kind is Kind.CLOCK_GATE:
                gate_behind[self._pin(instance, cells[instance.type].outputs[0])] = len(clock_gates)
                clock_gates.append(self._clock_gate(instance, design.block_of[index]))
        for index in self._order(kinds):
            instance, block = design.netlist.instances[index], design.block_of[index]
            if kinds[index] is Kind.COMBINATIONAL:
                gates += self._gates(instance, block)
            elif kinds[index] is Kind.FLIP_FLOP:
                registers.append(self._register(instance, block, gate_behind))
            elif kinds[index] is not Kind.CLOCK_GATE:
                raise SynthError(f"cell {instance.type} ({kinds[index].value}) cannot be simulated")
        rams, ram_nets = self._rams()
        ports = {
            port.name: [self._net(bit) for bit in port.bits]
            for port in design.netlist.ports
            if port.bits != (self._clock,)
        }
        energy = np.zeros((self._next, 2), np.float32)
        for bit, number in self._number.items():
            if number > 1:
                energy[number] = [self._charge(bit, edge) for edge in range(2)]
        unit = self._library.leakage_nw
        return Circuit(
            gates=np.array(gates, GATE),
            registers=np.array(registers, REGISTER),
            clock_gates=np.array(clock_gates, CLOCK_GATE),
            rams=np.array(rams, RAM),
            ram_nets=np.array(ram_nets, np.uint32),
            ports=ports,
            net_energy=energy,
            nets=len(energy),
            blocks=design.blocks,
            leakage_nw=tuple(amount * unit for amount in leakage),
            sram_leakage_nw=sum(self._sram.leakage_nw(memory.kind) for memory in design.memories),
        )

    def _constants(self) -> None:
        """Nets of tie cells are the constants."""
        for instance in self._design.netlist.instances:
            for out in self._library.cells[instance.type].outputs:
                if out.function is not None and not out.function.inputs and instance.pins.get(out.name):
                    self._number[self._pin(instance, out)] = int(bool(out.function.constant))

    def _order(self, kinds: list[Kind]) -> list[int]:
        instances, cells = self._design.netlist.instances, self._library.cells
        drivers: dict[Bit, int] = {}
        waits: list[list[Bit]] = []
        for index, instance in enumerate(instances):
            cell = cells[instance.type]
            for pin in cell.outputs:
                if instance.pins.get(pin.name):
                    drivers[instance.pins[pin.name][0]] = index
            waits.append([instance.pins[p.name][0] for p in cell.inputs if instance.pins.get(p.name)])
        boundary = [kind is not Kind.COMBINATIONAL for kind in kinds]
        return topological(waits, drivers, boundary, [f"{i.name} ({i.type})" for i in instances])

    def _net(self, bit: Bit) -> int:
        number = self._number.get(bit)
        if number is None:
            number = self._number[bit] = self._next
            self._next += 1
        return number

    @staticmethod
    def _pin(instance: Instance, pin: Pin) -> Bit:
        bits = instance.pins.get(pin.name)
        return bits[0] if bits else "x"

    def _charge(self, bit: Bit, edge: int) -> float:
        """Energy of a transition of a net without that of its driver: its capacitance, the pins behind it."""
        slew = self._timing.slew.get(bit, self._slew)
        inside = sum(pin.power.input(slew, edge) for pin in self._sinks[bit]) * self._library.energy_fj
        return self._half_cv2(self._timing.load.get(bit, 0.0)) + inside

    def _half_cv2(self, load: float) -> float:
        return 0.5 * load * self._library.load_ff * self._library.volts**2

    def _driven(self, instance: Instance, out: Pin, related: str, edge: int) -> tuple[int, float]:
        """Delay in ps and energy in fJ of a transition at an output."""
        bit, load = self._pin(instance, out), self._timing.load.get(self._pin(instance, out), 0.0)
        slew = self._timing.slew.get(instance.pins[related][0], self._slew)
        name = ("cell_fall", "cell_rise")[edge]
        delays = [a.tables[name](slew, load) for a in out.arcs if related in a.related and name in a.tables]
        internal = out.power.output(related, slew, load, edge)
        if internal is None:
            where = f"library {self._library.name}: cell {instance.type}"
            raise SynthError(f"{where} has no energy table for {related} to {out.name}")
        delay = max(1, round(max(delays, default=0.0) * self._library.time_ns * 1000))
        return delay, internal * self._library.energy_fj + self._charge(bit, edge)

    def _gates(self, instance: Instance, block: int) -> list[tuple[object, ...]]:
        cell = self._library.cells[instance.type]
        found: list[tuple[object, ...]] = []
        for out in cell.outputs:
            if not instance.pins.get(out.name) or out.function is None:
                continue
            function = out.function
            if not function.inputs:
                continue
            self._check(cell, function)
            nets = [self._net(instance.pins[name][0]) for name in function.inputs]
            delay, energy = np.ones((MAX_PINS, 2), np.uint32), np.zeros((MAX_PINS, 2), np.float32)
            for at, name in enumerate(function.inputs):
                for edge in range(2):
                    delay[at, edge], energy[at, edge] = self._driven(instance, out, name, edge)
            padded = [*nets, *[0] * (MAX_PINS - len(nets))]
            out_net = self._net(self._pin(instance, out))
            found.append((function.table, len(nets), padded, out_net, block, delay, energy))
        return found

    def _check(self, cell: Cell, function: Function) -> None:
        if len(function.inputs) > MAX_PINS:
            raise SynthError(f"cell {cell.name}: at most {MAX_PINS} inputs can be simulated (`--dont-use`)")

    def _register(self, instance: Instance, block: int, gate_behind: dict[Bit, int]) -> tuple[object, ...]:
        cell = self._library.cells[instance.type]
        state = cell.state
        if state is None or not state.rising:
            raise SynthError(
                f"cell {cell.name}: only registers that work at the rising edge can be simulated"
            )
        for function in state.forced:
            # Libraries whose flip-flops all have a reset: it must be tied off.
            values = [self._net(instance.pins[name][0]) for name in function.inputs]
            if max(values, default=0) > 1 or function.table >> sum(v << i for i, v in enumerate(values)) & 1:
                raise SynthError(
                    f"register {instance.name}: clear and preset must be tied off to be simulated"
                )
        self._check(cell, state.next)
        clock = instance.pins[state.clock][0]
        gate = NONE
        if clock != self._clock:
            if clock not in gate_behind:
                name = self._design.netlist.name(clock)
                raise SynthError(
                    f"register {instance.name}: its clock {name} is neither the clock nor gated by it"
                )
            gate = gate_behind[clock]
        nets = [self._net(instance.pins[name][0]) for name in state.next.inputs]
        outs = [NONE, NONE]
        delay, energy = np.ones((2, 2), np.uint32), np.zeros((2, 2), np.float32)
        for out in cell.outputs:
            if not instance.pins.get(out.name):
                continue
            which = 1 if state.inverted(out.name) else 0
            outs[which] = self._net(self._pin(instance, out))
            for edge in range(2):
                delay[which, edge], energy[which, edge] = self._driven(instance, out, state.clock, edge)
        pin = cell.pins[state.clock]
        padded = [*nets, *[0] * (MAX_PINS - len(nets))]
        return (state.next.table, len(nets), padded, *outs, gate, block, delay, energy, self._clock_pin(pin))

    def _clock_pin(self, pin: Pin) -> float:
        inside = sum(pin.power.input(self._slew, edge) for edge in range(2)) * self._library.energy_fj
        return inside + 2 * self._half_cv2(pin.capacitance)

    def _clock_gate(self, instance: Instance, block: int) -> tuple[object, ...]:
        cell = self._library.cells[instance.type]
        clock = next(p for p in cell.inputs if "clock_gate_clock_pin" in p.attributes)
        enable = next(p for p in cell.inputs if "clock_gate_enable_pin" in p.attributes)
        for pin in cell.inputs:
            other = pin not in (clock, enable)
            if other and self._pin(instance, pin) not in ("0", "x") and "test" not in "".join(pin.attributes):
                raise SynthError(f"clock gate {cell.name}: pin {pin.name} cannot be simulated")
        if self._pin(instance, clock) != self._clock:
            raise SynthError(f"clock gate {instance.name} is not at the clock")
        out = cell.outputs[0]
        load = self._timing.load.get(self._pin(instance, out), 0.0)
        internal = [out.power.output(clock.name, self._slew, load, edge) or 0.0 for edge in range(2)]
        # The pins behind it are counted at the registers.
        opened = sum(internal) * self._library.energy_fj
        return self._net(self._pin(instance, enable)), block, self._clock_pin(clock), opened

    def _rams(self) -> tuple[list[tuple[object, ...]], list[int]]:
        rams: list[tuple[object, ...]] = []
        nets: list[int] = []
        for memory in self._design.memories:
            kind, pins = memory.kind, memory.pins
            first, a, b = len(nets), kind.address_bits, kind.bits
            energies = []
            for port in range(kind.reads):
                nets.append(self._net(pins["r_en"][port]))
                nets += [self._net(bit) for bit in pins["r_addr"][port * a : (port + 1) * a]]
                data = pins["r_data"][port * b : (port + 1) * b]
                nets += [self._net(bit) for bit in data]
                energies += [self._charge(bit, edge) for bit in data for edge in range(2)]
            nets += [self._net(bit) for name in ("w_en", "w_addr", "w_data") for bit in pins[name]]
            model = self._sram
            delay = max(1, round(model.access_ns * 1000))
            energy = (model.read_fj(kind), model.write_fj(kind), float(np.mean(energies)))
            rams.append((kind.words, b, a, kind.reads, memory.block, first, delay, *energy))
        return rams, nets

"""Static timing of a mapped netlist with NLDM tables: the longest path, without wires.

Model: ideal clock at time 0 for every clock pin, inputs arrive at time 0, lumped pin capacitances, rise and
fall apart, worst slew of all arcs carried on, setup time at flip-flops, hold and asynchronous pins ignored.
The longest path over all starts (inputs, clock pins) and ends (outputs, data pins) is the shortest period.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lnpu.synth.cells import Arc, Kind
from lnpu.synth.conditions import Conditions
from lnpu.synth.errors import SynthError
from lnpu.synth.graph import topological
from lnpu.synth.library import Library
from lnpu.synth.netlist import Bit, Instance, Netlist

__all__ = ["Annotation", "Macro", "Stage", "Timing", "analyse", "annotate"]

_EDGES = ("rising_edge", "falling_edge")
_SETUP = ("setup_rising", "setup_falling")
_DELAYS = ("combinational", "combinational_rise", "combinational_fall", *_EDGES)
_RISE_FALL = (("cell_rise", "rise_transition"), ("cell_fall", "fall_transition"))
_CONSTRAINTS = ("rise_constraint", "fall_constraint")
_SEQUENTIAL = (Kind.FLIP_FLOP, Kind.LATCH)


@dataclass(frozen=True)
class Stage:
    """One cell of a path: the pins it enters and leaves by, its delay, the arrival at its output."""

    instance: str
    cell: str
    input: str
    output: str
    delay_ns: float
    arrival_ns: float


@dataclass(frozen=True)
class Timing:
    """The longest path.

    Attributes:
        delay_ns: its length including setup; 0 for a block without a path.
        start, end: an input or a flip-flop, an output or a flip-flop.
        setup_ns: the part of `delay_ns` that is setup time.
        stages: the cells on it in order.
    """

    delay_ns: float
    start: str
    end: str
    setup_ns: float
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Macro:
    """A block that is no cell, such as a memory: paths end at its inputs and start at its outputs.

    Attributes:
        name: of the instance.
        inputs, outputs: its nets.
        access_ns: from the clock to the outputs. setup_ns: of the inputs. pin_ff: capacitance of an input.
    """

    name: str
    inputs: tuple[Bit, ...]
    outputs: tuple[Bit, ...]
    access_ns: float
    setup_ns: float
    pin_ff: float


@dataclass(frozen=True)
class Annotation:
    """What a netlist's nets see, in the library's units.

    Attributes:
        timing: the longest path.
        load: capacitance of each net. slew: its slower transition time.
    """

    timing: Timing
    load: dict[Bit, float]
    slew: dict[Bit, float]


@dataclass(slots=True)
class _Node:
    """Worst arrival and slew at a net's rise (index 0) and fall (1), and where the arrival came from."""

    arrival: list[float | None]
    slew: list[float]
    source: list[tuple[int, str, str, int, float] | None]
    """Instance, input pin, output pin, transition at the input pin, delay."""


def analyse(netlist: Netlist, library: Library, conditions: Conditions) -> Timing:
    """The longest path of a netlist.

    Raises:
        SynthError: a cell is not in the library or has no timing, or the netlist has a combinational loop.
    """
    return _Analysis(netlist, library, conditions, ()).run()


def annotate(
    netlist: Netlist, library: Library, conditions: Conditions, macros: Sequence[Macro] = ()
) -> Annotation:
    """The longest path of a netlist with macros, and the load and slew of every net.

    Raises:
        SynthError: as `analyse`.
    """
    analysis = _Analysis(netlist, library, conditions, macros)
    timing = analysis.run()
    return Annotation(timing, analysis.load, analysis.slew())


class _Analysis:
    def __init__(
        self, netlist: Netlist, library: Library, conditions: Conditions, macros: Sequence[Macro]
    ) -> None:
        self._netlist, self._library, self._macros = netlist, library, macros
        self._slew = conditions.input_slew_ns / library.time_ns
        unknown = sorted({i.type for i in netlist.instances if i.type not in library.cells})
        if unknown:
            raise SynthError(f"cells that library {library.name} does not hold: {', '.join(unknown)}")
        self._cells = [library.cells[i.type] for i in netlist.instances]
        self._nodes: dict[Bit, _Node] = {}
        self._starts: dict[Bit, str] = {}
        self.load = self._loads(conditions.load_ff / library.load_ff)

    def _loads(self, output: float) -> dict[Bit, float]:
        load: dict[Bit, float] = defaultdict(float)
        for instance, cell in zip(self._netlist.instances, self._cells, strict=True):
            for pin in cell.inputs:
                for bit in instance.pins.get(pin.name, ()):
                    load[bit] += pin.capacitance
        for port in self._netlist.ports:
            for bit in port.bits if port.direction == "output" else ():
                load[bit] += output
        for macro in self._macros:
            for bit in macro.inputs:
                load[bit] += macro.pin_ff / self._library.load_ff
        return load

    def slew(self) -> dict[Bit, float]:
        """The slower transition of every net that has one, after `run`."""
        return {bit: max(node.slew) for bit, node in self._nodes.items()}

    def run(self) -> Timing:
        for port in self._netlist.ports:
            for bit in port.bits if port.direction == "input" else ():
                self._nodes[bit] = _Node([0.0, 0.0], [self._slew, self._slew], [None, None])
        for macro in self._macros:
            access = macro.access_ns / self._library.time_ns
            for bit in macro.outputs:
                self._nodes[bit] = _Node([access, access], [self._slew, self._slew], [None, None])
                self._starts[bit] = f"memory {macro.name}"
        instances = self._netlist.instances
        drivers = {
            instance.pins[pin.name][0]: index
            for index, (instance, cell) in enumerate(zip(instances, self._cells, strict=True))
            for pin in cell.outputs
            if instance.pins.get(pin.name)
        }
        waits = [
            [bit for pin in cell.inputs for bit in instance.pins.get(pin.name, ())]
            for instance, cell in zip(instances, self._cells, strict=True)
        ]
        boundary = [cell.kind in _SEQUENTIAL for cell in self._cells]
        for index in topological(waits, drivers, boundary, [f"{i.name} ({i.type})" for i in instances]):
            for pin in self._cells[index].outputs:
                if bits := instances[index].pins.get(pin.name):
                    self._drive(index, pin.name, bits[0])
        return self._longest()

    def _drive(self, index: int, output: str, net: Bit) -> None:
        """Worst arrival and slew of one driven net."""
        instance, cell = self._netlist.instances[index], self._cells[index]
        node = _Node([None, None], [0.0, 0.0], [None, None])
        arcs = [arc for arc in cell.pins[output].arcs if arc.kind in _DELAYS and arc.tables]
        if not arcs and cell.inputs:
            raise SynthError(
                f"library {self._library.name}: cell {cell.name} has no delay tables at pin {output}"
            )
        for arc in arcs:
            for related in arc.related:
                self._through(node, arc, index, instance, related, output, self.load[net])
        self._nodes[net] = node

    def _through(
        self, node: _Node, arc: Arc, index: int, instance: Instance, related: str, output: str, load: float
    ) -> None:
        if arc.kind in _EDGES:
            before = _Node([0.0, 0.0], [self._slew, self._slew], [None, None])
        else:
            found = self._nodes.get(instance.pins.get(related, ("x",))[0])
            if found is None:  # a constant: nothing arrives
                return
            before = found
        for edge, (delay_name, slew_name) in enumerate(_RISE_FALL):
            delay_table = arc.tables.get(delay_name)
            if delay_table is None:
                continue
            slew_table = arc.tables.get(slew_name)
            for source in _sources(arc, edge):
                start = before.arrival[source]
                if start is None:
                    continue
                delay = delay_table(before.slew[source], load)
                arrival, worst = start + delay, node.arrival[edge]
                if worst is None or arrival > worst:
                    node.arrival[edge] = arrival
                    node.source[edge] = (index, related, output, source, delay)
                if slew_table is not None:
                    node.slew[edge] = max(node.slew[edge], slew_table(before.slew[source], load))

    def _longest(self) -> Timing:
        best: tuple[float, float, str, Bit, int] = (0.0, 0.0, "", "x", 0)
        for port in self._netlist.ports:
            for i, bit in enumerate(port.bits if port.direction == "output" else ()):
                label = f"output {port.name}" + (f"[{i}]" if len(port.bits) > 1 else "")
                best = max(best, *self._ends(bit, label, (0.0, 0.0)), key=_length)
        for instance, cell in zip(self._netlist.instances, self._cells, strict=True):
            if cell.kind not in (*_SEQUENTIAL, Kind.CLOCK_GATE):
                continue
            for pin in cell.inputs:
                for arc in pin.arcs:
                    node = self._nodes.get(instance.pins.get(pin.name, ("x",))[0])
                    if node is None or arc.kind not in _SETUP:
                        continue
                    setup = [
                        arc.tables[name](node.slew[edge], self._slew) if name in arc.tables else 0.0
                        for edge, name in enumerate(_CONSTRAINTS)
                    ]
                    ends = self._ends(
                        instance.pins[pin.name][0], self._register(instance, pin.name), (setup[0], setup[1])
                    )
                    best = max(best, *ends, key=_length)
        for macro in self._macros:
            setup_ns = macro.setup_ns / self._library.time_ns
            for bit in macro.inputs:
                best = max(best, *self._ends(bit, f"memory {macro.name}", (setup_ns, setup_ns)), key=_length)
        length, setup_time, end, bit, edge = best
        start, stages = self._trace(bit, edge)
        unit = self._library.time_ns
        return Timing(length * unit, start, end, setup_time * unit, stages)

    def _ends(
        self, bit: Bit, label: str, setup: tuple[float, float]
    ) -> list[tuple[float, float, str, Bit, int]]:
        node = self._nodes.get(bit)
        arrivals = node.arrival if node else [None, None]
        return [
            (arrival + setup[edge], setup[edge], label, bit, edge)
            for edge, arrival in enumerate(arrivals)
            if arrival is not None
        ] or [(0.0, 0.0, "", "x", 0)]

    def _trace(self, bit: Bit, edge: int) -> tuple[str, tuple[Stage, ...]]:
        """The path back from a net: where it starts and the cells on it."""
        stages: list[Stage] = []
        unit = self._library.time_ns
        while (node := self._nodes.get(bit)) and (source := node.source[edge]):
            index, pin, output, edge_before, delay = source
            instance, cell = self._netlist.instances[index], self._cells[index]
            stages.append(
                Stage(instance.name, cell.name, pin, output, delay * unit, (node.arrival[edge] or 0.0) * unit)
            )
            if cell.kind in _SEQUENTIAL:
                return self._register(instance, pin), tuple(reversed(stages))
            bit, edge = instance.pins[pin][0], edge_before
        start = self._starts.get(bit, f"input {self._netlist.name(bit)}" if bit in self._nodes else "")
        return start, tuple(reversed(stages))

    def _register(self, instance: Instance, pin: str) -> str:
        """A flip-flop's pin, named after the net that the flip-flop drives."""
        outputs = (p.name for p in self._library.cells[instance.type].outputs if instance.pins.get(p.name))
        driven = next((self._netlist.name(instance.pins[name][0]) for name in outputs), instance.name)
        return f"register {driven}, pin {pin}"


def _sources(arc: Arc, edge: int) -> tuple[int, ...]:
    """Transitions of the input that cause the output's transition `edge`."""
    if arc.kind in _EDGES:
        return (0,)
    return {"positive_unate": (edge,), "negative_unate": (1 - edge,)}.get(arc.sense, (0, 1))


def _length(end: tuple[float, float, str, Bit, int]) -> float:
    return end[0]

"""Library cells: pins, functions, timing arcs, and what kind of cell each is."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lnpu.synth.function import MAX_INPUTS, Function, parse_function
from lnpu.synth.liberty import Group
from lnpu.synth.power import PinPower, State, leakage, state_of
from lnpu.synth.tables import Table

__all__ = ["Arc", "Cell", "Kind", "Pin"]

_TABLES = (
    "cell_rise",
    "cell_fall",
    "rise_transition",
    "fall_transition",
    "rise_constraint",
    "fall_constraint",
)


class Kind(enum.Enum):
    """What a cell is, by its function and not by its name."""

    COMBINATIONAL = "combinational"
    FLIP_FLOP = "flip-flop"
    LATCH = "latch"
    CLOCK_GATE = "clock gate"
    UNKNOWN = "unknown"
    """No function that a mapper could use: filler, tap, antenna diode, three-state driver, probe, macro."""


@dataclass(frozen=True)
class Arc:
    """One `timing` group of a pin.

    Attributes:
        related: the pins it starts from.
        sense: `positive_unate`, `negative_unate` or anything else for both.
        kind: Liberty's `timing_type` (`combinational` when absent).
        tables: tables by Liberty name (`cell_rise` ...), in the library's units.
    """

    related: tuple[str, ...]
    sense: str
    kind: str
    tables: dict[str, Table]


class Pin:
    """One pin.

    Attributes:
        name: its name in the cell.
        direction: `input`, `output`, `inout` or `internal`.
        capacitance: input capacitance in the library's unit.
    """

    def __init__(self, group: Group, cell: str, templates: dict[str, Group], default_cap: float) -> None:
        self._group, self._where, self._templates = group, f"cell {cell}, pin {group.name}", templates
        self.name = group.name
        self.direction = group.simple.get("direction", "")
        self.capacitance = group.number("capacitance", default_cap if self.direction == "input" else 0.0)

    @property
    def attributes(self) -> frozenset[str]:
        """Names of its simple attributes."""
        return frozenset(self._group.simple)

    @cached_property
    def power(self) -> PinPower:
        """Its internal energies."""
        return PinPower(self._group, self._templates, self._where)

    @cached_property
    def function(self) -> Function | None:
        """The Boolean function of an output; None when there is none (or it is three-state)."""
        text = self._group.simple.get("function")
        return None if text is None or self.three_state else parse_function(text)

    @property
    def three_state(self) -> bool:
        """Whether the pin can be switched off."""
        return "three_state" in self._group.simple

    @cached_property
    def arcs(self) -> tuple[Arc, ...]:
        """Timing arcs that end here (built on first use: most cells of a library are never placed)."""
        return tuple(self._arcs())

    def _arcs(self) -> Iterator[Arc]:
        for group in self._group.all("timing"):
            tables = {
                t.kind: Table(t, self._templates, f"{self._where}, {t.kind}") for t in group.all(*_TABLES)
            }
            simple = group.simple
            yield Arc(
                tuple(simple.get("related_pin", "").split()),
                simple.get("timing_sense", ""),
                simple.get("timing_type", "combinational"),
                tables,
            )


class Cell:
    """One cell.

    Attributes:
        name: its name.
        group: the Liberty group it was read from.
        area: in um2.
        pins: pins by name, without power pins.
        dont_use: whether the library itself says that a mapper must not take it.
    """

    def __init__(self, group: Group, templates: dict[str, Group], default_cap: float) -> None:
        self.name, self.group = group.name, group
        self.area = group.number("area", 0.0)
        self.dont_use = group.simple.get("dont_use", "").lower() == "true"
        self.pins = {p.name: Pin(p, self.name, templates, default_cap) for p in group.all("pin")}

    @property
    def inputs(self) -> tuple[Pin, ...]:
        """Input pins."""
        return tuple(p for p in self.pins.values() if p.direction == "input")

    @property
    def outputs(self) -> tuple[Pin, ...]:
        """Output pins."""
        return tuple(p for p in self.pins.values() if p.direction == "output")

    @cached_property
    def kind(self) -> Kind:
        """What the cell is."""
        group, outputs = self.group, self.outputs
        if any(p.three_state or p.direction == "inout" for p in self.pins.values()):
            return Kind.UNKNOWN
        if "clock_gating_integrated_cell" in group.simple:
            return Kind.CLOCK_GATE
        if any(group.all("bus", "bundle", "statetable", "ff_bank", "latch_bank")) or not outputs:
            return Kind.UNKNOWN
        if any(group.all("ff")):
            return Kind.FLIP_FLOP
        if any(group.all("latch")):
            return Kind.LATCH
        mappable = all(p.function is not None for p in outputs) and len(self.inputs) <= MAX_INPUTS
        return Kind.COMBINATIONAL if mappable else Kind.UNKNOWN

    @cached_property
    def state(self) -> State | None:
        """What a flip-flop stores; None for other cells."""
        return state_of(self.group)

    @cached_property
    def leakage(self) -> float:
        """Leakage power in the library's unit."""
        return leakage(self.group)

    @property
    def gates_rising_edge(self) -> bool:
        """Whether it is a clock gate for registers that work at the rising edge."""
        kind = self.group.simple.get("clock_gating_integrated_cell", "")
        return kind.startswith("latch_posedge") and not kind.endswith("obs")

    @property
    def single(self) -> tuple[Pin, Function] | None:
        """Output pin and function of a combinational cell with one output, else None."""
        if self.kind is not Kind.COMBINATIONAL or len(self.outputs) != 1:
            return None
        pin = self.outputs[0]
        return None if pin.function is None else (pin, pin.function)

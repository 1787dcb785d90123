"""Power data of Liberty cells: `internal_power` of a pin, `leakage_power`, and the state of registers."""

import statistics
from dataclasses import dataclass

from lnpu.synth.function import Function, parse_function
from lnpu.synth.liberty import Group
from lnpu.synth.tables import Table

__all__ = ["PinPower", "State", "leakage", "state_of"]

_NAMES = ("fall_power", "rise_power")


class PinPower:
    """Internal energies of one pin, in the library's unit; groups for different states (`when`) are averaged.

    Args:
        group: the `pin` group. templates: the library's `power_lut_template` groups. where: for messages.
    """

    def __init__(self, group: Group, templates: dict[str, Group], where: str) -> None:
        self._tables: dict[str, tuple[list[Table], list[Table]]] = {}
        for power in group.all("internal_power"):
            names = power.simple.get("related_pin", "").split() or [""]
            for name in names:
                edges = self._tables.setdefault(name, ([], []))
                for table in power.all(*_NAMES, "power"):
                    found = Table(table, templates, f"{where}, {table.kind}")
                    for edge, kind in enumerate(_NAMES):
                        if table.kind in (kind, "power"):
                            edges[edge].append(found)

    def input(self, slew: float, edge: int) -> float:
        """Energy of a transition (0: fall, 1: rise) at an input; 0 when the library has none."""
        tables = self._tables.get("", ([], []))[edge]
        return statistics.fmean(table(slew, 0.0) for table in tables) if tables else 0.0

    def output(self, related: str, slew: float, load: float, edge: int) -> float | None:
        """Energy of a transition of an output that `related` caused; None when the library has none."""
        found = self._tables.get(related) or self._tables.get("")
        if found is None:
            return None
        tables = found[edge]
        return statistics.fmean(table(slew, load) for table in tables) if tables else 0.0


@dataclass(frozen=True)
class State:
    """What a flip-flop stores.

    Args:
        next: function of the state after an edge. clock: clock pin. rising: whether it works at the rising
            edge.
        forced: functions that clear or preset it, whatever the clock does.
        inverse: outputs that show the inverted state.
    """

    next: Function
    clock: str
    rising: bool
    forced: tuple[Function, ...]
    inverse: frozenset[str]

    def inverted(self, output: str) -> bool:
        """Whether an output shows the inverted state."""
        return output in self.inverse


def state_of(cell: Group) -> State | None:
    """The `ff` group of a cell, None for other cells.

    Raises:
        SynthError: a function that cannot be read.
    """
    group = next(cell.all("ff"), None)
    if group is None:
        return None
    clock = parse_function(group.simple.get("clocked_on", ""))
    straight, inverse = (*group.arguments, "", "")[:2]
    outputs = {
        pin.name: parse_function(pin.simple["function"])
        for pin in cell.all("pin")
        if "function" in pin.simple
    }
    flipped = {
        name
        for name, function in outputs.items()
        if (function.inputs == (inverse,) and function.table == 0b10)
        or (function.inputs == (straight,) and function.table == 0b01)
    }
    rising = len(clock.inputs) == 1 and clock.table == 0b10
    return State(
        next=parse_function(group.simple.get("next_state", "")),
        clock=clock.inputs[0] if clock.inputs else "",
        rising=rising,
        forced=tuple(parse_function(group.simple[n]) for n in ("clear", "preset") if n in group.simple),
        inverse=frozenset(flipped),
    )


def leakage(cell: Group) -> float:
    """Leakage of a cell in the library's unit: what it states, else the mean over the states."""
    stated = cell.number("cell_leakage_power", 0.0)
    values = [group.number("value", 0.0) for group in cell.all("leakage_power")]
    return stated or (statistics.fmean(values) if values else 0.0)

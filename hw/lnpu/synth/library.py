"""A cell library: units, cells, and the cells that a flow needs, found by function and not by name."""

import statistics
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from lnpu.synth.cells import Cell, Kind
from lnpu.synth.errors import SynthError
from lnpu.synth.liberty import Group, parse, read, without

__all__ = ["DONT_USE", "Library"]

DONT_USE = ("*clk*", "*dly*", "*delay*", "*probe*", "*lpflow*", "*edf*", "*fahc*", "pad*")
"""Names of cells that a mapper should not take although their function is plain logic: clock-tree and delay
cells, probes and level shifters, flip-flops with enable (a multiplexer and a plain flip-flop time better),
full adders with inverted carry, pads. Compared without regard to case."""

_TIME = {"fs": 1e-6, "ps": 1e-3, "ns": 1.0, "us": 1e3}
_POWER = {"fw": 1e-6, "pw": 1e-3, "nw": 1.0, "uw": 1e3, "mw": 1e6}
_CAPACITANCE = {"ff": 1.0, "pf": 1e3, "nf": 1e6}


class Library:
    """A Liberty file, read.

    Args:
        path: plain text or `.gz`.
        dont_use: name patterns of cells that must not be mapped to (shell wildcards).

    Attributes:
        name: the name of its `library` group.
        path: where it came from.
        cells: every cell by name.
        time_ns: the library's time unit in ns.
        load_ff: the library's capacitance unit in fF.
        leakage_nw: the library's unit of leakage in nW.
        volts: supply voltage; 0 when the library does not say it.

    Raises:
        SynthError: no Liberty file, unknown units, or no cells.
    """

    def __init__(self, path: Path | str, dont_use: Sequence[str] = DONT_USE) -> None:
        self.path = Path(path)
        self._text = read(self.path)
        top = parse(self._text, str(self.path))
        self.name = top.name
        self._dont_use = tuple(pattern.lower() for pattern in dont_use)
        self.time_ns = _unit(top.simple.get("time_unit", "1ns"), _TIME, "time_unit")
        self.load_ff = _unit(
            "".join(top.complex.get("capacitive_load_unit", ("1", "pf"))), _CAPACITANCE, "load"
        )
        templates = {t.name: t for t in top.all("lu_table_template", "power_lut_template")}
        self.leakage_nw = _unit(top.simple.get("leakage_power_unit", "1nw"), _POWER, "leakage_power_unit")
        conditions = next((c.number("voltage", 0.0) for c in top.all("operating_conditions")), 0.0)
        self.volts = top.number("nom_voltage", 0.0) or conditions
        default_cap = top.number("default_input_pin_cap", 0.0)
        self.cells = {c.name: Cell(c, templates, default_cap) for c in top.all("cell")}
        if not self.cells:
            raise SynthError(f"library {self.path} holds no cells")

    def usable(self, cell: Cell) -> bool:
        """Whether a mapper may take the cell."""
        name = cell.name.lower()
        return not (
            cell.dont_use
            or cell.kind in (Kind.UNKNOWN, Kind.CLOCK_GATE)
            or any(fnmatchcase(name, pattern) for pattern in self._dont_use)
        )

    @cached_property
    def nand2(self) -> Cell:
        """The smallest 2-input NAND: the unit of gate equivalents.

        Raises:
            SynthError: there is none with an area.
        """
        found = [c for c in self._gates(0b0111, 2) if c.area > 0]
        if not found:
            raise SynthError(
                f"library {self.name}: no usable 2-input NAND with an area, the unit of gate equivalents"
            )
        return found[0]

    @cached_property
    def buffers(self) -> list[Cell]:
        """Buffers, smallest first."""
        return self._gates(0b10, 1)

    @cached_property
    def ties(self) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
        """Cell and pin that drive a constant 0 and a constant 1; None where the library has none."""
        found: dict[bool, tuple[float, str, str]] = {}
        for cell in self.cells.values():
            if cell.inputs or not self.usable(cell):
                continue
            for pin in cell.outputs:
                value = pin.function.constant if pin.function else None
                if value is not None:
                    found[value] = min(found.get(value, (1e99, "", "")), (cell.area, cell.name, pin.name))
        low, high = found.get(False), found.get(True)
        return (low and low[1:], high and high[1:])

    @property
    def energy_fj(self) -> float:
        """The unit of internal energy in fJ: the capacitance unit at 1 V."""
        return self.load_ff

    @property
    def text(self) -> str:
        """The file's text, without comments."""
        return self._text

    @cached_property
    def clock_gate(self) -> Cell:
        """The smallest clock gate that opens for a rising edge.

        Raises:
            SynthError: there is none.
        """
        found = [c for c in self.cells.values() if c.kind is Kind.CLOCK_GATE and c.gates_rising_edge]
        if not found:
            raise SynthError(
                f"library {self.name}: no clock gate (`clock_gating_integrated_cell : latch_posedge`)"
            )
        return min(found, key=lambda cell: (cell.area, cell.name))

    def check(self) -> None:
        """Refuse a library that nothing can be mapped to.

        Raises:
            SynthError: no usable 2-input NAND, inverter or flip-flop.
        """
        _ = self.nand2
        if not self._gates(0b01, 1):
            raise SynthError(f"library {self.name}: no usable inverter")
        if not any(c.kind is Kind.FLIP_FLOP and self.usable(c) for c in self.cells.values()):
            raise SynthError(
                f"library {self.name}: no usable flip-flop (`ff` group) in {len(self.cells)} cells"
            )

    def typical(self) -> tuple[float, float]:
        """Middle of the range that the NAND2 was characterised for: input slew (ns), output load (fF)."""
        table = next(
            (a.tables["cell_rise"] for p in self.nand2.outputs for a in p.arcs if "cell_rise" in a.tables),
            None,
        )
        if table is None:
            raise SynthError(
                f"library {self.name}: cell {self.nand2.name} has no NLDM delay table (`cell_rise`)"
            )
        slew, load = statistics.median(table.slew_axis), statistics.median(table.other_axis)
        return slew * self.time_ns, load * self.load_ff

    def for_mapper(self) -> str:
        """The file's text with only what a mapper reads: usable cells, without power data."""
        cut: list[Group] = []
        for cell in self.cells.values():
            if not self.usable(cell):
                cut.append(cell.group)
                continue
            cut += cell.group.all("leakage_power")
            cut += (power for pin in cell.group.all("pin") for power in pin.all("internal_power"))
        return without(self._text, cut)

    def _gates(self, table: int, inputs: int) -> list[Cell]:
        """Usable one-output cells with this truth table, smallest first."""
        found = [
            cell
            for cell in self.cells.values()
            if len(cell.inputs) == inputs
            and (single := cell.single)
            and (single[1].table, len(single[1].inputs)) == (table, inputs)
            and self.usable(cell)
        ]
        return sorted(found, key=lambda cell: (cell.area, cell.name))


def _unit(text: str, scale: dict[str, float], what: str) -> float:
    text = text.strip().lower().replace(" ", "")
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    try:
        return float(number) * scale[text[len(number) :]]
    except (ValueError, KeyError):
        raise SynthError(
            f"Liberty: `{what}` must be a number and one of {', '.join(scale)}, not {text!r}"
        ) from None

"""Results of a synthesis run as data; `as_dict` gives the JSON whose keys `docs/synth.md` documents."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["AsicPoint", "AsicReport", "CellUse", "FpgaReport", "SeedResult"]


@dataclass(frozen=True)
class CellUse:
    """How often a cell type occurs and the area of all of them in um2."""

    count: int
    area_um2: float


@dataclass(frozen=True)
class AsicPoint:
    """One mapping of a sweep.

    Attributes:
        recipe: `area` or `delay`.
        booth: Booth-encoded multipliers.
        target_ns: delay target of sizing; None for none (area) or as fast as possible (delay).
        area_um2, kge, delay_ns: what came out.
    """

    recipe: str
    booth: bool
    target_ns: float | None
    area_um2: float
    kge: float
    delay_ns: float


@dataclass(frozen=True)
class AsicReport:
    """Area and timing on a standard-cell library.

    Attributes:
        top: module.
        library: name of the Liberty library.
        recipe, booth, target_ns: the mapping that the figures below describe.
        cells: placed cells; `ff`: flip-flops among them.
        area_um2: total; its parts are `area_sequential_um2` (flip-flops, latches) and
            `area_combinational_um2`.
        kge: area in thousands of the library's smallest 2-input NAND (`nand2`, `nand2_um2`).
        delay_ns: longest path with setup, without wires; the shortest clock period.
        fmax_mhz: its reciprocal; None for a block without a path.
        period_ns: the period asked for, or None; `meets_period` whether it is met.
        setup_ns, start, end, critical_path: the longest path.
        by_cell: use by cell type, largest area first.
        points: every mapping that was tried; `min_area`, `min_delay`, `at_period`: the best ones (`at_period`
            is the smallest that meets the period, None when none does).
        conditions: driving cell, input slew, output load.
    """

    top: str
    library: str
    recipe: str
    booth: bool
    target_ns: float | None
    cells: int
    ff: int
    area_um2: float
    area_sequential_um2: float
    area_combinational_um2: float
    kge: float
    nand2: str
    nand2_um2: float
    delay_ns: float
    fmax_mhz: float | None
    period_ns: float | None
    meets_period: bool | None
    setup_ns: float
    start: str
    end: str
    critical_path: tuple[dict[str, Any], ...]
    by_cell: dict[str, CellUse]
    points: tuple[AsicPoint, ...]
    min_area: AsicPoint
    min_delay: AsicPoint
    at_period: AsicPoint | None
    conditions: dict[str, Any]
    netlist: str = dataclasses.field(default="", repr=False)
    """Verilog of the mapped netlist (not in the JSON)."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, without the netlist."""
        return {"kind": "asic", **_plain(self)}


@dataclass(frozen=True)
class SeedResult:
    """One placement: its seed, and the highest clock frequency (None where no path is bound by a clock)."""

    seed: int
    fmax_mhz: float | None


@dataclass(frozen=True)
class FpgaReport:
    """Use of FPGA resources.

    Attributes:
        top: module.
        family: `ecp5` or `ice40`.
        lut4: 4-input tables, a carry cell of ECP5 (CCU2C) counted as two; `carry`: carry cells.
        mux: multiplexers that join tables (PFUMX, L6MUX21), by type; part of the slices, not tables.
        lutram: distributed RAM cells (each takes the tables of two slices; not in `lut4`).
        ff, dsp, bram: flip-flops, multiplier blocks, block RAMs (`spram`: large single-port RAMs of ice40).
        depth: tables and multipliers on the longest path between registers, a carry chain counted once.
        fmax_mhz: median over the seeds, None without place and route.
        io_registers: whether the placed block stood between registers, so that paths from inputs and to
            outputs count; False without place and route.
        seeds: the placements.
        by_cell: use by cell type.
    """

    top: str
    family: str
    lut4: int
    carry: int
    mux: dict[str, int]
    lutram: int
    ff: int
    dsp: int
    bram: int
    spram: int
    depth: int
    fmax_mhz: float | None
    io_registers: bool
    seeds: tuple[SeedResult, ...]
    by_cell: dict[str, int]
    netlist: str = dataclasses.field(default="", repr=False)
    """Verilog of the mapped netlist (not in the JSON)."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, without the netlist."""
        return {"kind": "fpga", **_plain(self)}


def _plain(report: AsicReport | FpgaReport) -> dict[str, Any]:
    values = dataclasses.asdict(report)
    del values["netlist"]
    return {key: _rounded(value) for key, value in values.items()}


def _rounded(value: Any) -> Any:
    """Six decimals: what the tables carry, and the same text on every machine."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return str(value) if isinstance(value, Path) else value

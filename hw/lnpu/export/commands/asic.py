"""`lnpu asic`: area, timing and energy of the engine on a cell library."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lnpu.export.commands.configuration import ConfigFile, Preset, Settings, chosen
from lnpu.export.commands.errors import UserError, output_directory
from lnpu.synth.errors import SynthError
from lnpu.synth.library import DONT_USE

if TYPE_CHECKING:
    from lnpu.synth.area import AreaReport
    from lnpu_sim.gates import MappedEngine, PassEnergy

__all__ = ["asic", "register"]

Rows = Sequence[Sequence[str]]

BLOCKS = ("block", "copies", "cells", "registers", "kGE", "mm2")
PATH = ("cell", "type", "delay ns", "at ns")
ENERGY = ("workload", "cycles", "pJ a MAC", "GFLOP/s a watt", "gates", "registers", "clock", "SRAM", "uJ")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(asic)


def asic(
    liberty: Annotated[Path, typer.Option(help="Cell library (.lib or .lib.gz).", show_default=False)],
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    period: Annotated[float, typer.Option(help="Clock period in ns that gates are sized for.")] = 20.0,
    workload: Annotated[
        list[str] | None,
        typer.Option(
            help="synthetic:sparsity=0.9,numerics=fp16|fp8|fgmp or TRACE.npz:layers=a+b; may be repeated.",
            show_default=False,
        ),
    ] = None,
    sram: Annotated[
        Path | None, typer.Option(help="Coefficients of memories (TOML).", show_default=False)
    ] = None,
    clock_gates: Annotated[
        bool, typer.Option("--clock-gates/--no-clock-gates", help="Idle registers get no clock.")
    ] = True,
    samples: Annotated[int, typer.Option(help="Cycles of a pass whose transitions are counted.")] = 600,
    dont_use: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Cells the mapper must not take; replaces the default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for report, netlist and files of a layout flow.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Area, timing, and energy from activity at the gates, of the engine with its buffers."""
    if period <= 0:
        raise UserError(f"`--period` must be above 0 ns, not {period:g}")
    if not 1 <= samples <= 1_000_000:
        raise UserError(f"`--samples` must be 1 to 1000000, not {samples}")
    if output is not None and output.exists() and not output.is_dir():
        raise UserError(f"`-o` {output} is a file; a folder is needed")
    geometry = chosen(preset, config, settings).engine
    from lnpu.synth.area import area_report
    from lnpu.synth.handoff import handoff
    from lnpu.synth.library import Library
    from lnpu.synth.sram import SramModel
    from lnpu_sim.gates import map_engine, measure
    from lnpu_sim.gates.workloads import WorkloadError, jobs
    from lnpu_sim.rtl import RtlError

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    try:
        plan = [job for text in workload or () for job in jobs(text)]
        model = SramModel() if sram is None else SramModel.load(sram)
        library = Library(liberty, dont_use or DONT_USE)
        library.check()
        if plan and not library.volts:
            raise UserError(f"library {library.name} does not say its supply voltage (`nom_voltage`)")
        quiet = not console.is_terminal
        with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
            task = bar.add_task("mapping", total=len(plan) + 1)
            engine = map_engine(
                geometry,
                library,
                period_ns=period,
                sram=model,
                clock_gates=clock_gates,
                tell=lambda what: bar.update(task, description=f"mapping: {what}"),
            )
            area = area_report(engine.design, library, model, engine.annotation.timing)
            passes: list[PassEnergy] = []
            unit = engine.unit() if plan else None
            for job in plan:
                bar.update(task, advance=1, description=job.label)
                assert unit is not None
                found = measure(
                    engine, unit, job.work, job.kind, job.technique, share=job.share, samples=samples
                )
                passes.append(dataclasses.replace(found, layer=job.label))
    except (SynthError, WorkloadError, RtlError) as error:
        raise UserError(str(error)) from None
    record = _record(engine, area, passes, period)
    if output is not None:
        files = handoff(engine.design, library, engine.conditions, model, area, period)
        files["report.json"] = json.dumps(record, indent=2) + "\n"
        with output_directory(output) as folder:
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8")
            _page(folder, area, passes, period)
    if as_json:
        typer.echo(json.dumps(record, indent=2))
    else:
        _show(area, passes, period, output)


def _record(
    engine: "MappedEngine", area: "AreaReport", passes: "list[PassEnergy]", period: float
) -> dict[str, Any]:
    return {
        "area": area.as_dict(),
        "period_ns": period,
        "meets_period": area.delay_ns <= period,
        "sram_model": dataclasses.asdict(engine.sram),
        "conditions": dataclasses.asdict(engine.conditions),
        "passes": [
            dataclasses.asdict(p)
            | {
                "kind": p.kind.name,
                "technique": p.technique.name,
                "pj": p.pj,
                "pj_per_mac": p.pj_per_mac,
                "flops_per_watt": p.flops_per_watt,
            }
            for p in passes
        ],
    }


def _headline(area: "AreaReport", period: float) -> Rows:
    met = "met" if area.delay_ns <= period else "NOT met"
    return [
        ("library", area.library),
        ("cells", f"{area.area_um2 / 1e6:.3f} mm2, {area.kge:.1f} kGE"),
        ("memories", f"{area.sram_area_um2 / 1e6:.3f} mm2, {area.sram_bits / 8192:.1f} kB (SRAM model)"),
        ("registers", f"{area.registers:,} behind {area.clock_gates:,} clock gates and the clock"),
        ("longest path", f"{area.delay_ns:.2f} ns, no wires; period {period:g} ns {met}"),
        ("from", area.start),
        ("to", area.end),
    ]


def _blocks(area: "AreaReport") -> Rows:
    rows = [
        (b.name, str(b.copies), f"{b.cells:,}", f"{b.registers:,}", f"{b.kge:.1f}", f"{b.area_um2 / 1e6:.4f}")
        for b in area.blocks
    ]
    return rows + [
        (f"SRAM {s.words} x {s.bits}", str(s.count), "-", "-", "-", f"{s.area_um2 / 1e6:.4f}")
        for s in area.srams
    ]


def _energies(passes: "list[PassEnergy]") -> Rows:
    return [
        (
            p.layer,
            f"{p.cycles:,}",
            f"{p.pj_per_mac:.2f} ± {p.error:.1%}",
            f"{p.flops_per_watt / 1e9:.1f}",
            *(f"{p.by_kind[k] / p.pj:.0%}" for k in ("combinational", "registers", "clock", "sram")),
            f"{p.pj / 1e6:.3f}",
        )
        for p in passes
    ]


def _stages(area: "AreaReport") -> Rows:
    return [(s.instance, s.cell, f"{s.delay_ns:.3f}", f"{s.arrival_ns:.3f}") for s in area.stages]


def _show(area: "AreaReport", passes: "list[PassEnergy]", period: float, output: Path | None) -> None:
    console = Console()
    tables: list[tuple[str, Sequence[str], Rows]] = [
        (area.top, (), _headline(area, period)),
        ("area by block", BLOCKS, _blocks(area)),
    ]
    if passes:
        tables.append(("energy (effective FLOP: zeros count)", ENERGY, _energies(passes)))
    for title, head, rows in tables:
        shown = Table(*head, title=title, show_header=bool(head), title_justify="left")
        for row in rows:
            shown.add_row(*map(escape, row))
        console.print(shown)
    if output is not None:
        console.print(f"report: {output / 'index.html'}", highlight=False, soft_wrap=True)


def _page(folder: Path, area: "AreaReport", passes: "list[PassEnergy]", period: float) -> None:
    from matplotlib.figure import Figure

    from lnpu.pages import page, png, table

    figure = Figure(figsize=(8, 1.2 + 0.32 * max(len(area.blocks), 3)), layout="constrained")
    axes = figure.add_subplot()
    blocks = area.blocks[::-1]
    axes.barh([b.name for b in blocks], [b.kge for b in blocks], color="#3b6ea5")
    axes.set_xlabel("kGE, all copies, without memories")
    axes.spines[["top", "right"]].set_visible(False)
    (folder / "area.png").write_bytes(png(figure))
    sections = [table((), _headline(area, period)), '<img src="area.png" alt="area by block">']
    sections += ["<h2>Area by block</h2>", table(BLOCKS, _blocks(area))]
    if passes:
        figure = Figure(figsize=(9, 1.2 + 0.4 * len(passes)), layout="constrained")
        axes = figure.add_subplot()
        left = [0.0] * len(passes)
        names = [p.layer for p in passes]
        for kind in passes[0].by_kind:
            values = [p.by_kind[kind] / p.macs for p in passes]
            axes.barh(names, values, left=left, label=kind)
            left = [a + b for a, b in zip(left, values, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel("pJ a multiply-accumulate of the dense layer")
        axes.legend(frameon=False)
        (folder / "energy.png").write_bytes(png(figure))
        sections += ["<h2>Energy</h2>", '<img src="energy.png" alt="energy by kind">']
        sections.append(table(ENERGY, _energies(passes)))
    sections += ["<h2>Longest path</h2>", table(PATH, _stages(area))]
    (folder / "index.html").write_text(page(f"{area.top} on {area.library}", sections), encoding="utf-8")

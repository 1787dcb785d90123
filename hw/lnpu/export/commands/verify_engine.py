"""`lnpu verify engine`: a layer's three passes on the exported engine, against the golden model."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from lnpu.engine.config import Convolution, EngineError
from lnpu.export.commands.errors import UserError, output_directory
from lnpu.export.commands.verify import units
from lnpu.presets import PRESETS, ConfigError, engine_config, load, preset_path

__all__ = ["register"]


def engine(
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "edge",
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML), not a preset.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A single value, for example engine.lines=2.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory for Verilog and page.")] = Path(
        "build/verify/engine"
    ),
    size: Annotated[int, typer.Option(help="Height and width of the input.")] = 16,
    inputs: Annotated[int, typer.Option(help="Input channels.")] = 32,
    outputs: Annotated[int, typer.Option(help="Output channels.")] = 32,
    kernel: Annotated[int, typer.Option(help="1 to 7.")] = 3,
    stride: Annotated[int, typer.Option(help="1 to 4.")] = 1,
    padding: Annotated[int, typer.Option(help="0 to kernel - 1.")] = 1,
    images: Annotated[int, typer.Option(help="Images of the batch.")] = 2,
    zeros: Annotated[float, typer.Option(help="Share of zeros in the activations, 0 to 1.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of the tensors.")] = 1,
) -> None:
    """Random layer, forward, backward and weight gradient; exit code 1 on a mismatch."""
    if not 0 <= zeros <= 1:
        raise UserError(f"`zeros` must be 0 to 1, not {zeros}")
    if not 1 <= images <= 64:
        raise UserError(f"`images` must be 1 to 64, not {images}")
    from lnpu.export.engine import TOP, export_engine
    from lnpu.export.engine_page import write_page
    from lnpu_sim.engine.check import PassCheck, check_passes
    from lnpu_sim.engine.workload import synthetic
    from lnpu_sim.rtl import RtlError, build

    try:
        path = preset_path(preset) if config is None else config
        geometry = engine_config(load(path, settings or []))
        shape = Convolution(size, size, inputs, outputs, kernel, stride, padding)
    except (ConfigError, EngineError) as error:
        raise UserError(str(error)) from None
    start = time.perf_counter()
    status = Console(stderr=True)
    with output_directory(output) as directory, status.status("exporting the engine"):
        export_engine(geometry, directory)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    checks: list[PassCheck] = []
    try:
        with status.status("compiling the Verilog (kept for the next time)"):
            unit = build([output / f"{TOP}.v"], TOP)
        with Progress(*columns, console=status, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("passes", total=6)
            for check in check_passes(unit, geometry, synthetic(shape, images, zeros, seed=seed)):
                checks.append(check)
                progress.update(task, advance=1)
    except (RtlError, EngineError) as error:
        raise UserError(str(error)) from None
    write_page(geometry, shape, checks, output)
    _report(checks, output, time.perf_counter() - start)
    if not all(check.equal for check in checks):
        raise typer.Exit(1)


def _report(checks: list, output: Path, seconds: float) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table("pass", "input", "slots", "cycles", "utilisation", "speed-up", "equals the model", box=None)
    for check in checks:
        table.add_row(
            check.kind.name,
            check.technique.value,
            f"{check.slots:,}",
            f"{check.cycles:,}",
            f"{check.utilisation:.1%}",
            f"{check.speed_up:.2f}",
            "yes" if check.equal else "NO",
        )
    console.print(table)
    good = all(check.equal for check in checks)
    console.print(
        "[green]the hardware equals its golden model, bit for bit[/green]" if good else "[red]MISMATCH[/red]"
    )
    console.print(f"{seconds:.0f} s; Verilog and page with plots: {output}/index.html")


def register(app: typer.Typer) -> None:
    """Add the engine to `lnpu verify`."""
    units.command("engine")(engine)

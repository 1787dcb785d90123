"""`lnpu bench`: layers of a trace through the whole machine, against dense fp16 on the same machine."""

import dataclasses
import enum
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lnpu.engine.config import EngineConfig, EngineError, Pass
from lnpu.export.commands.errors import UserError
from lnpu.presets import PRESETS, ConfigError, engine_config, load, preset_path

__all__ = ["register"]


class Backend(enum.Enum):
    """What runs the lists."""

    RTL = "rtl"
    MODEL = "model"


def _kinds(names: str) -> list[Pass]:
    found = []
    for name in names.split(","):
        if name.strip().upper() not in Pass.__members__:
            allowed = ", ".join(kind.name.lower() for kind in Pass)
            raise UserError(f"`passes` must be among {allowed}, not {name}")
        found.append(Pass[name.strip().upper()])
    return found


def bench(
    file: Annotated[
        Path, typer.Argument(metavar="TRACE.npz", help="Arrays <layer>__X, __W, __D; meta.json beside it.")
    ],
    layers: Annotated[str | None, typer.Option(help="Names, separated by commas; all by default.")] = None,
    passes: Annotated[str, typer.Option(help="Among fp, bp, wg.")] = "fp,bp,wg",
    repeat_batch: Annotated[int, typer.Option(help="Images are repeated to this many; 0: as they are.")] = 0,
    loss_scale: Annotated[float, typer.Option(help="Factor of the gradients.")] = 16384.0,
    device: Annotated[Backend, typer.Option(help="Compiled Verilog, or the golden model.")] = Backend.RTL,
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "edge",
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML), not a preset.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A single value, for example engine.lines=2.")
    ] = None,
    latency: Annotated[int, typer.Option(help="Cycles of the memory from request to answer.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON on standard output.")] = False,
) -> None:
    """Cycles, utilisation, lost slots and bytes of real layers; exit code 1 on a mismatch."""
    if not 0 <= repeat_batch <= 256:
        raise UserError(f"`repeat-batch` must be 0 to 256, not {repeat_batch}")
    if not 1 <= latency <= 1000:
        raise UserError(f"`latency` must be 1 to 1000 cycles, not {latency}")
    from lnpu_sim.bench.report import summary
    from lnpu_sim.bench.run import BenchError, Measured, measure
    from lnpu_sim.engine.inputs import Technique
    from lnpu_sim.engine.workload import trace
    from lnpu_sim.rtl import RtlError

    kinds = _kinds(passes)
    names = None if layers is None else [name.strip() for name in layers.split(",")]
    status = Console(stderr=True)
    runs: list[Measured] = []
    try:
        geometry = engine_config(load(preset_path(preset) if config is None else config, settings or []))
        works = trace(file, names, loss_scale)
        works = [_repeated(work, repeat_batch) for work in works] if repeat_batch else works
        with status.status("compiling the machine (kept for the next time)"):
            runner = _device(device, geometry, latency)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        techniques = (Technique.NEITHER, Technique.BOTH)
        with Progress(*columns, console=status, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("passes", total=len(works) * len(kinds) * len(techniques))
            for run in measure(works, kinds, techniques, runner, geometry):
                runs.append(run)
                progress.update(task, advance=1, description=f"{run.layer} {run.kind.name}")
    except (ConfigError, EngineError, BenchError, RtlError) as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from None
    result = summary(runs)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        _report(runs, result)
    if result["mismatches"]:
        raise typer.Exit(1)


def _repeated(work: Any, images: int) -> Any:
    """A workload with as many images, its own over and over."""
    take = np.arange(images) % len(work.x)
    return dataclasses.replace(work, x=work.x[take], d=work.d[take])


def _device(kind: Backend, geometry: EngineConfig, latency: int) -> Any:
    from lnpu_sim.bench.run import ModelDevice, RtlDevice

    if kind is Backend.MODEL:
        return ModelDevice(geometry)
    from lnpu.export.machine import machine_verilog
    from lnpu.regs import compile_registers, registers
    from lnpu_sim.machine.rtl import build_machine

    addresses = {register.name: register.address for register in registers(compile_registers(geometry))}
    return RtlDevice(build_machine(machine_verilog(geometry)), addresses, latency)


def _report(runs: list, result: dict[str, Any]) -> None:
    from lnpu_sim.bench.report import lost
    from lnpu_sim.engine.inputs import Technique

    console = Console(highlight=False)
    coded = [run for run in runs if run.technique is Technique.BOTH and run.counts]
    if coded:
        table = Table(
            "layer", "pass", "cycles", "slots", "speed-up", "lost", title="mixed precision, zeros skipped"
        )
        dense = {(run.layer, run.kind): run for run in runs if run.technique is Technique.NEITHER}
        for run in coded:
            causes = sorted(
                ((share, name) for name, share in lost(run).items() if share >= 0.005), reverse=True
            )
            busy = run.counts["COUNT_BUSY"]
            table.add_row(
                run.layer,
                run.kind.name,
                f"{busy:,}",
                f"{1 - sum(lost(run).values()):.3f}",
                f"{dense[run.layer, run.kind].counts['COUNT_BUSY'] / busy:.2f}",
                ", ".join(f"{name} {share:.1%}" for share, name in causes),
            )
        console.print(table)
    for name, values in result.items():
        console.print(f"{name}: {json.dumps(values)}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(bench)

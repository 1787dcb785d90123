"""`lnpu generate --preset NAME | --config FILE [--set a.b=value] -o DIR`: a machine, ready to build in."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lnpu.export.commands.configuration import ConfigFile, Preset, Settings, chosen
from lnpu.export.commands.errors import UserError

__all__ = ["generate", "register"]


def generate(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Directory for the files.", show_default=False)
    ],
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a directory that holds other files, too; they stay.")
    ] = False,
) -> None:
    """The machine: Verilog, constraints, FuseSoC core, registers (C, Python, IP-XACT), driver, README."""
    choice = chosen(preset, config, settings)
    from lnpu.engine.config import EngineError
    from lnpu.export.generate import DirectoryError, check_target, install
    from lnpu.export.generate import generate as make

    start = time.perf_counter()
    status = Console(stderr=True)
    try:
        check_target(output, force=force)
        with status.status("generating (half a minute for a large machine)"):
            bundle = make(choice)
        install(bundle.files, output, force=force)
    except DirectoryError as error:
        raise UserError(str(error)) from None
    except EngineError as error:
        raise UserError(f"engine: {error}") from None
    console = Console(highlight=False, soft_wrap=True)
    engine = choice.engine
    console.print(
        f"[bold]{bundle.manifest['top']}[/bold]: {engine.lines} lines x {engine.pes} PEs, digest "
        f"{bundle.manifest['digest']}, clock target {choice.target.clock_mhz:g} MHz"
    )
    table = Table("file", "bytes", box=None, padding=(0, 2, 0, 0))
    for name, data in bundle.files.items():
        table.add_row(name, f"{len(data):,}")
    console.print(table)
    console.print(f"written to {output}, {time.perf_counter() - start:.0f} s; begin with {output}/README.md")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(generate)

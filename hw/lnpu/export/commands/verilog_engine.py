"""`lnpu verilog engine --preset NAME | --config FILE [--set engine.field=value] -o DIR`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lnpu.export.commands.errors import UserError, output_directory
from lnpu.export.commands.verilog import units
from lnpu.presets import PRESETS, ConfigError, engine_config, load, preset_path

__all__ = ["register"]


def engine(
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory for the files.")],
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "edge",
    config: Annotated[
        Path | None, typer.Option(help="Configuration file (TOML) instead of a preset.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A single value, for example engine.lines=2.")
    ] = None,
) -> None:
    """The engine: lnpu_engine.v, manifest.json, lnpu_engine.f."""
    from lnpu.export.engine import TOP, export_engine

    try:
        path = preset_path(preset) if config is None else config
        geometry = engine_config(load(path, settings or []))
    except ConfigError as error:
        raise UserError(str(error)) from None
    with output_directory(output) as directory:
        contents = export_engine(geometry, directory)
    console = Console(highlight=False)
    choices = ", ".join(f"{name} {value}" for name, value in contents["config"].items())
    console.print(f"[bold]engine[/bold]: {choices}")
    console.print(f"written: {output}/{TOP}.v, manifest.json, {TOP}.f", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the engine to `lnpu verilog`."""
    units.command("engine")(engine)

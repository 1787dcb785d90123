"""`lnpu config`: what a configuration says, what parameters mean, and their JSON schema."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lnpu.export.commands.configuration import ConfigFile, Preset, Settings, chosen
from lnpu.export.commands.errors import UserError
from lnpu.parameters import PARAMETERS, Parameter, json_schema

__all__ = ["config", "register"]


def config(
    field: Annotated[
        str | None,
        typer.Argument(help="With --explain: one parameter, lines or engine.lines.", show_default=False),
    ] = None,
    preset: Preset = None,
    config_file: ConfigFile = None,
    settings: Settings = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Meaning, unit, default and range of every parameter.")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="JSON schema of configuration files.")] = False,
) -> None:
    """The configuration with every value, as a file for --config; or what its parameters mean."""
    given = [
        name
        for name, value in (("--preset", preset), ("--config", config_file), ("--set", settings))
        if value
    ]
    if (explain or schema) and given:
        raise UserError(f"`{given[0]}` does not go with `{'--explain' if explain else '--schema'}`")
    if explain and schema:
        raise UserError("`--explain` and `--schema` exclude each other")
    if field is not None and not explain:
        raise UserError(f"`{field}`: a parameter can only be named with `--explain`")
    if schema:
        typer.echo(json.dumps(json_schema(), indent=2))
    elif explain:
        _explain(_found(field))
    else:
        typer.echo(chosen(preset, config_file, settings).as_toml(), nl=False)


def _found(field: str | None) -> list[Parameter]:
    if field is None:
        return list(PARAMETERS)
    found = [p for p in PARAMETERS if field in (p.key, p.name, p.section)]
    if not found:
        raise UserError(f"`{field}` is not known; there are {', '.join(p.key for p in PARAMETERS)}")
    return found


def _explain(parameters: list[Parameter]) -> None:
    console = Console(highlight=False)
    if len(parameters) == 1:
        (one,) = parameters
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        rows = {
            "parameter": one.key,
            "meaning": one.meaning,
            "unit": one.unit or "-",
            "default": one.default,
            "allowed": one.allowed,
        }
        for row in rows.items():
            table.add_row(*map(str, row))
    else:
        table = Table("parameter", "default", "allowed", "unit", "meaning", box=None, padding=(0, 2, 0, 0))
        table.columns[0].no_wrap = True
        for p in parameters:
            table.add_row(p.key, str(p.default), p.allowed, p.unit or "-", p.meaning)
    console.print(table)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(config)

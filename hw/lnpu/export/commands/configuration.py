"""Options that choose a configuration, the same for every command that takes one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from lnpu.export.commands.errors import UserError
from lnpu.presets import PRESETS, ConfigError, Configuration, configuration, load, preset_path

__all__ = ["DEFAULT_PRESET", "ConfigFile", "Preset", "Settings", "chosen"]

DEFAULT_PRESET = "edge"

Preset = Annotated[
    str | None,
    typer.Option(help=f"One of {', '.join(PRESETS)}. Default: {DEFAULT_PRESET}.", show_default=False),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file (TOML) instead of a preset.", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="A single value on top, for example engine.lines=2.", show_default=False),
]


def chosen(preset: str | None, config: Path | None, settings: Iterable[str] | None) -> Configuration:
    """The configuration that the options ask for.

    Raises:
        UserError: both a preset and a file, or something that cannot be used.
    """
    if preset is not None and config is not None:
        raise UserError("`--preset` and `--config` exclude each other")
    try:
        path = preset_path(preset or DEFAULT_PRESET) if config is None else config
        return configuration(load(path, settings or []))
    except ConfigError as error:
        raise UserError(str(error)) from None

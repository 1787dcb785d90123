"""Configurations as TOML files: presets in `configs/` or the user's own; single values may be set on top."""

import dataclasses
import enum
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lnpu.engine.config import EngineConfig, EngineError

__all__ = ["PRESETS", "ConfigError", "engine_config", "load", "preset_path"]


class ConfigError(ValueError):
    """A configuration that cannot be used; names the field, the value and what is allowed."""


_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / "configs", _HERE.parent.parent / "configs")  # installed, or a checkout


def _directory() -> Path:
    return next((place for place in _PLACES if place.is_dir()), _PLACES[0])


PRESETS = tuple(sorted(path.stem for path in _directory().glob("*.toml")))
"""Names of the presets."""


def preset_path(name: str) -> Path:
    """The file of a preset.

    Raises:
        ConfigError: there is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"`preset` must be one of {', '.join(PRESETS)}, not {name}")
    return _directory() / f"{name}.toml"


def load(path: Path, settings: Iterable[str] = ()) -> dict[str, Any]:
    """A configuration file as nested dictionaries, with `settings` ("engine.lines=2") on top.

    Raises:
        ConfigError: the file cannot be read or is no TOML, or a setting is not `section.field=value`.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    for setting in settings:
        key, equals, text = setting.partition("=")
        section, dot, field = key.partition(".")
        if not equals or not dot or not field:
            raise ConfigError(f"a setting must be section.field=value, not {setting}")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        table = values.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"`{section}` must be a table, not {table!r}")
        table[field] = value
    return values


def engine_config(values: dict[str, Any]) -> EngineConfig:
    """The engine of a configuration: its table `[engine]`.

    Raises:
        ConfigError: an unknown field, a value of the wrong type, or one that is out of range.
    """
    table = values.get("engine", {})
    if not isinstance(table, dict):
        raise ConfigError(f"`engine` must be a table, not {table!r}")
    fields = {field.name: field for field in dataclasses.fields(EngineConfig)}
    choices: dict[str, Any] = {}
    for name, value in table.items():
        if name not in fields:
            raise ConfigError(f"`engine.{name}` is not known; there are {', '.join(fields)}")
        default = fields[name].default
        if isinstance(default, enum.Enum):
            kinds = type(default)
            allowed = [kind.value for kind in kinds]
            if value not in allowed:
                raise ConfigError(f"`engine.{name}` must be one of {', '.join(allowed)}, not {value}")
            choices[name] = kinds(value)
        elif isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"`engine.{name}` must be an integer, not {value!r}")
        else:
            choices[name] = value
    try:
        return EngineConfig(**choices)
    except EngineError as error:
        raise ConfigError(f"engine: {error}") from None

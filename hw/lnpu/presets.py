"""Configurations as TOML files: presets in `configs/` or the user's own; single values may be set on top."""

import dataclasses
import enum
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnpu.engine.config import EngineConfig, EngineError
from lnpu.parameters import PARAMETERS, SECTIONS, Parameter, plain
from lnpu.target import Target, TargetError

__all__ = ["PRESETS", "ConfigError", "Configuration", "configuration", "engine_config", "load", "preset_path"]


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
        # What the file says about its own value does not hold for another one.
        notes = values.get("notes")
        if isinstance(notes, dict) and isinstance(notes.get(section), dict):
            notes[section].pop(field, None)
    return values


@dataclass(frozen=True)
class Configuration:
    """A whole configuration.

    Args:
        engine: the hardware. target: what it is made for.
        notes: "section.field" -> where its value comes from, as far as the file says so.
    """

    engine: EngineConfig
    target: Target
    notes: Mapping[str, str]

    def value(self, parameter: Parameter) -> Any:
        """The value of a parameter, as TOML and JSON know it."""
        return plain(getattr(getattr(self, parameter.section), parameter.name))

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """All values by section and field."""
        return {
            section: {p.name: self.value(p) for p in PARAMETERS if p.section == section}
            for section in SECTIONS
        }

    def as_toml(self) -> str:
        """All values as a configuration file: reading it gives this configuration."""
        lines: list[str] = []
        for section in SECTIONS:
            lines += [""] * bool(lines) + [f"[{section}]"]
            own = [p for p in PARAMETERS if p.section == section]
            texts = [f"{p.name} = {_toml(self.value(p))}" for p in own]
            width = max(map(len, texts))
            lines += [f"{text:<{width}}  # {p.meaning}" for text, p in zip(texts, own, strict=True)]
        for section in SECTIONS:
            notes = [key for key in self.notes if key.startswith(f"{section}.")]
            lines += ["", f"[notes.{section}]"] if notes else []
            lines += [f"{key.partition('.')[2]} = {_toml(self.notes[key])}" for key in notes]
        return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # JSON's strings and numbers are TOML's too.
    return json.dumps(value, ensure_ascii=False)


def _table(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    table = values.get(section, {})
    if not isinstance(table, dict):
        raise ConfigError(f"`{section}` must be a table, not {table!r}")
    return table


def _choices(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    """The fields of a section with the types that its class takes."""
    fields = {field.name: field for field in dataclasses.fields(SECTIONS[section])}
    choices: dict[str, Any] = {}
    for name, value in _table(values, section).items():
        key = f"{section}.{name}"
        if name not in fields:
            raise ConfigError(f"`{key}` is not known; there are {', '.join(fields)}")
        default = fields[name].default
        if isinstance(default, enum.Enum):
            kinds = type(default)
            allowed = [kind.value for kind in kinds]
            if value not in allowed:
                raise ConfigError(f"`{key}` must be one of {', '.join(allowed)}, not {value}")
            choices[name] = kinds(value)
        elif isinstance(default, float):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"`{key}` must be a number, not {value!r}")
            choices[name] = float(value)
        elif isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"`{key}` must be an integer, not {value!r}")
        else:
            choices[name] = value
    return choices


def _notes(values: Mapping[str, Any]) -> dict[str, str]:
    known = {parameter.key for parameter in PARAMETERS}
    notes: dict[str, str] = {}
    for section in _table(values, "notes"):
        for name, text in _table(values["notes"], section).items():
            if (key := f"{section}.{name}") not in known:
                raise ConfigError(f"`notes.{key}` is not known; notes belong to {', '.join(sorted(known))}")
            if not isinstance(text, str):
                raise ConfigError(f"`notes.{key}` must be text, not {text!r}")
            notes[key] = text
    return notes


def configuration(values: Mapping[str, Any]) -> Configuration:
    """A whole configuration from the tables of a file.

    Raises:
        ConfigError: an unknown table or field, a value of the wrong type, or one that is out of range.
    """
    for section in values:
        if section not in (*SECTIONS, "notes"):
            raise ConfigError(f"`{section}` is not known; there are {', '.join((*SECTIONS, 'notes'))}")
    try:
        engine = EngineConfig(**_choices(values, "engine"))
    except EngineError as error:
        raise ConfigError(f"engine: {error}") from None
    try:
        target = Target(**_choices(values, "target"))
    except TargetError as error:
        raise ConfigError(f"target: {error}") from None
    return Configuration(engine, target, _notes(values))


def engine_config(values: Mapping[str, Any]) -> EngineConfig:
    """The engine of a configuration: its table `[engine]`.

    Raises:
        ConfigError: as `configuration`.
    """
    return configuration(values).engine

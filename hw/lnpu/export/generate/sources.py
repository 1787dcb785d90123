"""Files that are shipped with the generator and go into what it writes."""

import string
from collections.abc import Mapping
from pathlib import Path

__all__ = ["CONSTRAINTS", "DRIVER", "filled", "shipped"]

_PACKAGE = Path(__file__).resolve().parents[2]
_CHECKOUT = _PACKAGE.parents[1]
CONSTRAINTS = (_PACKAGE / "constraints", _CHECKOUT / "constraints")
"""Templates of the constraint files: installed, or in a checkout."""
DRIVER = (_PACKAGE / "driver", _CHECKOUT / "host" / "c")
"""The C driver, likewise."""


def shipped(places: tuple[Path, Path], name: str) -> str:
    """Text of a shipped file.

    Raises:
        FileNotFoundError: the installation is damaged.
    """
    path = next((place / name for place in places if place.is_dir()), places[0] / name)
    return path.read_text()


def filled(name: str, values: Mapping[str, object]) -> str:
    """A constraint file from its template `<name>.in`; `${key}` is replaced, an unknown key is an error."""
    return string.Template(shipped(CONSTRAINTS, f"{name}.in")).substitute(values)

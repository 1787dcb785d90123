"""What every parameter of a configuration means: one table for help, schema and documentation.

The ranges are those that `EngineConfig` and `Target` enforce; a test compares them.
"""

import dataclasses
import enum
from dataclasses import dataclass
from typing import Any

from lnpu.engine.config import EngineConfig
from lnpu.target import HIGHEST_MHZ, LOWEST_MHZ, Target

__all__ = ["PARAMETERS", "SECTIONS", "Parameter", "json_schema", "plain"]

SECTIONS: dict[str, type] = {"engine": EngineConfig, "target": Target}
"""Tables of a configuration file, with the class that each becomes."""


def plain(value: Any) -> Any:
    """A field as TOML and JSON know it: enums become their value."""
    return value.value if isinstance(value, enum.Enum) else value


@dataclass(frozen=True)
class Parameter:
    """One field of a configuration.

    Args:
        section, name: `[section]` and field of the TOML file.
        meaning: one sentence without full stop. unit: of the value; empty for choices.
        low, high: range, where it is one. multiple: the value must be a multiple of it.
        choices: all values, where they can be listed. rule: what else is asked of the value.
    """

    section: str
    name: str
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    multiple: int = 1
    choices: tuple[Any, ...] = ()
    rule: str = ""

    @property
    def key(self) -> str:
        """`section.name`, as in `--set`."""
        return f"{self.section}.{self.name}"

    @property
    def default(self) -> Any:
        """The value of a file that does not name the field."""
        fields = {field.name: field for field in dataclasses.fields(SECTIONS[self.section])}
        return plain(fields[self.name].default)

    @property
    def allowed(self) -> str:
        """What may be written, in words."""
        if self.choices:
            text = ", ".join(map(str, self.choices))
        else:
            text = f"{self.low:g} to {self.high:g}"
            text += f", a multiple of {self.multiple}" if self.multiple > 1 else ""
        return f"{text}; {self.rule}" if self.rule else text

    def schema(self) -> dict[str, Any]:
        """The field in JSON schema."""
        out: dict[str, Any] = {
            "description": f"{self.meaning}." + (f" Unit: {self.unit}." if self.unit else "")
        }
        if self.choices:
            out["enum"] = list(self.choices)
        else:
            out["type"] = "number" if isinstance(self.default, float) else "integer"
            out |= {"minimum": self.low, "maximum": self.high}
            out |= {"multipleOf": self.multiple} if self.multiple > 1 else {}
        return {**out, "default": self.default}


_IN_A_MACHINE = "in a machine a multiple of 4"

PARAMETERS = (
    Parameter("engine", "lines", "Lines of PEs; pixels are dealt to them", "lines", 1, 8),
    Parameter(
        "engine",
        "pes",
        "PEs of a line, each with two lanes: one fp16 or two fp8 multiply-adds a cycle",
        "PEs",
        1,
        16,
        rule="in a machine a multiple of 2",
    ),
    Parameter(
        "engine",
        "group",
        "PEs whose accumulators make one word of the Row file",
        "PEs",
        1,
        16,
        rule="at most `pes`",
    ),
    Parameter(
        "engine",
        "tile_entries",
        "Depth of a Tile bank: weights (FP, BP) or their gradients (WG), taps x channels and the constant 1",
        "entries of a line's lanes",
        2,
        4096,
    ),
    Parameter(
        "engine",
        "row_entries",
        "Pixels of a line's Row bank: accumulators (FP, BP) or output gradients (WG)",
        "pixels",
        2,
        4096,
    ),
    Parameter("engine", "blocks", "Blocks (pixels) of an X bank: the compressed input", "blocks", 2, 65536),
    Parameter("engine", "words", "Depth of an X bank", "words", choices=tuple(1 << n for n in range(6, 17))),
    Parameter(
        "engine",
        "units",
        "Width of such a word: an fp8 element takes one unit, an fp16 element two",
        "units of 14 bits",
        2,
        16,
        multiple=2,
    ),
    Parameter(
        "engine", "decoders", "Sparse decoders that fill the X buffer together", "decoders", choices=(1, 2, 4)
    ),
    Parameter(
        "engine",
        "vector",
        "Elements loaded in a cycle, and size of the transposing buffer",
        "fp16 elements",
        2,
        32,
        rule=_IN_A_MACHINE,
    ),
    Parameter(
        "engine",
        "policy",
        "How pixels go to lines: in turn, in turn from another line each walk, or to the least loaded line",
        choices=("none", "rotate", "dynamic"),
    ),
    Parameter(
        "engine",
        "transposer",
        "Transposing weight buffer: shift register, or register files that are read and written in any order",
        choices=("shift", "registers"),
    ),
    Parameter(
        "engine",
        "decode_units",
        "Whether a machine knows the command DECODE, which training does not need",
        "units",
        0,
        1,
    ),
    Parameter(
        "target",
        "clock_mhz",
        "Clock that the constraint files ask for; the hardware does not depend on it",
        "MHz",
        LOWEST_MHZ,
        HIGHEST_MHZ,
    ),
)
"""All parameters, in the order of the files."""


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 07) of a configuration: what editors complete and check in TOML files."""
    tables: dict[str, Any] = {}
    notes: dict[str, Any] = {}
    for section in SECTIONS:
        fields = {p.name: p.schema() for p in PARAMETERS if p.section == section}
        tables[section] = {"type": "object", "additionalProperties": False, "properties": fields}
        notes[section] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"type": "string"} for name in fields},
        }
    tables["notes"] = {
        "description": "Where values come from: section, field and a sentence.",
        "type": "object",
        "additionalProperties": False,
        "properties": notes,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "OpenLNPU configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": tables,
    }

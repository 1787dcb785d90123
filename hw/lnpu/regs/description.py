"""The compiled register description and what follows from it: plain data, no hardware."""

import dataclasses
import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from systemrdl import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, RegNode
from systemrdl.rdltypes import OnWriteType

from lnpu import __version__
from lnpu.engine.config import EngineConfig

__all__ = ["SOURCE", "Field", "Register", "compile_registers", "digest", "parameters", "registers"]

SOURCE = Path(__file__).with_name("lnpu.rdl")
"""The SystemRDL source."""


def _number(value: object) -> int:
    # Enums are encoded by their order, as in the source.
    return list(type(value)).index(value) if isinstance(value, enum.Enum) else int(value)  # type: ignore[call-overload]


def digest(config: EngineConfig) -> int:
    """32 bits that tell configurations apart: the start of the SHA-256 of the sorted JSON of all fields."""
    fields = {name: _number(value) for name, value in dataclasses.asdict(config).items()}
    return int(hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8], 16)


def parameters(config: EngineConfig) -> dict[str, int]:
    """Parameters of the source for a configuration: one for each field, version and digest."""
    major, minor, patch = (int(part) for part in __version__.split(".")[:3])
    values = {name.upper(): _number(value) for name, value in dataclasses.asdict(config).items()}
    return {**values, "VERSION": major << 16 | minor << 8 | patch, "DIGEST": digest(config)}


def compile_registers(config: EngineConfig | None = None) -> AddrmapNode:
    """The description for a configuration (default: `EngineConfig()`).

    Raises:
        systemrdl.RDLCompileError: the source is wrong, or lacks a parameter of the configuration.
    """
    compiler = RDLCompiler()
    compiler.compile_file(str(SOURCE))
    values: Mapping[str, int] = parameters(config or EngineConfig())
    return compiler.elaborate("lnpu", parameters=dict(values)).top


@dataclass(frozen=True)
class Field:
    """Bits of a register.

    Attributes:
        name: lower case. low: lowest bit. width: bits. reset: value after reset; None where hardware drives
            it. description: one sentence.
        readable, writable: by software. clears: writing 1 clears, hardware sets. pulse: writing 1 gives a
            pulse of one cycle. driven: hardware drives the value. watched: hardware sees it.
    """

    name: str
    low: int
    width: int
    reset: int | None
    description: str
    readable: bool
    writable: bool
    clears: bool
    pulse: bool
    driven: bool
    watched: bool


@dataclass(frozen=True)
class Register:
    """A 32-bit register.

    Attributes:
        name: upper case. address: in bytes. description: sentences. fields: by lowest bit. external: the
            value is selected outside of `Registers`.
    """

    name: str
    address: int
    description: str
    fields: tuple[Field, ...]
    external: bool

    @property
    def readable(self) -> bool:
        """Software may read it."""
        return any(field.readable for field in self.fields)

    @property
    def writable(self) -> bool:
        """Software may write it."""
        return any(field.writable for field in self.fields)

    @property
    def reset(self) -> int:
        """Value after reset, 0 for bits that hardware drives."""
        return sum((field.reset or 0) << field.low for field in self.fields)


def _field(node: FieldNode) -> Field:
    sets = bool(node.get_property("hwset"))
    reset = node.get_property("reset")
    return Field(
        name=node.inst_name,
        low=node.low,
        width=node.width,
        reset=None if reset is None else int(reset),
        description=node.get_property("desc") or "",
        readable=node.is_sw_readable,
        writable=node.is_sw_writable,
        clears=sets and node.get_property("onwrite") is OnWriteType.woclr,
        pulse=bool(node.get_property("singlepulse")),
        driven=node.is_hw_writable and not sets,
        watched=node.is_hw_readable,
    )


def registers(top: AddrmapNode) -> tuple[Register, ...]:
    """All registers, by address."""
    found = [
        Register(
            node.inst_name,
            node.absolute_address,
            " ".join((node.get_property("desc") or "").split()),
            tuple(sorted(map(_field, node.fields()), key=lambda field: field.low)),
            node.external,
        )
        for node in top.descendants()
        if isinstance(node, RegNode)
    ]
    return tuple(sorted(found, key=lambda register: register.address))

"""A flat mapped netlist, read from the JSON that Yosys writes."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnpu.synth.errors import SynthError

__all__ = ["Bit", "Instance", "Netlist", "Port"]

Bit = int | str
"""A net's number, or a constant: "0", "1", "x", "z"."""


@dataclass(frozen=True)
class Instance:
    """One placed cell: its name, its type, and the bits at each pin (one for library cells)."""

    name: str
    type: str
    pins: dict[str, tuple[Bit, ...]]
    outputs: frozenset[str]
    """Pins that drive, as far as Yosys knows the cell."""
    parameters: dict[str, str]


@dataclass(frozen=True)
class Port:
    """One port: its name, its direction (`input`, `output`, `inout`) and its bits, lowest first."""

    name: str
    direction: str
    bits: tuple[Bit, ...]


class Netlist:
    """A module after mapping.

    Attributes:
        top: module name.
        ports: its ports in order.
        instances: its cells in order.
    """

    def __init__(self, top: str, ports: list[Port], instances: list[Instance], names: dict[int, str]) -> None:
        self.top, self.ports, self.instances, self._names = top, ports, instances, names

    @classmethod
    def load(cls, path: Path, top: str) -> "Netlist":
        """Read Yosys' `write_json`.

        Raises:
            SynthError: no such module in the file.
        """
        modules: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["modules"]
        if top not in modules:
            raise SynthError(f"no module {top!r} after mapping (found: {', '.join(sorted(modules))})")
        module = modules[top]
        ports = [Port(n, p["direction"], tuple(p["bits"])) for n, p in module["ports"].items()]
        instances = [
            Instance(
                name,
                cell["type"],
                {pin: tuple(bits) for pin, bits in cell["connections"].items()},
                frozenset(p for p, d in cell.get("port_directions", {}).items() if d == "output"),
                {k: str(v) for k, v in cell.get("parameters", {}).items()},
            )
            for name, cell in module["cells"].items()
        ]
        names: dict[int, str] = {}
        for name, net in module["netnames"].items():
            wide = len(net["bits"]) > 1
            for i, bit in enumerate(net["bits"]):
                label = f"{name}[{i}]" if wide else name
                if isinstance(bit, int) and _readable(label, names.get(bit)):
                    names[bit] = label
        return cls(top, ports, instances, names)

    def name(self, bit: Bit) -> str:
        """A readable name of a net."""
        return self._names.get(bit, f"net {bit}") if isinstance(bit, int) else f"constant {bit}"

    def count(self) -> dict[str, int]:
        """Instances by cell type, most frequent first."""
        found: dict[str, int] = defaultdict(int)
        for instance in self.instances:
            found[instance.type] += 1
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _readable(label: str, old: str | None) -> bool:
    """Whether a label beats the old one: a name of the source before a generated `_12_`, then the shorter."""
    return old is None or (label.startswith("_"), len(label)) < (old.startswith("_"), len(old))

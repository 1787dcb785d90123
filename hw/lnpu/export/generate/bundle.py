"""All files of a machine for one configuration, made in memory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lnpu import __version__
from lnpu.export.generate.directory import MANIFEST, sha256
from lnpu.export.generate.documents import core_file, readme, register_page
from lnpu.export.generate.sources import DRIVER, filled, shipped
from lnpu.export.machine import TOP, elaborate_machine
from lnpu.machine.commands import check_machine
from lnpu.presets import Configuration
from lnpu.regs import c_header, compile_registers, ip_xact, python_constants
from lnpu.regs.description import digest
from lnpu.regs.lists import c_lists
from lnpu.regs.slave import ADDRESS_BITS

__all__ = ["Bundle", "generate"]

FORMAT = 1
"""Version of the manifest's own layout."""


@dataclass(frozen=True)
class Bundle:
    """What `lnpu generate` writes.

    Args:
        files: relative path -> content; `manifest.json` is the last one. manifest: its content.
    """

    files: Mapping[str, bytes]
    manifest: Mapping[str, Any]


def generate(configuration: Configuration) -> Bundle:
    """Everything for one machine; the same bytes for the same configuration and version.

    Raises:
        EngineError: the engine's geometry does not fit a machine.
    """
    check_machine(configuration.engine)
    verilog, ports = elaborate_machine(configuration.engine)
    registers = compile_registers(configuration.engine)
    head = _head(configuration, ports)
    texts = {
        f"rtl/{TOP}.v": verilog,
        f"{TOP}.f": f"rtl/{TOP}.v\n",
        f"{TOP}.toml": configuration.as_toml(),
        f"{TOP}.xml": ip_xact(registers),
        **_constraints(configuration, ports),
        "software/lnpu_registers.h": c_header(registers),
        "software/lnpu_registers.py": python_constants(registers),
        "software/lnpu_lists.h": c_lists(registers),
        **{f"software/{name}": shipped(DRIVER, name) for name in ("lnpu.h", "lnpu.c")},
        "registers.html": register_page(registers, head),
        f"{TOP}.core": core_file(head),
        "README.md": readme(configuration, head),
    }
    files = {name: text.encode() for name, text in sorted(texts.items())}
    rows = [{"path": name, "bytes": len(data), "sha256": sha256(data)} for name, data in files.items()]
    manifest = {**head, "files": rows}
    return Bundle({**files, MANIFEST: (json.dumps(manifest, indent=2) + "\n").encode()}, manifest)


def _head(configuration: Configuration, ports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The manifest without the list of files."""
    width = {row["name"]: row["width"] for row in ports}
    return {
        "generator": f"openlnpu {__version__}",
        "format": FORMAT,
        "top": TOP,
        "digest": f"{digest(configuration.engine):08x}",
        "config": configuration.as_dict(),
        "notes": dict(configuration.notes),
        "clock": {
            "port": "aclk",
            "target_mhz": configuration.target.clock_mhz,
            "target_period_ns": configuration.target.period_ns,
        },
        "reset": {"port": "aresetn", "active": "low", "synchronous": True},
        "interrupt": {"port": "irq", "sensitivity": "level-high"},
        "interfaces": [
            {
                "name": "s_axil",
                "protocol": "AXI4-Lite",
                "role": "subordinate",
                "data_bits": width["s_axil_wdata"],
                "address_bits": ADDRESS_BITS,
            },
            {
                "name": "m_axi",
                "protocol": "AXI4",
                "role": "manager",
                "data_bits": width["m_axi_wdata"],
                "address_bits": width["m_axi_awaddr"],
                "id_bits": width["m_axi_awid"],
            },
        ],
        "ports": [dict(row) for row in ports],
    }


def _constraints(configuration: Configuration, ports: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    target = configuration.target

    def names(direction: str) -> str:
        # Vivado finds the bits of a vector only with an index.
        return " ".join(
            row["name"] + "[*]" * (row["width"] > 1)
            for row in ports
            if row["direction"] == direction and row["name"] != "aclk"
        )

    values = {
        "top": TOP,
        "mhz": f"{target.clock_mhz:.6f}",
        "period": f"{target.period_ns:.3f}",
        "delay": f"{target.period_ns / 3:.3f}",
        "inputs": names("input"),
        "outputs": names("output"),
    }
    kinds = ("sdc", "xdc", "lpf", "zynq.tcl")
    return {f"constraints/{TOP}.{kind}": filled(f"lnpu.{kind}", values) for kind in kinds}

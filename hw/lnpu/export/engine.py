"""Export of the engine: Verilog with flat ports, manifest and file list."""

import dataclasses
import enum
from pathlib import Path

from amaranth.hdl import Value

from lnpu.engine.config import EngineConfig
from lnpu.engine.engine import Engine
from lnpu.export.codec import flat_ports
from lnpu.export.unit import manifest, write_unit
from lnpu.export.verilog import to_verilog

__all__ = ["TOP", "engine_verilog", "export_engine"]

TOP = "lnpu_engine"
"""Name of the top module."""


def _elaborate(config: EngineConfig, share: bool) -> tuple[str, list[dict]]:
    unit = Engine(config)
    ports = flat_ports(unit)
    verilog = to_verilog(unit, TOP, ports, share=share)
    widths = [(name, out, len(Value.cast(signal))) for name, (signal, out) in ports.items()]
    rows = [
        {"name": name, "direction": "output" if out else "input", "width": width}
        for name, out, width in [("clk", False, 1), ("rst", False, 1), *widths]
    ]
    return verilog, rows


def engine_verilog(config: EngineConfig, *, share: bool = True) -> str:
    """Verilog text of the engine, top module `lnpu_engine`.

    Args:
        share: lines, feeds, PEs and decoders are modules of their own, written once; else one flat module.
    """
    return _elaborate(config, share)[0]


def export_engine(config: EngineConfig, directory: Path) -> dict:
    """Write the Verilog, `manifest.json` and a file list into a directory (created if missing).

    Returns:
        The manifest; the streams' fields are described in `lnpu.engine.payloads`.
    """
    verilog, rows = _elaborate(config, share=True)
    choices = {
        name: value.value if isinstance(value, enum.Enum) else value
        for name, value in dataclasses.asdict(config).items()
    }
    return write_unit(directory, verilog, manifest(TOP, verilog, choices, rows))

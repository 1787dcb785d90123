"""Export of the FMA: Verilog with the fixed ports of `FmaConfig.ports`, manifest and file list."""

import hashlib
import json
from pathlib import Path

from lnpu import __version__
from lnpu.export.verilog import to_verilog
from lnpu.numeric.config import FmaConfig
from lnpu.numeric.fma import fma

__all__ = ["export_fma", "fma_manifest", "fma_verilog"]

TOP = "fma"


def fma_verilog(config: FmaConfig) -> str:
    """Verilog text of the unit, top module `fma`."""
    unit = fma(config)
    ports = {}
    for port in config.ports:
        side, _, name = port.name.partition("_")
        if not name:
            continue
        interface = {"i": unit.i, "o": unit.o}[side]
        signal = getattr(interface, name) if name in ("valid", "ready") else None
        ports[port.name] = (signal if signal is not None else interface.payload[name], port.output)
    return to_verilog(unit, TOP, ports)


def fma_manifest(config: FmaConfig, verilog: str) -> dict:
    """What the Verilog contains: configuration, ports, latency, digest."""
    return {
        "generator": f"openlnpu {__version__}",
        "top": TOP,
        "config": config.as_dict(),
        "latency": config.latency,
        "initiation_interval": 1,
        "clock": "clk",
        "reset": {"name": "rst", "active": "high", "synchronous": True},
        "ports": [
            {
                "name": p.name,
                "direction": "output" if p.output else "input",
                "width": p.width,
                "doc": p.doc,
            }
            for p in config.ports
        ],
        "files": [f"{TOP}.v"],
        "sha256": hashlib.sha256(verilog.encode()).hexdigest(),
    }


def export_fma(config: FmaConfig, directory: Path) -> dict:
    """Write `fma.v`, `manifest.json` and `fma.f` into a directory (created if missing).

    Returns:
        The manifest.
    """
    verilog = fma_verilog(config)
    manifest = fma_manifest(config, verilog)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{TOP}.v").write_text(verilog)
    (directory / f"{TOP}.f").write_text(f"{TOP}.v\n")
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest

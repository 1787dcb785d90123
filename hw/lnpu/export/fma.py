"""Export of the FMA: Verilog with the fixed ports of `FmaConfig.ports`, manifest and file list."""

from pathlib import Path

from lnpu.export.unit import manifest, write_unit
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
        if name:
            interface = {"i": unit.i, "o": unit.o}[side]
            signal = getattr(interface, name) if name in ("valid", "ready") else interface.payload[name]
            ports[port.name] = (signal, port.output)
    return to_verilog(unit, TOP, ports)


def fma_manifest(config: FmaConfig, verilog: str) -> dict:
    """What the Verilog contains: configuration, ports, latency, digest."""
    ports = [
        {"name": p.name, "direction": "output" if p.output else "input", "width": p.width, "doc": p.doc}
        for p in config.ports
    ]
    reset, latency = config.latency > 0, config.latency
    return manifest(
        TOP, verilog, config.as_dict(), ports, reset=reset, latency=latency, initiation_interval=1
    )


def export_fma(config: FmaConfig, directory: Path) -> dict:
    """Write `fma.v`, `manifest.json` and `fma.f` into a directory (created if missing).

    Returns:
        The manifest.
    """
    verilog = fma_verilog(config)
    return write_unit(directory, verilog, fma_manifest(config, verilog))

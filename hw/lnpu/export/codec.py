"""Export of the codec's blocks: Verilog with fixed flat ports, manifest and file list."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from amaranth.lib import data, wiring

from lnpu import __version__
from lnpu.codec.blocks import BLOCKS
from lnpu.codec.config import CodecConfig
from lnpu.export.verilog import to_verilog

__all__ = ["codec_manifest", "codec_verilog", "export_codec", "flat_ports"]


def flat_ports(unit: wiring.Component) -> dict[str, tuple[object, bool]]:
    """Ports by flat name: a stream `x` gives x_valid, x_ready and x_<field> for each payload field."""
    ports: dict[str, tuple[object, bool]] = {}
    for name, member in unit.signature.members.items():
        out = member.flow is wiring.Out
        signal = getattr(unit, name)
        if member.is_port:
            ports[name] = (signal, out)
            continue
        ports[f"{name}_valid"] = (signal.valid, out)
        ports[f"{name}_ready"] = (signal.ready, not out)
        for field in data.Layout.cast(signal.payload.shape()):
            key, _ = field
            ports[f"{name}_{key}"] = (signal.payload[key], out)
    return ports


def _unit(name: str, config: CodecConfig) -> tuple[wiring.Component, str]:
    make: Callable[[CodecConfig], wiring.Component] = BLOCKS[name]
    return make(config), "lnpu_" + name.replace("-", "_")


def codec_verilog(name: str, config: CodecConfig) -> str:
    """Verilog text of a block ("codec-encoder" ...)."""
    unit, top = _unit(name, config)
    return to_verilog(unit, top, flat_ports(unit))


def codec_manifest(name: str, config: CodecConfig, verilog: str) -> dict:
    """What the Verilog contains: configuration, ports, digest."""
    unit, top = _unit(name, config)
    clocked = [("clk", False, 1), ("rst", False, 1)]
    ports = [(port, out, len(_value(signal))) for port, (signal, out) in flat_ports(unit).items()]
    return {
        "generator": f"openlnpu {__version__}",
        "top": top,
        "config": config.as_dict(),
        "clock": "clk",
        "reset": {"name": "rst", "active": "high", "synchronous": True},
        "ports": [
            {"name": port, "direction": "output" if out else "input", "width": width}
            for port, out, width in clocked + ports
        ],
        "files": [f"{top}.v"],
        "sha256": hashlib.sha256(verilog.encode()).hexdigest(),
    }


def _value(signal):
    return signal.as_value() if hasattr(signal, "as_value") else signal


def export_codec(name: str, config: CodecConfig, directory: Path) -> dict:
    """Write the Verilog, `manifest.json` and a file list into a directory (created if missing).

    Returns:
        The manifest.
    """
    verilog = codec_verilog(name, config)
    manifest = codec_manifest(name, config, verilog)
    directory.mkdir(parents=True, exist_ok=True)
    top = manifest["top"]
    (directory / f"{top}.v").write_text(verilog)
    (directory / f"{top}.f").write_text(f"{top}.v\n")
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest

"""One exported block: Verilog, manifest and file list, the same way for every block."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from lnpu import __version__

__all__ = ["manifest", "write_unit"]


def manifest(
    top: str, verilog: str, config: dict, ports: Sequence[dict], *, reset: bool = True, **more: object
) -> dict:
    """What a block's Verilog contains.

    Args:
        top: name of the top module; verilog: its text; config: the choices it was made from.
        ports: rows of `name`, `direction` ("input" or "output"), `width` and, where it says more, `doc`.
        reset: whether the block has a reset; more: further entries (latency ...).
    """
    return {
        "generator": f"openlnpu {__version__}",
        "top": top,
        "config": config,
        **more,
        "clock": "clk" if any(port["name"] == "clk" for port in ports) else None,
        "reset": {"name": "rst", "active": "high", "synchronous": True} if reset else None,
        "ports": list(ports),
        "files": [f"{top}.v"],
        "sha256": hashlib.sha256(verilog.encode()).hexdigest(),
    }


def write_unit(directory: Path, verilog: str, contents: dict) -> dict:
    """Write `<top>.v`, `<top>.f` and `manifest.json` into a directory (created if missing).

    Returns:
        `contents`, the manifest.
    """
    directory.mkdir(parents=True, exist_ok=True)
    top = contents["top"]
    (directory / f"{top}.v").write_text(verilog)
    (directory / f"{top}.f").write_text(f"{top}.v\n")
    (directory / "manifest.json").write_text(json.dumps(contents, indent=2) + "\n")
    return contents

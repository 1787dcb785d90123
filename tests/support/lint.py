"""Verilator's lint of generated files."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lnpu_sim.rtl.toolchain import find_verilator

__all__ = ["lint"]


def lint(files: Sequence[Path], top: str, *, waive: Sequence[str] = ()) -> str:
    """What `verilator --lint-only -Wall` says, errors too; empty when there is nothing to say."""
    verilator = find_verilator()
    waivers = [f"-Wno-{rule}" for rule in waive]
    done = subprocess.run(
        [
            *(str(verilator.binary), "--lint-only", "--quiet-stats", "-Wall", "-Wno-fatal", *waivers),
            *("--top-module", top, *map(str, files)),
        ],
        env={"VERILATOR_ROOT": str(verilator.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(line for line in lines if not line.startswith("- "))

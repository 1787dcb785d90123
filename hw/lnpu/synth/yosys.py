"""Yosys in a process of its own: the native module `pyosys`, which also brings abc."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lnpu.synth.errors import SynthError

__all__ = ["check_sources", "quoted", "read_sources", "run"]

_MAIN = """
import sys
from pyosys import libyosys
libyosys.run_pass("script " + sys.argv[1], libyosys.Design())
"""


def check_sources(files: Sequence[Path | str], top: str) -> list[Path]:
    """Absolute paths of Verilog files, one of which defines the top.

    Raises:
        SynthError: no file, one is missing or not text, or none holds a module of that name.
    """
    paths = [Path(file).absolute() for file in files]
    if not paths:
        raise SynthError("at least one Verilog file is needed")
    modules: set[str] = set()
    for given, path in zip(files, paths, strict=True):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")  # old comments are often not UTF-8
        except OSError as error:
            raise SynthError(f"{given} cannot be read: {error.strerror}") from None
        if "\0" in text:
            raise SynthError(f"{given} is not a Verilog file: it is not text")
        if '"' in str(path) or "\n" in str(path):
            raise SynthError(f"{given}: the path must not hold quotes or line ends")
        modules |= {
            m.removeprefix("\\")
            for m in re.findall(r"^\s*(?:\(\*.*\*\)\s*)?module\s+([^\s(#;]+)", text, re.M)
        }
    if not modules:
        raise SynthError(f"{files[0]} is not a Verilog file: it defines no module")
    if top not in modules:
        shown = ", ".join(sorted(modules)[:8]) + (" ..." if len(modules) > 8 else "")
        raise SynthError(f"`--top` {top}: no such module in the given files (they define {shown})")
    return paths


def quoted(path: Path | str) -> str:
    """A path as an argument of a Yosys script."""
    return f'"{path}"'


def read_sources(files: Sequence[Path]) -> str:
    """The commands that read Verilog (and the SystemVerilog that Yosys knows)."""
    return "".join(f"read_verilog -sv {quoted(file)}\n" for file in files)


def run(script: str, work: Path, name: str) -> str:
    """Run a Yosys script and return its log.

    Args:
        script: commands, one a line.
        work: working directory; `<name>.ys` and `<name>.log` are written there.
        name: stem of both.

    Raises:
        SynthError: pyosys is not installed, or Yosys ended with an error (which becomes the message).
    """
    if importlib.util.find_spec("pyosys") is None:
        raise SynthError("the Python package `pyosys` is needed: pip install pyosys")
    file = work / f"{name}.ys"
    file.write_text(script, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-c", _MAIN, file.name],
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    (work / f"{name}.log").write_text(result.stdout, encoding="utf-8")
    if result.returncode:
        raise SynthError(f"Yosys: {_error(result.stdout, work)}")
    return result.stdout


def _error(log: str, work: Path) -> str:
    """The error in a log as one line without the working directory."""
    lines = log.strip().splitlines() or ["ended without a message"]
    found = next((line for line in lines if "ERROR:" in line), lines[-1])
    if "ABC: execution" in found:  # the reason stands before it
        reasons = [line for line in lines if re.match("ABC: .*(rror|Assert|annot)", line)]
        found = reasons[-1] if reasons else found
    return found.replace("ERROR: ", "").replace(f"{work}/", "").strip()

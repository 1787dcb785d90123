"""Yosys scripts in a process of their own, with a time limit."""

import subprocess
import sys
from pathlib import Path

__all__ = ["YosysFailure", "YosysTimeout", "abc_binary", "run_yosys"]

_MAIN = """
import sys
from pyosys import libyosys
libyosys.run_pass("script " + sys.argv[1], libyosys.Design())
"""


class YosysFailure(AssertionError):
    """A script ended with an error; the message is the script's name and the tail of the log."""


class YosysTimeout(AssertionError):
    """A script did not end in time."""


def run_yosys(script: str, work: Path, name: str, timeout: float = 300.0) -> str:
    """Run a script in `work` and return the log.

    Raises:
        YosysFailure: Yosys ended with an error.
        YosysTimeout: it took longer than `timeout` seconds.
    """
    file = work / f"{name}.ys"
    file.write_text(script)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _MAIN, file.name],
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise YosysTimeout(f"{name}: no result after {timeout:g} s") from None
    (work / f"{name}.log").write_text(done.stdout)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise YosysFailure(f"{name}: Yosys failed\n{tail}")
    return done.stdout


def abc_binary() -> Path:
    """The `yosys-abc` that comes with pyosys."""
    import pyosys

    return next(Path(pyosys.__file__).parent.rglob("yosys-abc"))

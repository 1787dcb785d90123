"""Waveforms of every compiled unit, on request: `LNPU_WAVES=1`."""

import atexit
import itertools
import os
import re
from pathlib import Path

from lnpu_sim.rtl.module import RtlModule

__all__ = ["WAVES", "record", "wanted"]

WAVES = Path("build/waves")
"""Where they go, from the working directory."""
_numbers = itertools.count(1)


def wanted() -> bool:
    """Whether the environment asks for waveforms."""
    return os.environ.get("LNPU_WAVES") == "1"


def record(unit: RtlModule, top: str) -> Path:
    """Write all that the unit does from now on to a VCD file, named after the running pytest test, if any."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" ", 1)[0].removeprefix("tests/")
    name = re.sub(r"[^\w.-]+", "-", f"{test}-{top}").strip("-")
    path = WAVES / f"{name}-{next(_numbers)}.vcd"
    unit.trace(path)
    # What is still buffered when the program ends would be lost.
    atexit.register(unit.close)
    return path

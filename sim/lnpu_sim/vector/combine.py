"""COMBINE: a weighted sum of two arrays."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lnpu_sim.vector.fp32 import add, finite, multiply
from lnpu_sim.vector.memory import Flags, runs, write_runs

__all__ = ["combine", "number"]


def number(code: int) -> NDArray[np.float32]:
    """A number from its code, as the units read it."""
    return finite(np.array([code], np.uint32))[0]


def _strides(fields: Mapping[str, int], array: str) -> tuple[int, int]:
    return fields[f"{array}_row"], fields[f"{array}_column"]


def combine(memory: bytearray, fields: Mapping[str, int]) -> Flags:
    """`target = scale_a * a + scale_b * b`; a run is read when those before it are written or not: `target`
    must be one of the operands or apart from them.

    Raises:
        MemoryRangeError: an address is outside of the memory.
    """
    counts = fields["rows"], fields["columns"]
    size = 4 * fields["elements"]
    total, invalid = None, False
    for array in "a" if fields["single"] else "ab":
        raw = runs(memory, fields[array], _strides(fields, array), counts, size)
        values, met = finite(raw.view(np.uint32))
        product = multiply(values, number(fields[f"scale_{array}"]))
        total = product if total is None else add(total, product)
        invalid |= met
    assert total is not None
    write_runs(memory, fields["target"], _strides(fields, "target"), counts, total.view(np.uint8))
    return Flags(invalid=invalid)

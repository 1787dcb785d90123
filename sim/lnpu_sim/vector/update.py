"""UPDATE: a step of SGD."""

from collections.abc import Mapping

import numpy as np

from lnpu_sim.vector.combine import number
from lnpu_sim.vector.fp32 import add, finite, multiply, to_fp16
from lnpu_sim.vector.memory import Flags, read, write

__all__ = ["update"]


def update(memory: bytearray, fields: Mapping[str, int], skip: bool = False) -> Flags:
    """Masters, momenta and fp16 copies of `count` weights, and their largest exponent.

    Args:
        skip: a value saturated before; with `guarded` nothing is done.

    Raises:
        MemoryRangeError: an address is outside of the memory.
    """
    if skip and fields["guarded"]:
        return Flags()
    count = fields["count"]
    gradient, infinite = finite(read(memory, fields["gradient"], 4 * count).view(np.uint32))
    state, wild = finite(read(memory, fields["state"], 8 * count).view(np.uint32))
    master, momentum = state[0::2], state[1::2]
    scale, decay, keep, rate = (number(fields[name]) for name in ("scale", "decay", "momentum", "rate"))
    step = add(multiply(gradient, scale), multiply(master, decay))
    momentum = add(multiply(momentum, keep), step)
    master = add(master, multiply(momentum, -rate))
    codes, saturated = to_fp16(master)
    write(memory, fields["state"], np.stack([master, momentum], axis=1).tobytes())
    write(memory, fields["weights"], codes.tobytes())
    largest = int((codes >> 10 & 31).max())
    write(memory, fields["exponent"], bytes([0, 0, 0, largest, 0, 0, 0, 0]))
    return Flags(invalid=infinite or wild, saturated=saturated)

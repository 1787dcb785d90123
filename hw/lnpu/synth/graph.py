"""Order of evaluation of a netlist: every cell after the cells that feed it."""

from collections.abc import Mapping, Sequence

from lnpu.synth.errors import SynthError
from lnpu.synth.netlist import Bit

__all__ = ["topological"]


def topological(
    inputs: Sequence[Sequence[Bit]],
    drivers: Mapping[Bit, int],
    boundary: Sequence[bool],
    names: Sequence[str],
) -> list[int]:
    """Indices of all cells in an order in which each follows its drivers.

    Args:
        inputs: the bits each cell waits for.
        drivers: index of the cell that drives a bit.
        boundary: cells that wait for nothing (flip-flops start paths).
        names: for messages.

    Raises:
        SynthError: a combinational loop, with one of its cells.
    """
    waiting = [0] * len(inputs)
    followers: list[list[int]] = [[] for _ in inputs]
    for index, bits in enumerate(inputs):
        if boundary[index]:
            continue
        for bit in bits:
            driver = drivers.get(bit)
            if driver is not None:
                waiting[index] += 1
                followers[driver].append(index)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    order: list[int] = []
    while ready:
        index = ready.pop()
        order.append(index)
        for follower in followers[index]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                ready.append(follower)
    if len(order) < len(inputs):
        stuck = next(names[i] for i, count in enumerate(waiting) if count)
        raise SynthError(f"the netlist has a combinational loop (for example through {stuck})")
    return order

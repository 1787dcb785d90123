"""Golden model of the balancer: which line gets which pixel. Depends on data only, never on timing."""

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig, EngineError, Policy

__all__ = ["deal", "rank"]

Ints = NDArray[np.int64]


def deal(config: EngineConfig, number: int, work: Ints, capacity: int, time: Ints) -> Ints:
    """The line of each pixel of a walk.

    Args:
        number: of the walk. work: int64 [pixels], slots of each pixel. capacity: pixels that fit a line.
        time: int64 [lines], slots that each line was dealt before this walk.

    Raises:
        EngineError: more pixels than the lines take.
    """
    count = config.lines
    if len(work) > count * capacity:
        raise EngineError(f"`pixels` must be at most {count * capacity}, not {len(work)}")
    dealt, times = [0] * count, time.tolist()
    found = np.zeros(len(work), np.int64)
    for pixel, slots in enumerate(work.tolist()):
        if config.policy is Policy.DYNAMIC:
            open_ = (line for line in range(count) if dealt[line] < capacity)
            line = min(open_, key=times.__getitem__)
        else:
            line = (pixel + (number if config.policy is Policy.ROTATE else 0)) % count
            while dealt[line] >= capacity:
                line = (line + 1) % count
        dealt[line] += 1
        times[line] += slots + 1  # pixels without work are spread as well
        found[pixel] = line
    return found


def rank(lines: Ints) -> Ints:
    """How many earlier pixels went to the same line."""
    ranks = np.zeros(len(lines), np.int64)
    for line in np.unique(lines):
        mine = np.flatnonzero(lines == line)
        ranks[mine] = np.arange(len(mine))
    return ranks

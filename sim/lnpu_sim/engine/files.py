"""Golden models of the lines' files, all lines side by side: operands and accumulators."""

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig, EngineError
from lnpu_sim.numeric.window import WindowModel

__all__ = ["accumulate", "lane_order", "terms_of"]

Ints = NDArray[np.int64]


def lane_order(config: EngineConfig) -> Ints:
    """Lane of each place in the words of a pixel, group after group: low lanes of its PEs, then high lanes;
    -1 where a group has no PE. int64 [groups * row_lanes]."""
    pe = np.arange(config.groups)[:, None, None] * config.group + np.arange(config.group)
    lane = pe + np.arange(2)[:, None] * config.pes
    return np.where(pe < config.pes, lane, -1).reshape(-1)


def terms_of(window: WindowModel, dual: Ints, code: Ints, operand: Ints, scale: int, top: int) -> Ints:
    """What slots add to the lanes that they reach, before anything is summed.

    Args:
        dual, code: [slots]. operand: [slots, lanes], fp16 codes.
    """
    terms = np.zeros(operand.shape, np.int64)
    for mode, chosen in ((1, dual == 1), (0, dual != 1)):
        if chosen.any():
            terms[chosen] = window.lane_terms(mode, code[chosen, None], operand[chosen], top, scale)
    return terms


def accumulate(sums: Ints, place: Ints, terms: Ints, window: WindowModel) -> bool:
    """Add terms to sums in order, saturating.

    Args:
        sums: [places, lanes], changed in place. place: [terms]. terms: [terms, lanes].

    Returns:
        Whether a sum saturated on the way.

    Raises:
        EngineError: a place is outside the file.
    """
    if len(place) == 0:
        return False
    if place.min() < 0 or place.max() >= len(sums):
        raise EngineError(f"an address must be 0 to {len(sums) - 1}, not {place.min()} or {place.max()}")
    order = np.argsort(place, kind="stable")
    place, terms = place[order], terms[order]
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    at = place[starts]
    bound = np.abs(sums[at]) + np.add.reduceat(np.abs(terms), starts, axis=0)
    safe = (bound <= window.high).all(axis=1)
    sums[at[safe]] += np.add.reduceat(terms, starts, axis=0)[safe]
    overflow = False
    ends = np.append(starts[1:], len(place))
    for n in np.flatnonzero(~safe):
        total = sums[at[n]]
        for term in terms[starts[n] : ends[n]]:
            exact = total + term
            total = np.clip(exact, window.low, window.high)
            overflow |= bool((total != exact).any())
        sums[at[n]] = total
    return overflow

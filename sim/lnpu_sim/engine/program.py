"""What an engine is given for a pass: streams as numpy arrays, between planner, model and hardware."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EngineProgram", "columns"]

Ints = NDArray[np.int64]


def columns(records: list[dict[str, int]]) -> dict[str, Ints]:
    """Beats of a stream by field name, from one dictionary a beat; every beat has the same fields."""
    names = records[0] if records else {}
    return {name: np.array([record[name] for record in records], np.int64) for name in names}


@dataclass(frozen=True)
class EngineProgram:
    """One pass. Streams are dictionaries of payload field -> values, int64 [beats] unless said otherwise;
    the fields are those of `lnpu.engine.payloads`, signed ones may be negative.

    Args:
        constants: fields of `pass_layout`.
        walks: `walk_command`. fills: `fill_command`, nested fields with an underscore (`row_blocks`).
        words: rows of the sparse input in the order of `fills`: `data` (uint64), `last`.
        loads: `load_command`. vectors: int64 [vectors, config.vector], fp16 codes, in the order of `loads`.
        drains: `drain_command`.
        places: int64 [beats, 4], what each result beat is: FP and BP (pixel, 0, lane block, group), pixels
            counted through all images; WG (tap, channel, lane block, group), the bias gradient's channel
            being -1.
    """

    constants: dict[str, int]
    walks: dict[str, Ints]
    fills: dict[str, Ints]
    words: dict[str, NDArray[np.uint64]]
    loads: dict[str, Ints]
    vectors: Ints
    drains: dict[str, Ints]
    places: Ints

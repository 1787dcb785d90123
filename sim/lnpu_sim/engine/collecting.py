"""Golden model of the Collector: drain commands to requests and results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig

__all__ = ["Collected", "collect"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Collected:
    """What the Collector asks and delivers.

    Args:
        lanes: results [beats, row_lanes]. last: [beats], the beat ends a drain command.
        requests: of each line, [requests, 2]: address, groups - 1.
        given: [beats], words that all lines together gave up to this result.
        drained: [commands with `last`, 3]: lines, bank, results up to its end.
    """

    lanes: Ints
    last: Ints
    requests: list[Ints]
    given: Ints
    drained: Ints


def collect(
    config: EngineConfig,
    drains: Mapping[str, Ints],
    table: Ints,
    read: Callable[[int, int, int], Ints],
) -> Collected:
    """Run drain commands.

    Args:
        drains: fields of `drain_command`, [commands]. table: [2, pixels], line of each pixel.
        read: (line, address, group) to the group's lanes.
    """
    every = (1 << config.lines) - 1
    lanes: list[Ints] = []
    last: list[int] = []
    addends: list[int] = []
    requests: list[list[tuple[int, int]]] = [[] for _ in range(config.lines)]
    drained: list[tuple[int, int, int]] = []
    for number in range(len(drains["count"])):
        command = {name: int(values[number]) for name, values in drains.items()}
        address = [command["first"]] * config.lines
        for n in range(command["count"] + 1):
            if command["tile"]:
                asked = [line for line in range(config.lines) if command["lines"] >> line & 1]
            else:
                asked = [(int(table[command["table"], n]) + command["turn"]) % config.lines]
            for line in asked:
                requests[line].append((address[line], command["groups"]))
            for group in range(command["groups"] + 1):
                lanes.append(np.sum([read(line, address[line], group) for line in asked], axis=0))
                addends.append(len(asked))
                last.append(int(n == command["count"] and group == command["groups"]))
            for line in asked:
                address[line] += 1 if command["tile"] else command["step"]
        if command["last"]:
            drained.append((command["lines"] if command["tile"] else every, command["bank"], len(last)))
    return Collected(
        np.array(lanes, np.int64).reshape(len(lanes), config.row_lanes),
        np.array(last, np.int64),
        [np.array(asked, np.int64).reshape(len(asked), 2) for asked in requests],
        np.cumsum(np.array(addends, np.int64)),
        np.array(drained, np.int64).reshape(len(drained), 3),
    )

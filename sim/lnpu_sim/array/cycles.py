"""Cycle model of a line: exact where its streams never wait for the outside (`docs/engine.md`, section 4)."""

import numpy as np

from lnpu_sim.array.program import LineProgram

__all__ = ["COMPLETE", "line_cycles"]

COMPLETE = 6
"""Cycles from taking a bank's last slot to the drain's first read: five stages, and the bank's flag."""


def line_cycles(program: LineProgram) -> int:
    """Clock cycles from the first operand word to the last drained one, both counted.

    Slots, operands and drain commands are offered, and words are taken, as early as the line allows.
    """
    slots, loads, drains = program.slots, program.loads, program.drains
    if not len(slots):
        return 0
    load_words = np.diff(np.flatnonzero(loads.last), prepend=-1).tolist()
    ends = np.flatnonzero(slots["release"] | slots["last"]).tolist()
    loaded: list[int] = []  # cycle of a bank's last operand word
    released: list[int] = []  # cycle in which its last slot is taken
    drained: list[int] = []  # cycle of an accumulator bank's last word

    def load_next() -> None:
        n = len(loaded)
        start = max(loaded[-1] + 1 if n else 0, released[n - 2] + 1 if n >= 2 else 0)
        loaded.append(start + load_words[n] - 1)

    taken, first = -1, 0
    for end in ends:
        # Only the first slot of a bank can wait.
        while len(loaded) <= len(released):
            load_next()
        ready = loaded[len(released)] + 1
        if len(drained) >= 2:
            ready = max(ready, drained[-2] + 1)
        taken = max(taken + 1, ready) + end - first
        first = end + 1
        if slots["release"][end]:
            released.append(taken)
        if slots["last"][end]:
            begin = max(taken + COMPLETE, drained[-1] + 1 if drained else 0)
            drained.append(begin + int(drains.count[len(drained)]))
    return drained[-1] + 1

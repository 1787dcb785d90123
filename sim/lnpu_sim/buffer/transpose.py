"""Golden model of the transposing weight buffer."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["TransposeModel"]

Ints = NDArray[np.int64]


class TransposeModel:
    """What the buffer reads back.

    Args:
        size: elements a side.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def run(
        self,
        elements: Ints,
        index: Ints,
        axis: Ints,
        last: Ints,
        read_index: Ints,
        read_axis: Ints,
        read_last: Ints,
    ) -> tuple[Ints, NDArray[np.bool_]]:
        """Tiles written one after the other, tile `n` read by the reads up to the `n`-th `read_last`.

        Args:
            elements: [writes, size]; index, axis (0 row, 1 column), last: [writes]. read_*: [reads].

        Returns:
            `(vectors, defined)`, both [reads, size]: elements, and whether they were ever written.
        """
        banks = np.zeros((2, self.size, self.size), np.int64)
        written = np.zeros(banks.shape, bool)
        out = np.zeros((len(read_index), self.size), np.int64)
        defined = np.zeros(out.shape, bool)
        write_ends, read_ends = np.flatnonzero(last), np.flatnonzero(read_last)
        write = read = 0
        for tile, (write_end, read_end) in enumerate(zip(write_ends, read_ends, strict=True)):
            bank, known = banks[tile & 1], written[tile & 1]
            for n in range(write, int(write_end) + 1):
                place = (slice(None), index[n]) if axis[n] else (index[n], slice(None))
                bank[place], known[place] = elements[n], True
            for n in range(read, int(read_end) + 1):
                place = (slice(None), read_index[n]) if read_axis[n] else (read_index[n], slice(None))
                out[n], defined[n] = bank[place], known[place]
            write, read = int(write_end) + 1, int(read_end) + 1
        return out, defined

"""Reading and writing the image of a memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Flags", "MemoryRangeError", "read", "runs", "write", "write_runs"]

Bytes = NDArray[np.uint8]


class MemoryRangeError(IndexError):
    """An access outside of the memory: `address` of its first word there, `writing` or reading."""

    def __init__(self, address: int, writing: bool) -> None:
        super().__init__(f"the memory has no byte at {address:#x}")
        self.address, self.writing = address, writing


@dataclass(frozen=True)
class Flags:
    """What a command met.

    Args:
        invalid: NaN or infinity. saturated: a value clamped to the largest fp16 number. bad: a malformed
            block.
    """

    invalid: bool = False
    saturated: bool = False
    bad: bool = False


def _inside(memory: bytearray, address: int, count: int, writing: bool) -> None:
    if address + count > len(memory):
        raise MemoryRangeError(max(address, len(memory)) & ~7, writing)


def read(memory: bytearray, address: int, count: int) -> Bytes:
    """A copy of `count` bytes.

    Raises:
        MemoryRangeError: some of them are not there.
    """
    _inside(memory, address, count, False)
    return np.frombuffer(memory, np.uint8, count, address).copy()


def write(memory: bytearray, address: int, content: bytes) -> None:
    """Put bytes.

    Raises:
        MemoryRangeError: some of them do not fit.
    """
    _inside(memory, address, len(content), True)
    memory[address : address + len(content)] = content


def _starts(address: int, strides: tuple[int, int], counts: tuple[int, int]) -> NDArray[np.int64]:
    row, column = (np.arange(n, dtype=np.int64) * step for n, step in zip(counts, strides, strict=True))
    return (address + row[:, None] + column[None, :] & 0xFFFF_FFFF).reshape(-1)


def runs(
    memory: bytearray, address: int, strides: tuple[int, int], counts: tuple[int, int], size: int
) -> Bytes:
    """`size` bytes from each place: uint8 [rows * columns, size]; strides and counts of rows and columns."""
    starts = _starts(address, strides, counts)
    _inside(memory, int(starts.max()), size, False)
    source = np.frombuffer(memory, np.uint8)
    return np.asarray(source[starts[:, None] + np.arange(size)])


def write_runs(
    memory: bytearray, address: int, strides: tuple[int, int], counts: tuple[int, int], content: Bytes
) -> None:
    """The reverse of `runs`, in order."""
    starts = _starts(address, strides, counts)
    _inside(memory, int(starts.max()), content.shape[1], True)
    view = np.frombuffer(memory, np.uint8)
    view[starts[:, None] + np.arange(content.shape[1])] = content

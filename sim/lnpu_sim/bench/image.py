"""Memory of a machine while a list is made for it."""

import numpy as np
from numpy.typing import NDArray

from lnpu_sim.machine.commands import command_list

__all__ = ["Image"]


class Image:
    """Tensors one after the other, each from a multiple of 64 bytes on, and a list in front of them.

    Args:
        list_bytes: room for the list.
    """

    def __init__(self, list_bytes: int = 1 << 20) -> None:
        self.list_bytes = list_bytes
        self._parts: list[bytes] = []
        self._end = list_bytes

    def place(self, content: bytes) -> int:
        """Address of a tensor."""
        at = self._end
        padded = content + bytes(-len(content) % 64)
        self._parts.append(padded)
        self._end += len(padded)
        return at

    def room(self, count: int) -> int:
        """Address of `count` bytes that are zero."""
        return self.place(bytes(count))

    def memory(self, commands: list[list[int]]) -> tuple[NDArray[np.uint8], int]:
        """All bytes, and the words of the list at byte 0.

        Raises:
            ValueError: the list is longer than its room.
        """
        words = command_list([commands])
        if 8 * len(words) > self.list_bytes:
            raise ValueError(f"`list_bytes` must be at least {8 * len(words)}, not {self.list_bytes}")
        head = words.astype("<u8").tobytes()
        content = head + bytes(self.list_bytes - len(head)) + b"".join(self._parts)
        return np.frombuffer(content, np.uint8).copy(), len(words)

"""Who has which bytes of a device's memory."""

from dataclasses import dataclass

from lnpu_host.errors import HostError, OutOfMemoryError

__all__ = ["Memory", "Region", "check_inside"]

ALIGN = 64
"""Regions begin at multiples of this: whole words, and bursts that begin well."""


def check_inside(address: int, count: int, size: int) -> None:
    """Raise HostError unless `count` bytes from `address` on lie in a memory of `size` bytes."""
    if address < 0 or address + count > size:
        raise HostError(
            f"bytes {address:#x} to {address + count - 1:#x} are outside of the memory of {size} bytes"
        )


@dataclass(frozen=True)
class Region:
    """Bytes `address` to `address` + `size` - 1, for the tensor `name`."""

    name: str
    address: int
    size: int


class Memory:
    """Hands out regions, from low addresses up; nothing is given back.

    Args:
        size: bytes of the device's memory. first: first byte that may be handed out.
    """

    def __init__(self, size: int, first: int = 0) -> None:
        self.size, self.free = size, -(-first // ALIGN) * ALIGN
        self.regions: list[Region] = []

    def take(self, name: str, size: int) -> Region:
        """A region of `size` bytes for the tensor `name`.

        Raises:
            OutOfMemoryError: fewer bytes are left.
        """
        left = max(0, self.size - self.free)
        if size > left:
            raise OutOfMemoryError(f"`{name}` needs {size} bytes, {left} of {self.size} are left")
        region = Region(name, self.free, size)
        self.free += -(-size // ALIGN) * ALIGN
        self.regions.append(region)
        return region

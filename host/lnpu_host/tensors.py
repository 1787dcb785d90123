"""Tensors in a device's memory."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import RUN_WIDTHS_8, RUN_WIDTHS_16, FgmpFormat, Geometry
from lnpu.codec.descriptor import DESCRIPTOR_BYTES, Descriptor, Statistics
from lnpu_host.devices import Device
from lnpu_host.errors import HostError
from lnpu_host.memory import Memory
from lnpu_sim.machine.commands import padded

__all__ = ["Compressed", "Dense", "Mask"]

EXPONENT_BIAS = 15


def worst_words(geometry: Geometry) -> int:
    """64-bit words that the rows of a tensor take at most, whatever its format and content."""
    formats = [FgmpFormat(0, k8, k16) for k8 in RUN_WIDTHS_8 for k16 in RUN_WIDTHS_16]
    block = max(geometry.worst_block_bits(fmt) for fmt in formats)
    return geometry.rows * -(-geometry.w * block // 64)


@dataclass(frozen=True)
class Dense:
    """A dense tensor [..., C]; rows of its last axis are padded to multiples of 4 elements.

    Args:
        address: of its first byte. shape: without padding. dtype: "<f4" or "<f2". name: for errors.
    """

    address: int
    shape: tuple[int, ...]
    dtype: str = "<f4"
    name: str = "tensor"

    @classmethod
    def take(cls, memory: Memory, name: str, shape: tuple[int, ...], dtype: str = "<f4") -> "Dense":
        """A new tensor.

        Raises:
            OutOfMemoryError: it does not fit.
        """
        tensor = cls(0, shape, dtype, name)
        return replace(tensor, address=memory.take(name, tensor.size).address)

    @property
    def full_shape(self) -> tuple[int, ...]:
        """Shape with padding."""
        return (*self.shape[:-1], padded(self.shape[-1]))

    @property
    def size(self) -> int:
        """Bytes, padding included."""
        return int(np.prod(self.full_shape)) * np.dtype(self.dtype).itemsize

    def write(self, device: Device, array: NDArray[Any]) -> None:
        """The array to memory, zeros between.

        Raises:
            HostError: its shape is another one, or an element is NaN or infinite.
        """
        if array.shape != self.shape:
            raise HostError(f"`{self.name}` must have the shape {self.shape}, not {array.shape}")
        if not np.isfinite(array).all():
            at = tuple(int(n) for n in np.argwhere(~np.isfinite(array))[0])
            raise HostError(f"`{self.name}` must be finite, not {array[at]} at {at}")
        full = np.zeros(self.full_shape, self.dtype)
        full[..., : self.shape[-1]] = array
        device.write(self.address, full.tobytes())

    def read(self, device: Device) -> NDArray[Any]:
        """The array from memory."""
        full = np.frombuffer(device.read(self.address, self.size), self.dtype)
        return full.reshape(self.full_shape)[..., : self.shape[-1]]


@dataclass(frozen=True)
class Mask:
    """A bit for each element of a tensor, in the order of its compressed form."""

    address: int

    @classmethod
    def take(cls, memory: Memory, name: str, g: Geometry) -> "Mask":
        """A new mask.

        Raises:
            OutOfMemoryError: it does not fit.
        """
        bits = sum(g.n * g.h * g.w * padded(g.length(plane)) for plane in range(g.planes))
        return cls(memory.take(name, 8 * -(-bits // 64)).address)


@dataclass
class Seen:
    """Sums over steps: elements of each group, bytes of descriptor, pointers and rows."""

    steps: int = 0
    fp8: int = 0
    fp16: int = 0
    bytes: int = 0


class Compressed:
    """A compressed tensor: regions for its descriptor, pointers and rows, whatever its content.

    Args:
        memory: of the device. name: for errors and tables. geometry: its shape.

    Attributes:
        format: fields that the next ENCODE uses.
        pointers: int64 [rows + 1] and statistics: of the last ENCODE, after `refresh`.
        seen: sums over the calls of `note`.

    Raises:
        OutOfMemoryError: it does not fit.
    """

    def __init__(self, memory: Memory, name: str, geometry: Geometry) -> None:
        self.name, self.geometry, self.format = name, geometry, FgmpFormat()
        self.descriptor = memory.take(f"{name} descriptor", DESCRIPTOR_BYTES).address
        self.pointer_bytes = 4 * (geometry.rows + 1 + (geometry.rows + 1) % 2)
        self.pointers_at = memory.take(f"{name} pointers", self.pointer_bytes).address
        self.rows = memory.take(f"{name} rows", 8 * worst_words(geometry)).address
        self.pointers = np.zeros(geometry.rows + 1, np.int64)
        self.statistics = Statistics()
        self.seen = Seen()

    def refresh(self, device: Device) -> None:
        """Read what the last ENCODE left.

        Raises:
            CodecError: the descriptor is none.
        """
        self.statistics = Descriptor.unpack(device.read(self.descriptor, DESCRIPTOR_BYTES)).statistics
        raw = device.read(self.pointers_at, 4 * (self.geometry.rows + 1))
        self.pointers = np.frombuffer(raw, "<u4").astype(np.int64)

    @property
    def exponent(self) -> int:
        """floor(log2) of the largest magnitude, at most."""
        return self.statistics.exponent - EXPONENT_BIAS

    def note(self) -> None:
        """Count the tensor as it is now."""
        self.seen.steps += 1
        self.seen.fp8 += self.statistics.fp8
        self.seen.fp16 += self.statistics.fp16
        self.seen.bytes += DESCRIPTOR_BYTES + self.pointer_bytes + 8 * int(self.pointers[-1])

"""The C structures of shim.cpp, and port values as the compiled model stores them."""

import ctypes
import enum
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lnpu_sim.rtl.toolchain import RtlError

__all__ = [
    "PORT_DECLARATION",
    "Field",
    "Outcome",
    "Port",
    "RandomState",
    "Run",
    "StallState",
    "Stream",
    "from_storage",
    "read_ports",
    "to_storage",
]


PORT_DECLARATION = re.compile(r"VL_(INOUT|IN|OUT)(8|16|64|W|)\(&(\w+),(\d+),(\d+)")
"""A port in the header of a Verilated model: direction, kind, C++ name, most and least significant bit."""


@dataclass(frozen=True)
class Port:
    """One port of the compiled module: name, width in bits, direction, bytes of its storage in the model."""

    name: str
    bits: int
    output: bool
    bytes: int


class Outcome(enum.IntEnum):
    """Why a run ended (mirrors `Outcome` in shim.cpp)."""

    DONE = 0
    HANG = 1
    VALID_DROPPED = 2
    PAYLOAD_CHANGED = 3
    EXTRA_BEAT = 4
    FULL = 5


def read_ports(header: str) -> list[Port]:
    """The ports that a generated header declares, in order."""
    sizes = {"8": 1, "16": 2, "": 4, "64": 8}
    ports = []
    for direction, kind, name, msb, lsb in PORT_DECLARATION.findall(header):
        bits = int(msb) - int(lsb) + 1
        size = (bits + 31) // 32 * 4 if kind == "W" else sizes[kind]
        # Verilator writes characters that C++ does not take as __0 and two hexadecimal digits.
        plain = re.sub(r"__0([0-9A-F]{2})", lambda code: chr(int(code[1], 16)), name)
        ports.append(Port(plain, bits, direction == "OUT", size))
    return ports


class RandomState(ctypes.Structure):
    """Mirror of `Random` in shim.h."""

    _fields_ = (("state", ctypes.c_uint64),)


class StallState(ctypes.Structure):
    """Mirror of `Stall` in shim.cpp."""

    _fields_ = (
        ("kind", ctypes.c_uint32),
        ("period", ctypes.c_uint32),
        ("phase", ctypes.c_uint64),
        ("random", RandomState),
        ("threshold", ctypes.c_uint32),
    )


class Field(ctypes.Structure):
    """Mirror of `Field` in shim.cpp."""

    _fields_ = (
        ("port", ctypes.c_void_p),
        ("beats", ctypes.c_void_p),
        ("held", ctypes.c_void_p),
        ("bits", ctypes.c_uint32),
        ("bytes", ctypes.c_uint32),
    )


class Stream(ctypes.Structure):
    """Mirror of `Stream` in shim.cpp."""

    _fields_ = (
        ("valid", ctypes.c_void_p),
        ("ready", ctypes.c_void_p),
        ("fields", ctypes.POINTER(Field)),
        ("n_fields", ctypes.c_uint64),
        ("capacity", ctypes.c_uint64),
        ("expect", ctypes.c_uint64),
        ("stall", StallState),
        ("done", ctypes.c_uint64),
        ("first", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
        ("pending", ctypes.c_uint8),
        ("seen", ctypes.c_uint8),
    )


class Run(ctypes.Structure):
    """Mirror of `Run` in shim.cpp."""

    _fields_ = (
        ("idle_limit", ctypes.c_uint64),
        ("settle", ctypes.c_uint64),
        ("quiet_end", ctypes.c_uint8),
        ("garbage", ctypes.c_uint8),
        ("random", RandomState),
        ("cycles", ctypes.c_uint64),
        ("stream", ctypes.c_uint32),
        ("field", ctypes.c_uint32),
    )


def to_storage(port: Port, values: ArrayLike) -> NDArray[Any]:
    """Values of a port as the model stores them: C-contiguous, `port.bytes` bytes a beat."""
    array = np.asarray(values)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype.kind not in "ui":
        raise RtlError(f"port {port.name}: values must be integers, not {array.dtype}")
    words = (port.bits + 63) // 64
    if array.ndim != (1 if words == 1 else 2) or (words > 1 and array.shape[1] != words):
        want = "(beats,)" if words == 1 else f"(beats, {words}) uint64"
        raise RtlError(f"port {port.name} ({port.bits} bits): shape must be {want}, not {array.shape}")
    if words == 1:
        low, high = -(1 << port.bits - 1), (1 << port.bits) - 1
        if array.size and (int(array.min()) < low or int(array.max()) > high):
            bad = (
                int(array[np.argmax((array < low) | (array > high))]) if port.bits < 64 else int(array.min())
            )
            raise RtlError(f"port {port.name}: value {bad} does not fit {port.bits} bits")
        unsigned = array.astype(np.int64 if array.dtype.kind == "i" else np.uint64).view(np.uint64)
        masked = unsigned & np.uint64(high)
        return np.ascontiguousarray(masked.astype(f"u{port.bytes}"))
    top = array.astype(np.uint64)[:, -1]
    if port.bits % 64 and np.any(top >> np.uint64(port.bits % 64)):
        raise RtlError(f"port {port.name}: a value does not fit {port.bits} bits")
    raw = np.ascontiguousarray(array, dtype="<u8").view("<u4")
    return np.ascontiguousarray(raw[:, : port.bytes // 4])


def from_storage(port: Port, raw: NDArray[Any]) -> NDArray[np.uint64]:
    """The inverse of `to_storage` for `(beats, bytes)` uint8."""
    if port.bytes <= 8:
        return raw.view(f"<u{port.bytes}")[:, 0].astype(np.uint64)
    padded = np.zeros((len(raw), (port.bits + 63) // 64 * 8), np.uint8)
    padded[:, : port.bytes] = raw
    return padded.view("<u8")

"""Devices that run command lists: the golden model, the compiled Verilog, and boards."""

from typing import Any, Protocol

import numpy as np

from lnpu.engine.config import EngineConfig
from lnpu_host.errors import HostError
from lnpu_host.memory import check_inside
from lnpu_host.uart import Progress, UartDevice, parse_uart
from lnpu_sim.machine.model import Ended, MachineModel

__all__ = ["Device", "ModelDevice", "RtlDevice", "open_device"]

CYCLES = 50_000_000
"""Cycles that a list may take before it counts as hung, by default."""


class Device(Protocol):
    """A machine with a memory."""

    config: EngineConfig
    size: int
    """Bytes of its memory."""

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""

    def read(self, address: int, count: int) -> bytes:
        """Read bytes."""

    def run(self, address: int, words: int) -> Ended:
        """Execute the list of `words` words at byte `address`."""

    def counters(self) -> dict[str, int]:
        """Performance counters of the last list, by register name; empty where there are none."""


class ModelDevice:
    """The golden model: every byte as hardware leaves it, no cycles.

    Args:
        config: geometry. size: bytes of memory.
    """

    def __init__(self, config: EngineConfig, size: int = 1 << 24) -> None:
        self.config, self.size = config, size
        self.memory = bytearray(size)
        self.model = MachineModel(config)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        check_inside(address, len(data), self.size)
        self.memory[address : address + len(data)] = data

    def read(self, address: int, count: int) -> bytes:
        """Read bytes."""
        check_inside(address, count, self.size)
        return bytes(self.memory[address : address + count])

    def run(self, address: int, words: int) -> Ended:
        """Execute a list."""
        return self.model.run(self.memory, address, words)

    def counters(self) -> dict[str, int]:
        """None."""
        return {}


class RtlDevice:
    """The exported Verilog, compiled by Verilator, with a memory behind its AXI port.

    Args:
        config: geometry. size: bytes of memory. latency: cycles of the memory from request to answer.
        limit: cycles that a list may take before it counts as hung.
    """

    def __init__(
        self, config: EngineConfig, size: int = 1 << 24, latency: int = 50, limit: int = CYCLES
    ) -> None:
        # The generator is needed here only: a host that drives a board has none.
        from lnpu.export.machine import machine_verilog
        from lnpu.regs import compile_registers, registers
        from lnpu_sim.machine.rtl import Machine, build_machine

        self.config, self.size, self.limit = config, size, limit
        addresses = {one.name: one.address for one in registers(compile_registers(config))}
        unit = build_machine(machine_verilog(config))
        self.machine: Any = Machine(unit, addresses, size, latency=latency)
        self.names = [name for name in addresses if name.startswith(("COUNT_", "READ_", "WRITE_"))]

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        check_inside(address, len(data), self.size)
        self.machine.memory[address : address + len(data)] = np.frombuffer(data, np.uint8)

    def read(self, address: int, count: int) -> bytes:
        """Read bytes."""
        check_inside(address, count, self.size)
        return bytes(self.machine.memory[address : address + count].tobytes())

    def run(self, address: int, words: int) -> Ended:
        """Execute a list.

        Raises:
            RtlError: the machine does not end, or breaks a rule of AXI.
        """
        ended: Ended = self.machine.run(address, words, self.limit)
        return ended

    def counters(self) -> dict[str, int]:
        """All counters of the last list."""
        return {name: int(self.machine.read(name)) for name in self.names}


def open_device(
    kind: str, config: EngineConfig, size: int = 1 << 24, progress: Progress | None = None
) -> Device:
    """A device by name.

    Args:
        kind: model, rtl, uart:PORT or uart:PORT:BAUD. size: bytes of memory; a board has its own.
        progress: told about the transfers of a board.

    Raises:
        HostError: `kind` is none of these, or the board cannot be used.
    """
    if kind == "model":
        return ModelDevice(config, size)
    if kind == "rtl":
        return RtlDevice(config, size)
    if kind.startswith("uart:"):
        port, baud = parse_uart(kind.removeprefix("uart:"))
        return UartDevice(config, port, baud, progress=progress)
    raise HostError(f"`device` must be model, rtl, uart:PORT or uart:PORT:BAUD, not {kind}")

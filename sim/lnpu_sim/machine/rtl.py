"""The exported machine, compiled, with a memory behind it."""

from pathlib import Path

import numpy as np

from lnpu.machine.commands import Cause
from lnpu_sim.machine.model import Ended
from lnpu_sim.rtl import RtlError, RtlModule, build

__all__ = ["Machine", "build_machine"]

CAMPAIGN = Path(__file__).with_name("memory.cpp")
VIOLATIONS = (
    "none",
    "AR changed before it was taken",
    "AW changed before it was taken",
    "W changed before it was taken",
    "a burst crosses 4 KiB",
    "a burst is misaligned, not INCR or not of 8 bytes",
    "WLAST at the wrong beat",
)


def build_machine(verilog: str) -> RtlModule:
    """Compile the exported machine (top module `lnpu`)."""
    return build([verilog], "lnpu", campaign=CAMPAIGN, clock="aclk", reset="none")


class Machine:
    """Registers and memory of a compiled machine.

    Args:
        unit: from `build_machine`. registers: name -> byte address. size: bytes of the memory.
        latency: cycles from a request to its answer. pause: share of cycles in which a channel is not ready
            or has nothing, 0 to 0.95. bad: (first, end) byte addresses that answer SLVERR. seed: of pauses.
    """

    def __init__(
        self,
        unit: RtlModule,
        registers: dict[str, int],
        size: int,
        *,
        latency: int = 20,
        pause: float = 0.0,
        bad: tuple[int, int] = (0, 0),
        seed: int = 1,
    ) -> None:
        self.unit, self.registers = unit, registers
        self.memory = np.zeros(size, np.uint8)
        self.latency, self.pause, self.seed = latency, pause, seed
        self.fault(*bad)
        unit.call("machine_reset")

    def fault(self, first: int, end: int) -> None:
        """From now on bytes `first` to `end` - 1 answer SLVERR."""
        pause = int(self.pause * 65536)
        self.unit.call(
            "machine_bind", self.memory, len(self.memory), self.latency, pause, self.seed, first, end
        )

    def write(self, name: str, value: int) -> None:
        """Write a register.

        Raises:
            RtlError: it answers an error, or not at all.
        """
        if (answer := self.unit.call("machine_write", self.registers[name], value)) != 0:
            raise RtlError(f"a write to {name} is answered by {answer}")

    def read(self, name: str) -> int:
        """Read a register.

        Raises:
            RtlError: it answers an error, or not at all.
        """
        answer = self.unit.call("machine_read", self.registers[name])
        if not 0 <= answer < 1 << 32:
            raise RtlError(f"a read of {name} is answered by {answer >> 32}")
        return answer

    def start(self, address: int, words: int) -> None:
        """Begin a list."""
        self.write("LIST_ADDRESS", address)
        self.write("LIST_WORDS", words)
        self.write("IRQ_STATUS", 3)
        self.write("CONTROL", 1 << 8 | 1)

    def wait(self, limit: int = 1_000_000) -> Ended:
        """Wait for the interrupt; how the list ended.

        Raises:
            RtlError: no interrupt within `limit` cycles, or a rule of AXI was broken.
        """
        if self.unit.call("machine_wait", limit) == limit:
            raise RtlError(f"no interrupt within {limit} cycles, status {self.read('STATUS'):#x}")
        if violation := self.unit.call("machine_violation"):
            raise RtlError(f"AXI: {VIOLATIONS[violation]}")
        return Ended(Cause(self.read("ERROR_CAUSE")), self.read("ERROR_COMMAND"), self.read("ERROR_ADDRESS"))

    def run(self, address: int, words: int, limit: int = 1_000_000) -> Ended:
        """`start` and `wait`."""
        self.start(address, words)
        return self.wait(limit)

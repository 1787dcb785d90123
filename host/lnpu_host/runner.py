"""Command lists to the device and back: upload, run, judge how it ended, count."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lnpu.machine.commands import Cause, Opcode
from lnpu_host.devices import Device
from lnpu_host.errors import HostError, StoppedError
from lnpu_host.memory import Memory
from lnpu_sim.machine.commands import command_list

__all__ = ["ListRunner", "Usage"]


@dataclass
class Usage:
    """What the lists of one kind took: how many there were, seconds of the device's time, sums of the
    device's counters."""

    lists: int = 0
    seconds: float = 0.0
    counters: Counter[str] = field(default_factory=Counter)

    @property
    def cycles(self) -> int:
        """Cycles from start to interrupt; 0 where the device has no counters."""
        return self.counters["COUNT_BUSY"]


class ListRunner:
    """Runs lists, one after the other, from one place in memory.

    Args:
        device: with a memory. memory: who has which of its bytes. room: bytes for a list; default an
        eighth of the memory, 1 MiB at most.

    Attributes:
        usage: by name of the list, as given to `run`.
    """

    def __init__(self, device: Device, memory: Memory, room: int | None = None) -> None:
        self.device = device
        self.place = memory.take("command list", room or min(1 << 20, memory.size // 8))
        self.usage: dict[tuple[str, str], Usage] = {}

    def run(self, name: tuple[str, str], commands: Sequence[NDArray[np.uint64]]) -> bool:
        """Execute commands.

        Args:
            name: layer and pass, for the counters.

        Returns:
            whether all sums and results were in range; if not, the list stopped early.

        Raises:
            HostError: the list is longer than its room. StoppedError: another cause stopped it.
        """
        words = np.concatenate([*commands, command_list([])])
        if words.nbytes > self.place.size:
            raise HostError(f"the list of {' '.join(name)} has {words.nbytes} bytes, not {self.place.size}")
        self.device.write(self.place.address, words.tobytes())
        start = time.perf_counter()
        ended = self.device.run(self.place.address, len(words))
        seconds = time.perf_counter() - start
        used = self.usage.setdefault(name, Usage())
        used.lists += 1
        used.seconds += seconds
        # The engine's counters are of the last pass: a list without one would count it again.
        passes = any(int(part[0]) & 255 == Opcode.PASS for part in commands)
        kept = ("COUNT_", "READ_", "WRITE_") if passes else ("COUNT_BUSY", "READ_", "WRITE_")
        counters = self.device.counters()
        used.counters.update({name: n for name, n in counters.items() if name.startswith(kept)})
        if ended.cause not in (Cause.NONE, Cause.OVERFLOW, Cause.INVALID):
            raise StoppedError(
                f"the list of {' '.join(name)} was stopped: {ended.cause.name.lower()}, "
                f"command {ended.index}, address {ended.address:#x}"
            )
        return ended.cause is Cause.NONE

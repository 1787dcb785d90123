"""Runs passes on a compiled machine or on the model, and judges the results."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig, Pass
from lnpu.formats import FP16
from lnpu.machine.commands import Cause
from lnpu_sim.bench.job import Job, job
from lnpu_sim.engine.inputs import Technique, encode_with
from lnpu_sim.engine.reference import convolve64, sparse_values
from lnpu_sim.engine.workload import Workload
from lnpu_sim.machine.model import Ended, MachineModel
from lnpu_sim.machine.rtl import Machine
from lnpu_sim.numeric.floats import decode_array
from lnpu_sim.rtl import RtlModule

__all__ = ["BenchError", "Device", "Measured", "ModelDevice", "RtlDevice", "measure"]


class BenchError(ValueError):
    """A pass that a machine does not finish."""


class Device(Protocol):
    """Runs a list that lies at byte 0 of a memory."""

    def run(self, memory: NDArray[np.uint8], words: int) -> tuple[Ended, NDArray[np.uint8], dict[str, int]]:
        """How it ended, the memory after it, the counters by register name (none: not counted)."""


class ModelDevice:
    """The golden model: results without cycles."""

    def __init__(self, config: EngineConfig) -> None:
        self.model = MachineModel(config)

    def run(self, memory: NDArray[np.uint8], words: int) -> tuple[Ended, NDArray[np.uint8], dict[str, int]]:
        """As `Device`."""
        after = bytearray(memory.tobytes())
        return self.model.run(after, 0, words), np.frombuffer(bytes(after), np.uint8), {}


class RtlDevice:
    """The compiled machine.

    Args:
        unit: from `build_machine`. registers: name -> byte address. latency: of the memory, cycles.
    """

    def __init__(self, unit: RtlModule, registers: dict[str, int], latency: int = 50) -> None:
        self.unit, self.registers, self.latency = unit, registers, latency

    def run(self, memory: NDArray[np.uint8], words: int) -> tuple[Ended, NDArray[np.uint8], dict[str, int]]:
        """As `Device`."""
        machine = Machine(self.unit, self.registers, len(memory), latency=self.latency)
        machine.memory[:] = memory
        ended = machine.run(0, words, limit=1 << 31)
        names = [n for n in self.registers if n.startswith(("COUNT_", "READ_", "WRITE_"))]
        return ended, machine.memory, {name: machine.read(name) for name in names}


@dataclass(frozen=True)
class Measured:
    """A pass on a device.

    Args:
        layer: its name. kind, technique: what was run. counts: registers. bits: of an element of the sparse
            input, everything included. elements: of the sparse input; results: of the result. mismatches:
            bytes of memory that differ from the model's. error: of the results against fp64 of the same
            operands, relative norm.
    """

    layer: str
    kind: Pass
    technique: Technique
    counts: dict[str, int] = field(repr=False)
    bits: float
    elements: int
    results: int
    mismatches: int
    error: float


def _error(made: Job, memory: NDArray[np.uint8]) -> float:
    layer = made.layer
    exact = convolve64(layer.kind, layer.shape, sparse_values(layer.sparse), decode_array(FP16, layer.dense))
    width = -(-exact.shape[-1] // 4) * 4
    count = exact.size // exact.shape[-1] * width
    raw = memory[made.result : made.result + 4 * count].view("<f4").reshape(*exact.shape[:-1], width)
    norm = float(np.linalg.norm(exact))
    return float(np.linalg.norm(raw[..., : exact.shape[-1]] - exact)) / norm if norm else 0.0


def measure(
    works: Iterable[Workload],
    kinds: Iterable[Pass],
    techniques: Iterable[Technique],
    device: Device,
    config: EngineConfig,
) -> Iterator[Measured]:
    """Each pass of each layer under each technique, compared with the golden model and with fp64.

    Raises:
        BenchError: a list ends with an error. EngineError: a layer does not fit the engine.
    """
    model = ModelDevice(config)
    for work in works:
        for kind in kinds:
            for technique in techniques:
                made = job(work, kind, technique, config)
                ended, memory, counts = device.run(made.memory, made.words)
                if ended.cause is not Cause.NONE:
                    what = f"{work.name}, {kind.name}, {technique.value}"
                    raise BenchError(f"{what}: {ended.cause.name} at command {ended.index}")
                want = memory if isinstance(device, ModelDevice) else model.run(made.memory, made.words)[1]
                tensor = encode_with(work.d if kind is Pass.BP else work.x, technique)
                yield Measured(
                    work.name,
                    kind,
                    technique,
                    counts,
                    tensor.bits_per_element,
                    tensor.descriptor.geometry.elements,
                    made.layer.images * int(np.prod(made.layer.pixels)) * made.layer.sides[1],
                    int((memory != want).sum()),
                    _error(made, memory),
                )

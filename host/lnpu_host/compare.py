"""What a trained network's layers cost on a machine, against dense fp16 on the same machine."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.descriptor import DESCRIPTOR_BYTES, Descriptor
from lnpu.engine.config import Pass
from lnpu_host.devices import Device, RtlDevice
from lnpu_host.model import DeviceModel
from lnpu_host.tensors import Compressed
from lnpu_sim.bench.report import lost, moved
from lnpu_sim.bench.run import Measured, measure
from lnpu_sim.bench.run import RtlDevice as Bench
from lnpu_sim.codec.tensor import EncodedTensor, decode
from lnpu_sim.engine.inputs import Technique
from lnpu_sim.engine.workload import Workload

__all__ = ["Compared", "against_dense", "workloads"]


@dataclass(frozen=True)
class Compared:
    """A pass of a layer, with what belongs to it (encoding, decoding, ReLU).

    Args:
        cycles, dense_cycles: of its list. engine_speed_up: of the engine alone, first to last issue.
        utilisation: slots issued of all line cycles. lost: shares of these, by cause. bytes, dense_bytes:
            moved.
    """

    layer: str
    kind: str
    cycles: int
    dense_cycles: int
    engine_speed_up: float
    utilisation: float
    lost: dict[str, float] = field(repr=False)
    bytes: int
    dense_bytes: int

    @property
    def speed_up(self) -> float:
        """Cycles of dense fp16 over these."""
        return self.dense_cycles / self.cycles

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "speed_up": self.speed_up}


def _values(device: Device, tensor: Compressed) -> NDArray[np.float32]:
    """What the last ENCODE left, [N, H, W, C]."""
    descriptor = Descriptor.unpack(device.read(tensor.descriptor, DESCRIPTOR_BYTES))
    pointers = np.frombuffer(device.read(tensor.pointers_at, 4 * (tensor.geometry.rows + 1)), "<u4")
    words = np.frombuffer(device.read(tensor.rows, 8 * descriptor.data_words), "<u8")
    encoded = EncodedTensor(descriptor, pointers.astype(np.uint32), words.astype(np.uint64))
    return decode(encoded).view(np.float16).astype(np.float32)


def workloads(model: DeviceModel) -> list[Workload]:
    """The layers of a network as its last step left them in memory."""
    found = []
    for stage in model.stages:
        shape = stage.shape
        weights = np.asarray(stage.parameters.weights.read(model.device)[:-1], np.float32)
        size = (shape.kernel, shape.kernel, shape.inputs, shape.outputs)
        x, d = (_values(model.device, tensor) for tensor in (stage.x, stage.d))
        found.append(Workload(stage.name, shape, x, d, weights.reshape(size)))
    return found


def against_dense(device: RtlDevice, works: list[Workload]) -> list[Compared]:
    """Each pass of each layer on the compiled machine (BP not of the first), whose memory is lost.

    Raises:
        BenchError: a list ends with an error, or a result is not the model's.
    """
    bench = Bench(device.machine.unit, device.machine.registers, device.machine.latency)
    rows = []
    for n, work in enumerate(works):
        kinds = [kind for kind in Pass if n or kind is not Pass.BP]
        techniques = (Technique.NEITHER, Technique.BOTH)
        runs = list(measure([work], kinds, techniques, bench, device.config))
        rows += [_compared(*pair) for pair in zip(runs[::2], runs[1::2], strict=True)]
    return rows


def _compared(dense: Measured, coded: Measured) -> Compared:
    shares = lost(coded)
    return Compared(
        coded.layer,
        coded.kind.name,
        coded.counts["COUNT_BUSY"],
        dense.counts["COUNT_BUSY"],
        dense.counts["COUNT_CYCLES"] / max(1, coded.counts["COUNT_CYCLES"]),
        1 - sum(shares.values()),
        shares,
        sum(moved(coded).values()),
        sum(moved(dense).values()),
    )

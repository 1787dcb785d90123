"""A pass of a layer as a machine does it in a training step: its list and its memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import FgmpFormat, Geometry
from lnpu.codec.descriptor import DESCRIPTOR_BYTES
from lnpu.engine.config import EngineConfig, Pass
from lnpu.machine.commands import Opcode
from lnpu_sim.bench.image import Image
from lnpu_sim.engine.inputs import Technique, format_for
from lnpu_sim.engine.layer import Layer
from lnpu_sim.engine.workload import Workload, pass_of
from lnpu_sim.machine.commands import Addresses, command, partial_bytes, pass_commands, to_memory
from lnpu_sim.vector.encode import to_mask_bits

__all__ = ["Job", "job"]


@dataclass(frozen=True)
class Job:
    """A list in a memory.

    Args:
        layer: the pass. memory: bytes, the list of `words` words at 0. result: address of the fp32 result,
            `[N, H, W, C]` or `[R, S, C, K]`, rows padded to 4 elements.
    """

    layer: Layer
    memory: NDArray[np.uint8]
    words: int
    result: int


class _Maker:
    def __init__(self, work: Workload, kind: Pass, technique: Technique, config: EngineConfig) -> None:
        self.work, self.kind, self.config = work, kind, config
        self.coded = technique is Technique.BOTH
        self.technique = technique
        self.image = Image()

    def make(self) -> Job:
        layer, tensor = pass_of(self.work, self.kind, self.technique, ones=self.kind is Pass.WG)
        image = self.image
        shape = layer.shape
        outer = -(-layer.sides[1] // 4) * 4
        wg = self.kind is Pass.WG
        rows = shape.taps * shape.inputs if wg else layer.images * layer.pixels[0] * layer.pixels[1]
        dense = to_memory(layer.dense.astype("<u2"))
        flushes = -(-self.work.d[..., 0].size // layer.flush) if wg else 0
        at = Addresses(
            sparse=image.place(tensor.words.astype("<u8").tobytes()),
            dense=image.place(dense),
            result=image.room(4 * rows * outer),
            bias_result=image.room(4 * outer),
            partial=image.room(flushes * partial_bytes(layer)) if flushes > 1 else 0,
        )
        commands = pass_commands(layer, tensor, self.config, at)
        if self.kind is Pass.FP:
            g = Geometry(layer.images, *layer.pixels, layer.sides[1])
            commands += self._finish(g, at.result, np.zeros((g.n, g.h, g.w, g.c), bool))
        elif self.kind is Pass.BP:
            d = self.work.d.astype("<f4")
            wide = np.pad(d, [(0, 0)] * 3 + [(0, -d.shape[3] % 4)])
            commands = self._finish(Geometry(*d.shape), image.place(wide.tobytes()), d != 0) + commands
        memory, words = image.memory(commands)
        return Job(layer, memory, words, at.result)

    def _finish(self, g: Geometry, source: int, bits: NDArray[np.bool_]) -> list[list[int]]:
        """fp32 through ReLU (FP) or its mask (BP) to the compressed input of a pass; dense fp16 has the
        former only. `bits`: of the mask."""
        backward = self.kind is Pass.BP
        fields = {
            "relu": int(not backward),
            "mask_in": int(backward),
            "mask_out": int(not backward),
            "gradient": int(backward),
            **_shape(g),
            "source": source,
            "mask": self.image.place(to_mask_bits(bits, g)),
        }
        if not self.coded:
            room = 4 * g.n * g.h * g.w * (-(-g.c // 4) * 4)
            return [command(Opcode.MASK, {**fields, "target": self.image.room(room)})]
        # The format of this layer's X stands for that of the next one's.
        own = format_for(self.work.d if backward else self.work.x)
        worst = g.rows * (-(-g.w * g.worst_block_bits(own) // 64)) * 8
        fields |= {
            **_format(own),
            "pointers": self.image.room(8 * ((g.rows + 2) // 2)),
            "target": self.image.room(worst),
            "copy": int(backward),
            "descriptor": self.image.room(DESCRIPTOR_BYTES),
            "copy_target": self.image.room(2 * g.n * g.h * g.w * (-(-g.c // 4) * 4)) if backward else 0,
        }
        return [command(Opcode.ENCODE, fields)]


def _shape(g: Geometry) -> dict[str, int]:
    return {name: getattr(g, name) for name in "nhwc"}


def _format(fmt: FgmpFormat) -> dict[str, int]:
    return {"bias": fmt.bias, "k8": fmt.k8, "k16": fmt.k16}


def job(work: Workload, kind: Pass, technique: Technique, config: EngineConfig) -> Job:
    """What a machine does for one pass of a layer.

    As in a step of `lnpu train`. FP: the pass, then ReLU and its mask bits; with mixed precision y is
    encoded. BP: the gradient of y through its mask; with mixed precision it is encoded, for WG also as dense
    fp16; then the pass. WG: dW and db in fp32. For dense fp16 (`Technique.NEITHER`) nothing is encoded, ReLU
    and mask are applied in fp32.

    Raises:
        EngineError: the layer does not fit the engine.
    """
    return _Maker(work, kind, technique, config).make()

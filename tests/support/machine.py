"""Layers in the memory of a machine, and lists for them."""

from dataclasses import dataclass

import numpy as np

from lnpu.engine.config import Convolution, Pass
from lnpu_sim.engine.layer import FLUSH
from lnpu_sim.engine.workload import pass_of, synthetic
from lnpu_sim.machine.commands import Addresses, command_list, padded, partial_bytes, pass_commands, to_memory

SIZE = 1 << 20
LIST = 0x100
LINEAR = Convolution(1, 1, 24, 12), 6
KERNEL = Convolution(4, 5, 11, 9, 3, 1, 1), 2
SHAPES = {"linear": LINEAR, "kernel": KERNEL}


@dataclass
class Case:
    """A pass in memory."""

    layer: object
    tensor: object
    at: Addresses
    commands: list


class Image:
    """Memory with the passes of a layer and one list for them."""

    def __init__(self, config, shape, images, kinds=tuple(Pass), seed=0, flush=FLUSH):
        self.config, self.memory, self.free = config, bytearray(SIZE), 0x6000
        self.flush = flush
        work = synthetic(shape, images, 0.5, seed=seed)
        # What is between the tensors must stay as it is.
        self.memory[self.free :] = np.random.default_rng(seed).bytes(SIZE - self.free)
        self.cases = [self._case(work, kind) for kind in kinds]
        self.words = 0
        self.put([case.commands for case in self.cases])

    def place(self, content):
        """Addresses just above and just below borders of 4 KiB."""
        at = self.free
        self.memory[at : at + len(content)] = content
        self.free = -(-(at + len(content)) // 4096) * 4096 + 8 * (at % 7)
        return at

    def _case(self, work, kind):
        layer, tensor = pass_of(work, kind, ones=kind is Pass.WG, flush=self.flush)
        outer = padded(layer.sides[1])
        rows = layer.shape.taps * layer.sides[0] if kind is Pass.WG else layer.images * np.prod(layer.pixels)
        blank = lambda rows: self.place(bytes([0xA5]) * (4 * int(rows) * outer))  # noqa: E731
        at = Addresses(
            sparse=self.place(tensor.words.astype("<u8").tobytes()),
            dense=self.place(to_memory(layer.dense.astype("<u2"))),
            result=blank(rows),
            bias_result=blank(1),
            partial=self.place(bytes(4 * partial_bytes(layer))) if kind is Pass.WG else 0,
        )
        return Case(layer, tensor, at, pass_commands(layer, tensor, self.config, at))

    def put(self, passes):
        """A list of these commands at LIST."""
        words = command_list(passes)
        self.words = len(words)
        assert LIST + 8 * self.words <= 0x6000
        self.memory[LIST : LIST + 8 * self.words] = words.tobytes()

    def results(self, memory, case):
        """[sums] of a pass as fp32, from memory: the shape of `assemble`'s."""
        layer = case.layer
        wg = layer.kind is Pass.WG
        s = layer.shape
        shape = (s.kernel, s.kernel, s.inputs) if wg else (layer.images, *layer.pixels)
        found = []
        for start, rows in ((case.at.result, shape), (case.at.bias_result, (1,)))[: 2 if wg else 1]:
            width = padded(layer.sides[1])
            count = int(np.prod(rows)) * width
            raw = np.frombuffer(bytes(memory[start : start + 4 * count]), "<f4").reshape(*rows, width)
            found.append((raw[..., : layer.sides[1]], raw[..., layer.sides[1] :]))
        return found

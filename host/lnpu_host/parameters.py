"""Weights of a layer in a device's memory: fp32 masters and momenta, fp16 copies, gradient."""

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import Convolution
from lnpu.machine.commands import Opcode
from lnpu_host.devices import Device
from lnpu_host.elementwise import fp32_code, words_of
from lnpu_host.memory import Memory
from lnpu_host.tensors import EXPONENT_BIAS, Dense
from lnpu_sim.machine.commands import padded

__all__ = ["Parameters", "initial", "to_half"]

Floats = NDArray[np.float32]

STEPS = 1 << 20
"""Initial weights are this many steps to either side of zero."""


def to_half(x: Floats) -> NDArray[np.float16]:
    """fp16 copies as UPDATE makes them: nearest even, below 2^-14 +0, beyond 65504 that."""
    kept = np.where(np.abs(x) < np.float32(2.0**-14), np.float32(0), np.clip(x, -65504, 65504))
    return np.asarray(kept, np.float32).astype(np.float16)


def initial(shape: Convolution, rng: np.random.Generator) -> Floats:
    """Masters [taps * inputs + 1, outputs]: uniform in +-sqrt(6 / fan-in), biases 0.

    Random integers, and one correctly rounded product of each: the same everywhere.
    """
    fan_in = shape.taps * shape.inputs
    steps = rng.integers(-STEPS, STEPS + 1, (fan_in, shape.outputs))
    weights = (steps * (np.sqrt(6.0 / fan_in) / STEPS)).astype(np.float32)
    return np.vstack([weights, np.zeros((1, shape.outputs), np.float32)])


class Parameters:
    """The weights of a layer, `[R][S][C][K]`, and behind them its biases: rows of K numbers.

    Args:
        memory: of the device. name: of the layer. shape: of the layer.

    Attributes:
        exponent: floor(log2) of the largest fp16 copy, biases included, after `load` or `refresh`.

    Raises:
        OutOfMemoryError: they do not fit.
    """

    def __init__(self, memory: Memory, name: str, shape: Convolution) -> None:
        self.name = name
        self.rows, self.outputs = shape.taps * shape.inputs + 1, shape.outputs
        self.width = padded(self.outputs)
        self.weights = Dense.take(memory, f"{name} weights", (self.rows, self.outputs), "<f2")
        self.gradient = Dense.take(memory, f"{name} gradient", (self.rows, self.outputs))
        self.state = memory.take(f"{name} state", 8 * self.rows * self.width).address
        self.exponent_at = memory.take(f"{name} exponent", 8).address
        self.exponent = -EXPONENT_BIAS

    def bias_of(self, tensor: Dense) -> int:
        """Address of the biases' row in the weights or the gradient."""
        return tensor.address + tensor.size // self.rows * (self.rows - 1)

    def load(self, device: Device, master: Floats, momentum: Floats) -> None:
        """Masters and momenta [rows, outputs] to memory, and what follows from them."""
        pairs = np.zeros((self.rows, self.width, 2), "<f4")
        pairs[:, : self.outputs, 0], pairs[:, : self.outputs, 1] = master, momentum
        device.write(self.state, pairs.tobytes())
        copies = to_half(master)
        self.weights.write(device, copies)
        device.write(self.gradient.address, bytes(self.gradient.size))
        exponent = int((copies.view(np.uint16) >> 10 & 31).max())
        device.write(self.exponent_at, bytes((0, 0, 0, exponent, 0, 0, 0, 0)))
        self.refresh(device)

    def store(self, device: Device) -> tuple[Floats, Floats]:
        """Masters and momenta [rows, outputs] from memory."""
        raw = np.frombuffer(device.read(self.state, 8 * self.rows * self.width), "<f4")
        pairs = raw.reshape(self.rows, self.width, 2)[:, : self.outputs]
        return pairs[..., 0].copy(), pairs[..., 1].copy()

    def refresh(self, device: Device) -> None:
        """Read the exponent that UPDATE left."""
        self.exponent = device.read(self.exponent_at, 8)[3] - EXPONENT_BIAS

    def update(self, *, scale: float, rate: float, momentum: float, decay: float) -> NDArray[np.uint64]:
        """The command UPDATE: a step of SGD, the gradient times `scale`."""
        return words_of(
            Opcode.UPDATE,
            {
                "guarded": 0,
                "count": self.rows * self.width,
                "gradient": self.gradient.address,
                "state": self.state,
                "weights": self.weights.address,
                "exponent": self.exponent_at,
                "scale": fp32_code(scale),
                "decay": fp32_code(decay),
                "momentum": fp32_code(momentum),
                "rate": fp32_code(rate),
            },
        )

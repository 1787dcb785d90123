"""The same networks in plain numpy, fp32 or fp16 with fp32 sums: what mixed precision is judged by."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import Convolution
from lnpu_host.errors import HostError
from lnpu_host.layers import Network, shapes_of
from lnpu_host.loss import cross_entropy
from lnpu_host.optimiser import Optimiser
from lnpu_host.parameters import initial, to_half
from lnpu_host.scaling import LossScale
from lnpu_host.trainer import Arrays, StepResult

__all__ = ["ReferenceModel"]

Floats = NDArray[np.float32]


def _columns(x: Floats, s: Convolution) -> Floats:
    """[N, H, W, C] to [N, OH, OW, taps * C + 1]: the inputs of each output pixel, and the constant 1."""
    p, k, t = s.padding, s.kernel, s.stride
    padded = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    taps = [
        padded[:, ky : ky + t * s.output_height : t, kx : kx + t * s.output_width : t][
            :, : s.output_height, : s.output_width
        ]
        for ky in range(k)
        for kx in range(k)
    ]
    ones = np.ones((*taps[0].shape[:-1], 1), np.float32)
    return np.concatenate([*taps, ones], axis=-1)


def _scatter(d: Floats, s: Convolution, images: int) -> Floats:
    """The transposed operation of `_columns`, without the constant 1."""
    p, k, t = s.padding, s.kernel, s.stride
    height, width = s.height + 2 * p, s.width + 2 * p
    room = np.zeros((images, height + t, width + t, s.inputs), np.float32)
    for n in range(k * k):
        ky, kx = divmod(n, k)
        part = d[..., n * s.inputs : (n + 1) * s.inputs]
        room[:, ky : ky + t * s.output_height : t, kx : kx + t * s.output_width : t][
            :, : s.output_height, : s.output_width
        ] += part
    return np.asarray(room[:, p : p + s.height, p : p + s.width])


def _pooled(x: Floats, size: int) -> Floats:
    """Means of `size` x `size` windows."""
    if size == 1:
        return x
    n, h, w, c = x.shape
    return np.asarray(x.reshape(n, h // size, size, w // size, size, c).mean(axis=(2, 4)), np.float32)


class ReferenceModel:
    """A network in numpy.

    Args:
        network: layers. numerics: fp32 or fp16. batch, optimiser, scale: as for `DeviceModel`.

    Raises:
        HostError: the network cannot be run, or `numerics` is neither.
    """

    def __init__(
        self,
        network: Network,
        numerics: str,
        batch: int = 32,
        optimiser: Optimiser | None = None,
        scale: LossScale | None = None,
    ) -> None:
        if numerics not in ("fp32", "fp16"):
            raise HostError(f"`numerics` must be fp32 or fp16 here, not {numerics}")
        self.layers, self.batch = shapes_of(network), batch
        self.narrow = numerics == "fp16"
        self.optimiser, self.scale = optimiser or Optimiser(), scale or LossScale()
        self.masters: list[Floats] = []
        self.momenta: list[Floats] = []

    def initialise(self, seed: int) -> None:
        """Fresh weights, those of `DeviceModel.initialise`."""
        rng = np.random.Generator(np.random.PCG64(seed))
        self.masters = [initial(layer.shape, rng) for layer in self.layers]
        self.momenta = [np.zeros_like(master) for master in self.masters]

    def _operand(self, x: Floats) -> Floats:
        return to_half(x).astype(np.float32) if self.narrow else x

    def _forward(self, images: Floats) -> tuple[Floats, list[Floats], list[Floats]]:
        """Logits; of each layer the columns, and the sum before ReLU."""
        x, columns, outputs = images, [], []
        after: list[Floats] = []
        for layer, master in zip(self.layers, self.masters, strict=True):
            found = _columns(self._operand(x).reshape(len(images), *layer.input), layer.shape)
            columns.append(found)
            y = found @ self._operand(master)
            if layer.add is not None:
                y = y + after[layer.add]
            outputs.append(y)
            x = _pooled(np.maximum(y, 0), layer.pool)
            after.append(x)
        return outputs[-1].reshape(len(images), -1), columns, outputs

    def step(self, images: Floats, labels: NDArray[np.int64]) -> StepResult:
        """One step of training; gradients out of range of fp16 change no weights."""
        logits, columns, outputs = self._forward(images)
        loss, d = cross_entropy(logits, labels, self.scale.value)
        right = int((logits.argmax(axis=1) == labels).sum())
        gradients: list[Floats] = []
        skipped: dict[int, Floats] = {}  # what layers that added an output say of its gradient
        good = True
        for n in reversed(range(len(self.layers))):
            layer = self.layers[n]
            if n < len(self.layers) - 1:
                d = d.reshape(len(images), *layer.pooled) + skipped.get(n, np.float32(0))
                d = d.repeat(layer.pool, 1).repeat(layer.pool, 2) * np.float32(layer.pool**-2.0)
                d = np.where(outputs[n] > 0, d, np.float32(0))
            if layer.add is not None:
                skipped[layer.add] = skipped.get(layer.add, np.float32(0)) + d
            good &= not self.narrow or bool(np.abs(d).max() <= 65504)
            d = self._operand(d.reshape(len(images), *layer.output))
            flat = columns[n].reshape(-1, columns[n].shape[-1])
            gradients.insert(0, flat.T @ d.reshape(len(flat), -1))
            if n:
                weights = self._operand(self.masters[n])[:-1]
                d = _scatter(d @ weights.T, layer.shape, len(images))
        if good:
            self._update(gradients)
        self.scale.note(not good)
        return StepResult(loss, right, good)

    def _update(self, gradients: list[Floats]) -> None:
        o = self.optimiser
        for n, gradient in enumerate(gradients):
            g = gradient / np.float32(self.scale.value) + np.float32(o.decay) * self.masters[n]
            self.momenta[n] = np.float32(o.momentum) * self.momenta[n] + g
            self.masters[n] = self.masters[n] - np.float32(o.rate) * self.momenta[n]

    def predict(self, images: Floats) -> NDArray[np.int64]:
        """Classes of any number of images."""
        return np.asarray(self._forward(images)[0].argmax(axis=1), np.int64)

    def figures(self) -> dict[str, Any]:
        """The loss scale, ready for JSON."""
        return {"loss_scale": self.scale.value}

    def weights(self) -> list[Floats]:
        """Masters of each layer."""
        return list(self.masters)

    def state(self) -> Arrays:
        """Masters, momenta, loss scale."""
        found: Arrays = {"scale": np.array([self.scale.value, self.scale.clean], np.int64)}
        for layer, master, momentum in zip(self.layers, self.masters, self.momenta, strict=True):
            found[f"{layer.name}_master"], found[f"{layer.name}_momentum"] = master, momentum
        return found

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take a state up again.

        Raises:
            HostError: it is another network's.
        """
        shapes = [(layer.shape.taps * layer.shape.inputs + 1, layer.shape.outputs) for layer in self.layers]
        names = [layer.name for layer in self.layers]
        for name, shape in zip(names, shapes, strict=True):
            if f"{name}_master" not in state or state[f"{name}_master"].shape != shape:
                raise HostError("the checkpoint is of another network")
        self.masters = [state[f"{name}_master"] for name in names]
        self.momenta = [state[f"{name}_momentum"] for name in names]
        self.scale.value, self.scale.clean = state["scale"].tolist()

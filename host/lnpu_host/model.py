"""A network on a device: one training step, one prediction."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import FgmpFormat
from lnpu_host.codec_control import next_format
from lnpu_host.devices import Device
from lnpu_host.elementwise import encode
from lnpu_host.errors import HostError
from lnpu_host.layers import Network, shapes_of
from lnpu_host.loss import cross_entropy
from lnpu_host.memory import Memory
from lnpu_host.optimiser import Optimiser
from lnpu_host.parameters import initial
from lnpu_host.passes import PassPlanner, Words
from lnpu_host.report import figures
from lnpu_host.runner import ListRunner
from lnpu_host.scaling import LossScale
from lnpu_host.stage import Stage
from lnpu_host.tensors import Compressed, Dense
from lnpu_host.trainer import Arrays, StepResult

__all__ = ["DeviceModel"]


class DeviceModel:
    """A network in a device's memory, for batches of `batch` images.

    Args:
        device: empty. network: layers. batch: images of a step, 1 to 4096. optimiser: of the steps.
        scale: of the loss.

    Raises:
        HostError: the network cannot be run, or `batch` is out of range.
        OutOfMemoryError: the device's memory is too small.
    """

    def __init__(
        self,
        device: Device,
        network: Network,
        batch: int = 32,
        optimiser: Optimiser | None = None,
        scale: LossScale | None = None,
    ) -> None:
        if not 1 <= batch <= 4096:
            raise HostError(f"`batch` must be 1 to 4096, not {batch}")
        self.device, self.network, self.batch = device, network, batch
        self.optimiser, self.scale = optimiser or Optimiser(), scale or LossScale()
        memory = Memory(device.size)
        self.runner = ListRunner(device, memory)
        self.images = Dense.take(memory, "images", (batch, *network.image))
        shapes = shapes_of(network)
        self.planner = PassPlanner(device.config)
        self.stages = [
            Stage(memory, self.planner, shape, batch, first=n == 0, last=n == len(shapes) - 1)
            for n, shape in enumerate(shapes)
        ]
        for stage in self.stages:
            if stage.layer.add is not None:
                stage.skip = self.stages[stage.layer.add]
                stage.skip.sinks.append(stage)
        last = self.stages[-1]
        self.dlogits = Dense.take(memory, "gradient of the logits", last.y.shape)
        self.memory = memory

    def initialise(self, seed: int) -> None:
        """Fresh weights."""
        rng = np.random.Generator(np.random.PCG64(seed))
        for stage in self.stages:
            master = initial(stage.shape, rng)
            stage.parameters.load(self.device, master, np.zeros_like(master))

    def forward(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Logits [batch, classes]; None where a sum was out of range.

        Args:
            images: [batch, height, width, channels].
        """
        self.images.write(self.device, images)
        good = self._run("images", "encode", [encode(self.images, self.stages[0].x)])
        for n, stage in enumerate(self.stages):
            stage.x.refresh(self.device)
            following = self.stages[n + 1].x if n + 1 < len(self.stages) else None
            good = good and self._run(stage.name, "FP", stage.forward(following))
        if not good:
            return None
        last = self.stages[-1].y
        return np.asarray(last.read(self.device), np.float32).reshape(self.batch, -1)

    def _run(self, layer: str, kind: str, commands: list[Words]) -> bool:
        return not commands or self.runner.run((layer, kind), commands)

    def _backward(self) -> bool:
        """The gradients of all weights from `dlogits`; whether everything was in range."""
        good, source = True, self.dlogits
        for stage in reversed(self.stages):
            good = good and self._run(stage.name, "d", stage.gradient(source))
            stage.d.refresh(self.device)
            good = good and stage.d.statistics.saturated == 0
            if not good:
                return False
            good = self._run(stage.name, "WG", stage.weight_gradient())
            good = good and self._run(stage.name, "BP", stage.backward())
            if stage.dx is not None:
                source = stage.dx
        return good

    def _update(self) -> None:
        o = self.optimiser
        commands = [
            stage.parameters.update(
                scale=1 / self.scale.value, rate=o.rate, momentum=o.momentum, decay=o.decay
            )
            for stage in self.stages
        ]
        self._run("all", "update", commands)
        for stage in self.stages:
            stage.parameters.refresh(self.device)

    def _control(self) -> None:
        """Formats of the next step, from what the encoders counted."""
        for tensor in self.tensors():
            tensor.note()
            tensor.format = next_format(
                tensor.statistics, tensor.geometry, tensor.format, self.optimiser.share
            )

    def tensors(self) -> list[Compressed]:
        """All compressed tensors, in a fixed order."""
        return [tensor for stage in self.stages for tensor in (stage.x, stage.d)]

    def step(self, images: NDArray[np.float32], labels: NDArray[Any]) -> StepResult:
        """One step of training.

        A step whose sums or gradients saturate changes no weights and halves the loss scale.

        Args:
            images: [batch, height, width, channels]. labels: [batch].

        Raises:
            StoppedError: a list was stopped by an error.
        """
        logits = self.forward(images)
        loss, right, good = float("nan"), 0, logits is not None
        if logits is not None:
            loss, gradient = cross_entropy(logits, labels.astype(np.int64), self.scale.value)
            right = int((logits.argmax(axis=1) == labels).sum())
            self.dlogits.write(self.device, gradient.reshape(self.dlogits.shape))
            good = self._backward()
        if good:
            self._update()
        self._control()
        self.scale.note(not good)
        return StepResult(loss, right, good)

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """Classes of any number of images; nothing is learnt.

        Raises:
            HostError: a sum was out of range.
        """
        found = []
        training, self.runner.usage = self.runner.usage, {}
        for start in range(0, len(images), self.batch):
            part = images[start : start + self.batch]
            full = np.zeros((self.batch, *self.network.image), np.float32)
            full[: len(part)] = part
            logits = self.forward(full)
            if logits is None:
                raise HostError("a sum was out of range in a prediction")
            found.append(logits[: len(part)].argmax(axis=1))
        self.runner.usage = training
        return np.concatenate(found)

    def figures(self) -> dict[str, Any]:
        """What the training took, ready for JSON."""
        return figures(self.runner.usage, self.tensors(), self.scale.value)

    def weights(self) -> list[NDArray[np.float32]]:
        """Masters of each layer."""
        return [stage.parameters.store(self.device)[0] for stage in self.stages]

    def state(self) -> Arrays:
        """Masters, momenta, formats of the compressed tensors, loss scale."""
        found: Arrays = {}
        for stage in self.stages:
            found[f"{stage.name}_master"], found[f"{stage.name}_momentum"] = stage.parameters.store(
                self.device
            )
        formats = [(t.format.bias, t.format.k8, t.format.k16) for t in self.tensors()]
        found["formats"] = np.array(formats, np.int64)
        found["scale"] = np.array([self.scale.value, self.scale.clean], np.int64)
        return found

    def restore(self, state: Arrays) -> None:
        """Take a state up again.

        Raises:
            HostError: it is another network's.
        """
        shapes = {f"{s.name}_master": (s.parameters.rows, s.parameters.outputs) for s in self.stages}
        if any(name not in state or state[name].shape != shape for name, shape in shapes.items()):
            raise HostError("the checkpoint is of another network")
        for stage in self.stages:
            arrays = state[f"{stage.name}_master"], state[f"{stage.name}_momentum"]
            stage.parameters.load(self.device, *arrays)
        for tensor, fields in zip(self.tensors(), state["formats"].tolist(), strict=True):
            tensor.format = FgmpFormat(*fields)
        self.scale.value, self.scale.clean = state["scale"].tolist()

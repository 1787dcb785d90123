"""Training: epochs of shuffled batches, the test at the end, a state that can be saved and taken up again."""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lnpu_host.data import Dataset, batches
from lnpu_host.errors import HostError

__all__ = ["Learner", "Progress", "StepResult", "Trainer", "TrainingResult", "weights_digest"]

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class StepResult:
    """A step: mean loss (NaN: not known), right predictions of the batch, whether the weights changed."""

    loss: float
    right: int
    updated: bool


class Learner(Protocol):
    """A network that learns."""

    batch: int

    def step(self, images: NDArray[np.float32], labels: NDArray[np.int64]) -> StepResult:
        """One step on `batch` images."""

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """Classes of any number of images."""

    def figures(self) -> dict[str, Any]:
        """What the training took, ready for JSON."""

    def weights(self) -> list[NDArray[np.float32]]:
        """Masters of each layer: [taps * inputs + 1, outputs], biases last."""

    def state(self) -> Arrays:
        """Everything that the next step depends on."""

    def restore(self, state: Arrays) -> None:
        """Take a state up again."""


@dataclass(frozen=True)
class Progress:
    """After a step: its number from 1, steps in all, and the step."""

    number: int
    total: int
    step: StepResult


@dataclass
class TrainingResult:
    """What came out: loss of each step, right predictions of each step, steps that were skipped, share of
    test images that are classified right, seconds of the steps, digest of the weights."""

    losses: list[float] = field(default_factory=list)
    rights: list[int] = field(default_factory=list)
    skipped: int = 0
    test_accuracy: float = math.nan
    seconds: float = 0.0
    weights_sha256: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def weights_digest(weights: list[NDArray[np.float32]]) -> str:
    """SHA-256 of all fp32 masters, layer after layer."""
    digest = hashlib.sha256()
    for layer in weights:
        digest.update(np.ascontiguousarray(layer, "<f4").tobytes())
    return digest.hexdigest()


class Trainer:
    """Trains a learner on a data set.

    Args:
        learner: initialised. data: the images. epochs: at least 1. seed: of the shuffling.
        steps: stop after this many; 0: all epochs.

    Raises:
        HostError: a number is out of range, or there is no full batch.
    """

    def __init__(self, learner: Learner, data: Dataset, *, epochs: int, seed: int, steps: int = 0) -> None:
        if epochs < 1:
            raise HostError(f"`epochs` must be at least 1, not {epochs}")
        if steps < 0:
            raise HostError(f"`steps` must be 0 (all) or more, not {steps}")
        if len(data.train_labels) < learner.batch:
            raise HostError(f"`batch` must be at most {len(data.train_labels)} here, not {learner.batch}")
        self.learner, self.data, self.seed = learner, data, seed
        self.per_epoch = len(data.train_labels) // learner.batch
        self.total = steps or epochs * self.per_epoch
        self.done = 0
        self.result = TrainingResult()

    def run(self, note: Callable[[Progress], None] | None = None) -> TrainingResult:
        """All steps that are left, and the test.

        Args:
            note: called after each step.
        """
        while self.done < self.total:
            epoch, first = divmod(self.done, self.per_epoch)
            order = batches(len(self.data.train_labels), self.learner.batch, self.seed, epoch)
            for chosen in order[first : first + self.total - self.done]:
                self._step(chosen, note)
        right = self.learner.predict(self.data.test_images) == self.data.test_labels
        self.result.test_accuracy = float(right.mean())
        self.result.weights_sha256 = weights_digest(self.learner.weights())
        return self.result

    def _step(self, chosen: NDArray[np.int64], note: Callable[[Progress], None] | None) -> None:
        start = time.perf_counter()
        step = self.learner.step(self.data.train_images[chosen], self.data.train_labels[chosen])
        result = self.result
        result.seconds += time.perf_counter() - start
        result.losses.append(step.loss)
        result.rights.append(step.right)
        result.skipped += not step.updated
        self.done += 1
        if note is not None:
            note(Progress(self.done, self.total, step))

    def state(self) -> Arrays:
        """The learner's state, and how far the training is."""
        r = self.result
        return {
            **self.learner.state(),
            "done": np.array(self.done),
            "seed": np.array(self.seed),
            "losses": np.array(r.losses),
            "rights": np.array(r.rights, np.int64),
            "skipped": np.array(r.skipped),
            "seconds": np.array(r.seconds),
        }

    def restore(self, state: Arrays) -> None:
        """Go on where another training was.

        Raises:
            HostError: it was another network or another seed.
        """
        if int(state["seed"]) != self.seed:
            raise HostError(f"`seed` must be {int(state['seed'])}, as in the checkpoint, not {self.seed}")
        self.learner.restore(state)
        self.done = int(state["done"])
        self.result = TrainingResult(
            state["losses"].tolist(),
            state["rights"].tolist(),
            int(state["skipped"]),
            seconds=float(state["seconds"]),
        )

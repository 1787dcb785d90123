"""Training on the compiled machine: every byte of memory as the golden model leaves it, list by list."""

import numpy as np
import pytest

from lnpu.presets import engine_config, load, preset_path
from lnpu_host.data import load_data
from lnpu_host.devices import ModelDevice, RtlDevice
from lnpu_host.layers import Conv, Linear, Network, small_cnn
from lnpu_host.model import DeviceModel
from lnpu_host.scaling import LossScale
from lnpu_host.trainer import weights_digest

TINY = engine_config(load(preset_path("tiny")))
SIZE = 1 << 22


class BothDevices:
    """The compiled machine, checked against the model after each list."""

    def __init__(self, config, **options):
        self.rtl, self.model = RtlDevice(config, SIZE, limit=2_000_000, **options), ModelDevice(config, SIZE)
        self.config, self.size = config, SIZE

    def write(self, address, data):
        self.rtl.write(address, data)
        self.model.write(address, data)

    def read(self, address, count):
        return self.rtl.read(address, count)

    def counters(self):
        return self.rtl.counters()

    def run(self, address, words):
        ended = self.rtl.run(address, words)
        assert ended == self.model.run(address, words)
        got, want = (np.frombuffer(device.read(0, SIZE), np.uint8) for device in (self.rtl, self.model))
        differing = np.flatnonzero(got != want)
        assert not len(differing), f"{len(differing)} bytes differ, the first at {differing[0]:#x}"
        return ended


@pytest.fixture(scope="module")
def tiny():
    return BothDevices(TINY)


@pytest.mark.parametrize(
    "network",
    [
        Network((5, 7, 3), (Conv(6, 3, 2, 1), Conv(8, 2, 1, 0), Linear(5))),
        Network((3, 3, 2), (Conv(68, 3, 2, 1), Linear(6))),
        Network((4, 4, 1), (Conv(5), Conv(5, add=0, pool=2), Conv(8), Linear(5))),
    ],
    ids=["odd", "many channels", "residual"],
)
def test_steps(tiny, network):
    rng = np.random.default_rng(0)
    model = DeviceModel(tiny, network, 3)
    model.initialise(0)
    for _ in range(2):
        images = rng.random((3, *network.image)).astype(np.float32)
        assert model.step(images, rng.integers(0, 5, 3)).updated
    found = model.figures()
    assert found["cycles"] > 0
    assert 0 < found["utilisation"] < 1
    passes = {row["kind"] for row in found["passes"] if row["utilisation"] is not None}
    assert passes == {"FP", "BP", "WG"}
    assert all(row["bytes"] > 0 for row in found["passes"])


def test_saturation(tiny):
    network = Network((1, 1, 12), (Linear(8), Linear(4)))
    model = DeviceModel(tiny, network, 2, scale=LossScale(1 << 20))
    model.initialise(0)
    before = weights_digest(model.weights())
    images = np.random.default_rng(1).random((2, 1, 1, 12)).astype(np.float32)
    assert not model.step(images, np.array([0, 1])).updated
    assert weights_digest(model.weights()) == before
    assert model.scale.value == 1 << 19


@pytest.mark.full
def test_digits():
    """Steps of the CNN of `lnpu train` on the default machine."""
    data, both = load_data("digits"), BothDevices(engine_config(load(preset_path("edge"))))
    model = DeviceModel(both, small_cnn(), 32)
    model.initialise(0)
    for start in range(0, 96, 32):
        chosen = slice(start, start + 32)
        assert model.step(data.train_images[chosen], data.train_labels[chosen]).updated

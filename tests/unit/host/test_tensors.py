"""What the runtime refuses before anything reaches the device."""

import numpy as np
import pytest

from lnpu.presets import engine_config, load, preset_path
from lnpu_host.devices import ModelDevice
from lnpu_host.errors import HostError
from lnpu_host.layers import Conv, Linear, Network
from lnpu_host.model import DeviceModel

CONFIG = engine_config(load(preset_path("tiny")))
NETWORK = Network((4, 4, 1), (Conv(4), Linear(3)))


@pytest.fixture(scope="module")
def model():
    made = DeviceModel(ModelDevice(CONFIG), NETWORK, 2)
    made.initialise(0)
    return made


IMAGES = np.linspace(0, 1, 32, dtype=np.float32).reshape(2, 4, 4, 1)


def holed(value):
    images = IMAGES.copy()
    images[1, 2, 3, 0] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (holed(np.nan), r"`images` must be finite, not nan at \(1, 2, 3, 0\)"),
        (holed(np.inf), r"`images` must be finite, not inf at \(1, 2, 3, 0\)"),
        (IMAGES[:1], r"`images` must have the shape \(2, 4, 4, 1\), not \(1, 4, 4, 1\)"),
        (IMAGES[..., 0], r"`images` must have the shape \(2, 4, 4, 1\), not \(2, 4, 4\)"),
    ],
)
def test_images(model, images, message):
    before = bytes(model.device.read(0, model.device.size))
    with pytest.raises(HostError, match=message):
        model.step(images, np.zeros(2, np.int64))
    assert bytes(model.device.read(0, model.device.size)) == before
    assert np.isfinite(model.step(IMAGES, np.zeros(2, np.int64)).loss)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "`labels` must be 0 to 2, not 3"),
        ([-1, 0], "`labels` must be 0 to 2, not -1"),
        ([0, 1, 2], r"`labels` must have the shape \(2,\), not \(3,\)"),
    ],
)
def test_labels(model, labels, message):
    before = model.weights()
    with pytest.raises(HostError, match=message):
        model.step(IMAGES, np.array(labels))
    for old, new in zip(before, model.weights(), strict=True):
        np.testing.assert_array_equal(old, new)

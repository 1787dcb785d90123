"""Steps of small networks on the golden model against the same networks in numpy."""

import numpy as np
import pytest

from lnpu.codec.config import FgmpFormat
from lnpu.engine.config import EngineConfig
from lnpu_host.data import Dataset, batches, load_data
from lnpu_host.devices import ModelDevice
from lnpu_host.errors import HostError, OutOfMemoryError
from lnpu_host.layers import Conv, Linear, Network, shapes_of, small_resnet
from lnpu_host.model import DeviceModel
from lnpu_host.optimiser import Optimiser
from lnpu_host.parameters import to_half
from lnpu_host.reference import ReferenceModel
from lnpu_host.scaling import LossScale
from lnpu_host.trainer import Trainer, weights_digest
from lnpu_sim.codec.quantise import quantise

CONFIG = EngineConfig(lines=2, pes=4, tile_entries=72, row_entries=16, blocks=64, words=512)
NETWORKS = {
    "linear": Network((1, 1, 20), (Linear(7),)),
    "odd": Network((5, 7, 3), (Conv(6, 3, 2, 1), Conv(8, 2, 1, 0), Linear(5))),
    "two linear": Network((1, 1, 12), (Linear(70), Linear(5))),
    "many channels": Network((4, 4, 2), (Conv(68, 3, 2, 1), Linear(6))),
    "pooled": Network((6, 4, 2), (Conv(6, pool=2), Conv(8), Linear(5))),
    "all pooled": Network((6, 6, 2), (Conv(6), Conv(8, pool=6), Linear(5))),
    "residual": Network((4, 6, 3), (Conv(6), Conv(6), Conv(6, add=0), Conv(8, 1, padding=0), Linear(5))),
    "skips": Network((4, 4, 1), (Conv(5, pool=2), Conv(5, add=0), Conv(5, add=0), Conv(4), Linear(3))),
    "residual, pooled": Network(
        (6, 6, 3), (Conv(6), Conv(6, add=0, pool=2), Conv(6, add=1), Conv(8), Linear(5))
    ),
}


def _batch(network, count, seed=0):
    rng = np.random.default_rng(seed)
    images = (rng.random((count, *network.image)) * (rng.random((count, *network.image)) < 0.7)).astype(
        np.float32
    )
    return images, rng.integers(0, network.layers[-1].outputs, count)


def _models(network, batch=6, **options):
    rate = {"optimiser": Optimiser(rate=0.1, momentum=0.5, decay=0.01)}
    device = DeviceModel(ModelDevice(CONFIG, 1 << 22), network, batch, **{**rate, **options})
    exact = ReferenceModel(network, "fp32", batch, **{**rate, **options})
    for model in (device, exact):
        model.initialise(3)
    return device, exact


class Quantised(ReferenceModel):
    """Operands as the machine has them in its first step: weights fp16, X and d in the first format."""

    def __init__(self, network, batch, **options):
        super().__init__(network, "fp32", batch, **options)

    def _operand(self, x):
        return to_half(x).astype(np.float32) if x.ndim == 2 else quantise(x, FgmpFormat()).values


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_is_that_of_its_operands(name):
    """The whole step in numpy, with the same operands: what is left is the rounding of sums."""
    network = NETWORKS[name]
    device, _ = _models(network)
    exact = Quantised(network, 6, optimiser=device.optimiser)
    exact.initialise(3)
    before = exact.weights()
    images, labels = _batch(network, 6)
    results = [model.step(images, labels) for model in (device, exact)]
    assert results[0].updated
    assert results[0].right == results[1].right
    assert results[0].loss == pytest.approx(results[1].loss, abs=1e-5)
    for start, got, want in zip(before, device.weights(), exact.weights(), strict=True):
        change = np.linalg.norm(want - start)
        assert change > 0
        assert np.linalg.norm(got - want) < 1e-4 * change


def test_several_flushes():
    """More pixels than meet in one accumulator: partial dW are added by the machine."""
    network = Network((20, 20, 1), (Conv(4), Linear(3)))
    device = DeviceModel(ModelDevice(EngineConfig(), 1 << 23), network, 6)
    exact = Quantised(network, 6, optimiser=device.optimiser)
    for model in (device, exact):
        model.initialise(3)
    before = exact.weights()
    assert device.stages[0].partial
    images, labels = _batch(network, 6)
    for model in (device, exact):
        model.step(images, labels)
    for start, got, want in zip(before, device.weights(), exact.weights(), strict=True):
        assert np.linalg.norm(got - want) < 1e-3 * np.linalg.norm(want - start)


def test_geometry_does_not_matter():
    """Sums are exact: another engine learns the same weights."""
    network, digests = NETWORKS["odd"], set()
    for config in (
        CONFIG,
        EngineConfig(lines=3, pes=2, group=1, blocks=40, words=256),
        EngineConfig(vector=4),
    ):
        model = DeviceModel(ModelDevice(config, 1 << 22), network, 6)
        model.initialise(0)
        for step in range(2):
            model.step(*_batch(network, 6, step))
        digests.add(weights_digest(model.weights()))
    assert len(digests) == 1


@pytest.mark.parametrize("name", [name for name in NETWORKS if len(NETWORKS[name].layers) <= 3])
def test_steps_are_near_those_of_fp32(name):
    """Deeper networks quantise more often."""
    network = NETWORKS[name]
    models = _models(network)
    before = models[1].weights()
    for step in range(3):
        images, labels = _batch(network, 6, step)
        losses = [model.step(images, labels).loss for model in models]
        assert losses[0] == pytest.approx(losses[1], rel=0.05)
    for start, got, want in zip(before, *(model.weights() for model in models), strict=True):
        assert np.linalg.norm(got - want) < 0.3 * np.linalg.norm(want - start)


@pytest.mark.parametrize("name", ["odd", "two linear", "skips", "residual, pooled"])
def test_reference_gradients(name):
    """Against differences of the loss."""
    network = NETWORKS[name]
    model = ReferenceModel(network, "fp32", 6, Optimiser(rate=1.0, momentum=0.0, decay=0.0))
    model.initialise(1)
    images, labels = _batch(network, 6)
    before = [w.copy() for w in model.weights()]
    model.step(images, labels)
    gradients = [a - b for a, b in zip(before, model.weights(), strict=True)]
    rng = np.random.default_rng(2)
    for n, gradient in enumerate(gradients):
        direction = rng.normal(size=gradient.shape).astype(np.float32)
        direction /= np.linalg.norm(direction)
        direction += gradient / np.linalg.norm(gradient)
        losses = []
        for sign in (1, -1):
            trial = [w.copy() for w in before]
            trial[n] += np.float32(sign * 0.01) * direction
            model.masters = trial
            losses.append(model.step(images, labels).loss)
        slope = (losses[0] - losses[1]) / 0.02
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=0.1)


def test_saturation_skips_the_step():
    network = NETWORKS["two linear"]
    device, _ = _models(network, batch=2, scale=LossScale(1 << 20))
    before = weights_digest(device.weights())
    images, labels = _batch(network, 2)
    seen = []
    for _ in range(6):
        step = device.step(images, labels)
        seen.append((step.updated, device.scale.value))
        if step.updated:
            break
        assert weights_digest(device.weights()) == before
    assert len(seen) > 1
    assert seen[-1][0]
    assert seen[-1][1] < 1 << 18
    assert weights_digest(device.weights()) != before


def test_formats_follow_the_tensors():
    """After some steps, at most the wanted share (and a bit) of the non-zeros is fp16."""
    network = NETWORKS["odd"]
    device, _ = _models(network, batch=6)
    for step in range(4):
        device.step(*_batch(network, 6, step))
    for tensor in device.tensors():
        s = tensor.statistics
        assert s.fp16 <= 0.05 * (s.fp8 + s.fp16) + 0.1 * tensor.geometry.elements
    assert {tensor.format.bias for tensor in device.tensors()} != {0}


def _dataset(network, count=40):
    images, labels = _batch(network, count, 5)
    return Dataset("random", images, labels, images[:9], labels[:9])


@pytest.mark.parametrize("kind", ["device", "fp16"])
def test_resume(kind):
    """A training that is taken up again ends with the same weights."""
    network = NETWORKS["odd"]
    data = _dataset(network)

    def learner():
        if kind == "fp16":
            model = ReferenceModel(network, "fp16", 6)
        else:
            model = DeviceModel(ModelDevice(CONFIG, 1 << 22), network, 6)
        model.initialise(0)
        return model

    whole = Trainer(learner(), data, epochs=1, seed=4).run()
    assert len(whole.losses) == 6
    first = Trainer(learner(), data, epochs=1, seed=4, steps=2)
    first.run()
    second = Trainer(learner(), data, epochs=1, seed=4)
    second.restore(first.state())
    result = second.run()
    assert result.losses == whole.losses
    assert result.weights_sha256 == whole.weights_sha256
    assert result.test_accuracy == whole.test_accuracy
    with pytest.raises(HostError, match="`seed` must be 4, as in the checkpoint, not 5"):
        Trainer(learner(), data, epochs=1, seed=5).restore(first.state())
    other = ReferenceModel(NETWORKS["linear"], "fp32", 6)
    with pytest.raises(HostError, match="another network"):
        other.restore(first.state())


def test_predictions_do_not_count():
    network = NETWORKS["linear"]
    device, _ = _models(network)
    images, labels = _batch(network, 6)
    device.step(images, labels)
    lists = {name: used.lists for name, used in device.runner.usage.items()}
    formats = [tensor.format for tensor in device.tensors()]
    assert len(device.predict(_batch(network, 8)[0])) == 8
    assert {name: used.lists for name, used in device.runner.usage.items()} == lists
    assert [tensor.format for tensor in device.tensors()] == formats


def test_wrong_networks():
    for network, message in (
        (Network((4, 4, 2), (Conv(4),)), "the last one must be linear"),
        (Network((4, 4, 4), (Linear(4), Conv(4), Linear(2))), "must not follow"),
        (Network((4, 4, 2), (Conv(6), Linear(2))), "must be a multiple of 4, not 6"),
    ):
        with pytest.raises(HostError, match=message):
            shapes_of(network)
    network = NETWORKS["linear"]
    with pytest.raises(HostError, match="`batch` must be 1 to 4096, not 0"):
        DeviceModel(ModelDevice(CONFIG), network, 0)
    with pytest.raises(OutOfMemoryError, match=r"`linear1 [^`]+` needs \d+ bytes"):
        DeviceModel(ModelDevice(CONFIG, 12000), network, 100)
    with pytest.raises(HostError, match="`numerics` must be fp32 or fp16 here, not bf16"):
        ReferenceModel(network, "bf16")
    for conv, message in (
        (Conv(4, pool=4), r"layer 1: `pool` must divide 6 and 6, not be 4"),
        (Conv(4, pool=0), r"layer 1: `pool` must divide 6 and 6, not be 0"),
        (Conv(4, add=1), "layer 1: `add` must be an earlier layer, not 1"),
        (Conv(4, add=-1), "layer 1: `add` must be an earlier layer, not -1"),
        (Conv(5, add=0), r"`add` must name an output of the shape \(6, 6, 5\), not \(6, 6, 4\)"),
        (Conv(4, stride=2, add=0), r"`add` must name an output of the shape \(3, 3, 4\), not \(6, 6, 4\)"),
    ):
        with pytest.raises(HostError, match=message):
            shapes_of(Network((6, 6, 1), (Conv(4), conv, Linear(3))))
    for fields, message in (
        ({"rate": 0}, "`rate`"),
        ({"momentum": 1.0}, "`momentum`"),
        ({"share": 2}, "`share`"),
    ):
        with pytest.raises(HostError, match=message):
            Optimiser(**fields)


def test_trainer_refuses():
    network = NETWORKS["linear"]
    learner, data = ReferenceModel(network, "fp32", 6), _dataset(network)
    for options, message in (({"epochs": 0}, "`epochs`"), ({"epochs": 1, "steps": -1}, "`steps`")):
        with pytest.raises(HostError, match=message):
            Trainer(learner, data, seed=0, **options)
    learner.batch = 41
    with pytest.raises(HostError, match="`batch` must be at most 40 here, not 41"):
        Trainer(learner, data, epochs=1, seed=0)


def test_batches_take_every_image_once():
    chosen = batches(70, 32, seed=1, epoch=0)
    assert [len(part) for part in chosen] == [32, 32]
    assert len(set(np.concatenate(chosen).tolist())) == 64
    assert not np.array_equal(chosen[0], batches(70, 32, seed=1, epoch=1)[0])
    assert np.array_equal(chosen[0], batches(70, 32, seed=1, epoch=0)[0])


def test_digits():
    data = load_data("digits", 3)
    assert (len(data.train_labels), len(data.test_labels), data.image) == (1437, 360, (8, 8, 1))
    assert data.train_images.max() == 1
    assert data.train_images.dtype == np.float32
    with pytest.raises(HostError, match="`data` must be one of digits, mnist5k, not cifar"):
        load_data("cifar")


def test_half_copies():
    numbers = np.array(
        [0, -0.0, 2.0**-14, -(2.0**-14) * (1 - 2.0**-24), 65519, 65520, -1e9, 1 + 2.0**-11], np.float32
    )
    assert to_half(numbers).view(np.uint16).tolist() == [0, 0, 0x0400, 0, 0x7BFF, 0x7BFF, 0xFBFF, 0x3C00]


def test_skips_and_pooling_learn():
    network = Network((6, 6, 3), (Conv(8), Conv(8), Conv(8, add=0, pool=2), Conv(8, add=2), Linear(5)))
    model = DeviceModel(ModelDevice(CONFIG, 1 << 22), network, 4)
    model.initialise(1)
    images, labels = _batch(network, 4)
    losses = [model.step(images, labels).loss for _ in range(25)]
    assert losses[-1] < losses[0] / 10


def test_too_many_rows_to_add():
    network = Network((32, 2, 1), (Conv(4), Conv(4, add=0), Linear(3)))
    with pytest.raises(
        HostError, match="`batch` must be at most 2047 for `add` or `pool` of conv2, not 2048"
    ):
        DeviceModel(ModelDevice(CONFIG, 1 << 26), network, 2048)


@pytest.mark.parametrize("image", [(8, 8, 1), (28, 28, 1), (5, 7, 2)])
def test_small_resnet(image):
    """Two residual blocks, whatever the image; it learns."""
    network = small_resnet(image)
    assert [layer.add for layer in shapes_of(network)] == [None, None, 0, None, None, 3, None]
    model = ReferenceModel(network, "fp32", 8, Optimiser(rate=0.01))
    model.initialise(0)
    images, labels = _batch(network, 8)
    losses = [model.step(images, labels).loss for _ in range(12)]
    assert losses[-1] < losses[0] / 2

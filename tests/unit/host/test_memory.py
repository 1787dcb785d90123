"""Memory, tensors in it, and the loss scale."""

import numpy as np
import pytest

from lnpu.codec.config import FgmpFormat, Geometry
from lnpu.engine.config import EngineConfig
from lnpu_host.devices import ModelDevice, open_device
from lnpu_host.errors import HostError, OutOfMemoryError
from lnpu_host.memory import Memory
from lnpu_host.scaling import LossScale
from lnpu_host.tensors import Compressed, Dense, Mask


def test_regions_do_not_meet():
    memory = Memory(1000, first=5)
    regions = [memory.take(f"t{n}", size) for n, size in enumerate((1, 64, 65, 200))]
    assert [region.address for region in regions] == [64, 128, 192, 320]
    with pytest.raises(OutOfMemoryError, match="`t4` needs 600 bytes, 424 of 1000 are left"):
        memory.take("t4", 600)
    assert memory.take("rest", 424).address == 576
    with pytest.raises(OutOfMemoryError, match="`more` needs 1 bytes, 0 of 1000 are left"):
        memory.take("more", 1)


def test_dense_rows_are_padded():
    device = ModelDevice(EngineConfig(), 1 << 12)
    tensor = Dense.take(Memory(device.size), "x", (2, 3, 5))
    assert tensor.size == 4 * 2 * 3 * 8
    array = np.arange(30, dtype=np.float32).reshape(2, 3, 5)
    tensor.write(device, array)
    assert (tensor.read(device) == array).all()
    assert np.frombuffer(device.read(20, 16), "<f4").tolist() == [0, 0, 0, 5]


def test_outside_of_memory():
    device = ModelDevice(EngineConfig(), 64)
    for action in (lambda: device.write(60, bytes(5)), lambda: device.read(-1, 1)):
        with pytest.raises(HostError, match="outside of the memory of 64 bytes"):
            action()
    with pytest.raises(HostError, match="`device` must be model, rtl, uart:PORT or uart:PORT:BAUD, not uart"):
        open_device("uart", EngineConfig())


def test_sizes():
    memory = Memory(1 << 20)
    Mask.take(memory, "mask", Geometry(1, 1, 2, 70))  # 64 and 8 bits a pixel
    assert memory.regions[-1].size == 8 * -(-2 * 72 // 64)
    Compressed(memory, "x", Geometry(2, 3, 4, 64))
    worst = max(
        Geometry(2, 3, 4, 64).worst_block_bits(FgmpFormat(0, k8, k16)) for k8 in (1, 2, 4) for k16 in (4, 6)
    )
    assert worst >= 64 * 22
    assert [region.size for region in memory.regions[1:]] == [192, 32, 6 * 8 * -(-4 * worst // 64)]


def test_loss_scale():
    scale = LossScale(1024, patience=3, largest=4096)
    values = []
    for saturated in (False, False, True, False, False, False, False, False, False, False, False, False):
        scale.note(saturated)
        values.append(scale.value)
    assert values == [1024, 1024, 512, 512, 512, 1024, 1024, 1024, 2048, 2048, 2048, 4096]
    for _ in range(3):
        scale.note(False)
    assert scale.value == 4096
    lowest = LossScale(1)
    lowest.note(True)
    assert lowest.value == 1
    with pytest.raises(HostError, match="`loss_scale` must be a power of two from 1 to 1048576, not 1000"):
        LossScale(1000)
    with pytest.raises(HostError, match="`patience`"):
        LossScale(patience=0)

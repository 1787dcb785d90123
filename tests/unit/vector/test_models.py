"""Models of the element-wise commands against plain numpy."""

import numpy as np
import pytest

from lnpu.codec.config import FgmpFormat, Geometry
from lnpu.codec.descriptor import DESCRIPTOR_BYTES, Descriptor
from lnpu_sim.codec.quantise import quantise
from lnpu_sim.vector.combine import combine
from lnpu_sim.vector.decode import decode
from lnpu_sim.vector.encode import encode, from_mask_bits, mask, mask_words, to_mask_bits
from lnpu_sim.vector.memory import MemoryRangeError
from lnpu_sim.vector.update import update

SHAPES = [(2, 3, 4, 5), (1, 2, 3, 64), (2, 1, 1, 70), (1, 3, 2, 131), (3, 1, 2, 1)]
FORMAT = {"bias": -2, "k8": 2, "k16": 4}
AT = {
    "source": 0,
    "mask": 0x8000,
    "pointers": 0x9000,
    "target": 0xA000,
    "descriptor": 0xF000,
    "copy_target": 0x10000,
}


def placed(x):
    """A memory with the array at 0, rows padded."""
    memory = bytearray(1 << 17)
    wide = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -x.shape[-1] % 4)])
    memory[: wide.nbytes] = wide.tobytes()
    return memory


def random(shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_t(2, shape) * (rng.random(shape) < 0.6)).astype(np.float32)


def code(value):
    return int(np.float32(value).view(np.uint32))


@pytest.mark.parametrize("shape", SHAPES)
def test_mask_bits(shape):
    bits = random(shape) > 0
    g = Geometry(*shape)
    raw = to_mask_bits(bits, g)
    assert len(raw) == 8 * mask_words(g)
    assert (from_mask_bits(np.frombuffer(raw, np.uint8), g) == bits).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back(shape):
    """ReLU with mask bits, then a gradient through them; decoded it is what the quantiser makes of it."""
    x, d = random(shape), random(shape, 1)
    size = dict(zip("nhwc", shape, strict=True))
    memory = placed(x)
    fields = {"relu": 1, "mask_in": 0, "mask_out": 1, "gradient": 0, "copy": 1, **FORMAT, **size, **AT}
    flags = encode(memory, fields)
    assert not flags.invalid
    descriptor = Descriptor.unpack(bytes(memory[AT["descriptor"] :][:DESCRIPTOR_BYTES]))
    assert (descriptor.pointer_address, descriptor.data_address) == (AT["pointers"], AT["target"])
    wide = np.pad(d, [(0, 0)] * 3 + [(0, -shape[3] % 4)])
    memory[: wide.nbytes] = wide.tobytes()
    encode(memory, {**fields, "relu": 0, "mask_in": 1, "mask_out": 0})
    back = {**FORMAT, **size, "gradient": 1, "source": AT["target"], "pointers": AT["pointers"], "target": 0}
    assert not decode(memory, back).bad
    width = -(-shape[3] // 4) * 4
    got = np.frombuffer(memory, "<u2", x.size // shape[3] * width).reshape(*shape[:3], width)[..., : shape[3]]
    want = quantise(np.where(x > 0, d, 0).astype(np.float32), FgmpFormat(*FORMAT.values())).codes
    assert (got == want).all()
    copy = np.frombuffer(memory, "<u2", got.base.size, AT["copy_target"]).reshape(*shape[:3], width)
    assert (copy[..., : shape[3]] == want).all()


def test_mask():
    x = random((2, 3, 3, 6))
    memory = placed(x)
    size = dict(zip("nhwc", x.shape, strict=True))
    flags = mask(memory, {"relu": 1, "mask_in": 0, "mask_out": 1, **size, **AT})
    assert not flags.invalid
    got = np.frombuffer(memory, "<f4", 18 * 8, AT["target"]).reshape(18, 8)[:, :6].reshape(x.shape)
    assert (got == np.maximum(x, 0)).all()


def test_not_a_number_is_told():
    x = random((1, 2, 2, 8))
    x[0, 1, 0, 3] = np.nan
    size = dict(zip("nhwc", x.shape, strict=True))
    fields = {"relu": 0, "mask_in": 0, "mask_out": 0, "gradient": 0, "copy": 0, **FORMAT, **size, **AT}
    assert encode(placed(x), fields).invalid
    assert mask(placed(x), fields).invalid


def test_malformed_tensor_is_told():
    x = random((1, 2, 3, 16))
    memory = placed(x)
    size = dict(zip("nhwc", x.shape, strict=True))
    encode(memory, {"relu": 0, "mask_in": 0, "mask_out": 0, "gradient": 0, "copy": 0, **FORMAT, **size, **AT})
    back = {**FORMAT, **size, "source": AT["target"], "pointers": AT["pointers"], "target": 0}
    memory[AT["target"]] = 0xFF
    assert decode(memory, back).bad
    memory[AT["pointers"] + 4 : AT["pointers"] + 8] = bytes(4)
    assert decode(memory, back).bad


def test_combine():
    """Strided, as average pooling needs it."""
    x = random((4, 6, 8))
    memory = placed(x)
    fields = {
        **{"single": 0, "elements": 8, "columns": 3, "rows": 2, "scale_a": code(0.25), "scale_b": code(0.5)},
        **{"a": 0, "a_column": 64, "a_row": 384, "b": 32, "b_column": 64, "b_row": 384},
        **{"target": 0x8000, "target_column": 32, "target_row": 96},
    }
    assert not combine(memory, fields).invalid
    got = np.frombuffer(memory, "<f4", 48, 0x8000).reshape(2, 3, 8)
    quarter, half = np.float32(0.25), np.float32(0.5)
    assert (got == quarter * x[0::2, 0::2][:, :3] + half * x[0::2, 1::2][:, :3]).all()
    combine(memory, {**fields, "single": 1})
    got = np.frombuffer(memory, "<f4", 48, 0x8000).reshape(2, 3, 8)
    assert (got == quarter * x[0::2, 0::2][:, :3]).all()


def test_update():
    rng = np.random.default_rng(1)
    g, w, v = (rng.normal(0, 1, 40).astype(np.float32) for _ in range(3))
    memory = bytearray(0x2000)
    memory[:160] = g.tobytes()
    memory[0x1000 : 0x1000 + 320] = np.stack([w, v], 1).tobytes()
    scalars = {"scale": 2.0**-14, "decay": 1e-4, "momentum": 0.9, "rate": 0.05}
    fields = {
        **{"guarded": 1, "count": 40, "gradient": 0, "state": 0x1000, "weights": 0x1800, "exponent": 0x1F00},
        **{name: code(value) for name, value in scalars.items()},
    }
    before = bytes(memory)
    update(memory, fields, skip=True)
    assert bytes(memory) == before
    update(memory, fields)
    scale, decay, momentum, rate = (np.float32(value) for value in scalars.values())
    v = momentum * v + (scale * g + decay * w)
    w = w - rate * v
    assert (np.frombuffer(memory, "<f4", 80, 0x1000) == np.stack([w, v], 1).reshape(-1)).all()
    copies = np.frombuffer(memory, "<f2", 40, 0x1800)
    assert (copies == w.astype(np.float16)).all()
    assert memory[0x1F03] == (copies.view(np.uint16) >> 10 & 31).max()


@pytest.mark.parametrize("execute", [encode, mask, decode, combine, update])
def test_outside_of_the_memory(execute):
    ones = dict.fromkeys(("n", "h", "w", "c", "elements", "columns", "rows", "count"), 4)
    zeros = dict.fromkeys(
        ("relu", "mask_in", "mask_out", "copy", "single", "guarded", "gradient", "a_row", "a_column"), 0
    )
    strides = dict.fromkeys(("b_row", "b_column", "target_row", "target_column"), 0)
    scales = dict.fromkeys(("scale_a", "scale_b", "scale", "decay", "momentum", "rate"), 0)
    places = dict.fromkeys(("source", "mask", "pointers", "target", "descriptor", "a", "b", "state"), 1 << 20)
    fields = {**ones, **zeros, **strides, **scales, **FORMAT, **places, "weights": 0, "exponent": 0}
    with pytest.raises(MemoryRangeError):
        execute(bytearray(4096), fields)

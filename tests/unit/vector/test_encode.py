"""ENCODE and MASK: the compiled unit against the model, byte by byte, under every stall pattern."""

import numpy as np
import pytest

from lnpu.codec.config import FgmpFormat
from lnpu_sim.rtl import STALL_PATTERNS
from support.vector import Memory, dense

SHAPES = [
    (1, 1, 1, 1),
    (2, 3, 4, 5),
    (1, 2, 9, 64),
    (2, 3, 1, 70),
    (1, 3, 2, 131),
    (3, 1, 2, 8),
    (1, 4, 5, 6),
    (2, 1, 1, 128),
    (1, 2, 40, 4),
    (5, 1, 1, 3),
]
FLAGS = {
    "plain": {},
    "relu-out": {"relu": 1, "mask_out": 1},
    "in": {"mask_in": 1},
    "relu-in": {"relu": 1, "mask_in": 1},
    "out": {"mask_out": 1},
    "copy": {"copy": 1},
    "in-copy": {"mask_in": 1, "copy": 1},
}


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("name", FLAGS)
def test_every_shape(name, pattern):
    """Commands of both kinds, one after the other."""
    flags = FLAGS[name]
    memory = Memory(len(flags))
    for n, shape in enumerate(SHAPES):
        fmt = FgmpFormat(n % 16 - 8, (1, 2, 4)[n % 3], (4, 6)[n % 2])
        memory.encode(dense(shape, n), fmt, **flags)
        masks = {name: value for name, value in flags.items() if name != "copy"}
        memory.mask(dense(shape, n + 50), **masks, target=None if n % 2 else 0)
    for seed in range(1, 4):
        memory.run(pattern, seed)


@pytest.mark.parametrize("zeros", [0.0, 1.0])
def test_no_zeros_and_only_zeros(zeros):
    memory = Memory()
    for shape in ((2, 2, 3, 64), (1, 1, 2, 200)):
        x = dense(shape, zeros=zeros) * np.float32(1e3)
        memory.encode(x, FgmpFormat(-8, 1, 6), mask_out=1, relu=1, copy=1)
    memory.run("random")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("flags", [{}, {"mask_out": 1}])
def test_not_a_number_is_told(value, flags):
    x = dense((1, 2, 3, 10))
    x[0, 1, 2, 9] = value
    for add in (Memory.encode, Memory.mask):
        memory = Memory()
        add(memory, x, **flags)
        memory.run()


def test_padding_is_not_looked_at():
    """It is NaN in all of these tests; here nothing else is there to raise a flag."""
    memory = Memory()
    memory.mask(dense((1, 2, 3, 5)))
    memory.run()


def test_saturated_is_told_once():
    """Set by the tensor that saturates, and only by that."""
    x = dense((1, 1, 2, 8))
    for peak in (65519.0, 65520.0, 1e30):
        memory = Memory()
        x[0, 0, 1, 3] = peak
        memory.encode(x)
        memory.run()


@pytest.mark.parametrize("shape", [(1, 1, 32767, 4), (1, 1, 32768, 4), (1, 33000, 1, 4), (33000, 1, 1, 4)])
def test_large_sizes(shape):
    """The longest run that is one request of a row, one more pixel, and many rows and images."""
    memory = Memory()
    memory.mask(dense(shape), mask_in=1, target=None)
    memory.run()


SPEED = [
    pytest.param("encode", (1, 8, 32, 64), {}, 1.15, id="encode-64"),
    pytest.param("encode", (4, 8, 8, 16), {"relu": 1, "mask_out": 1}, 1.2, id="encode-16-mask"),
    pytest.param("encode", (32, 1, 1, 512), {"mask_in": 1}, 1.15, id="encode-512-mask"),
    pytest.param("encode", (1, 8, 32, 64), {"mask_in": 1, "copy": 1}, 1.15, id="encode-64-copy"),
    pytest.param("encode", (4, 8, 8, 16), {"mask_in": 1, "copy": 1}, 1.2, id="encode-16-copy"),
    pytest.param("mask", (1, 8, 32, 64), {"mask_in": 1}, 1.2, id="mask-64"),
]


@pytest.mark.parametrize(("kind", "shape", "flags", "bound"), SPEED)
def test_two_elements_a_cycle(kind, shape, flags, bound):
    memory = Memory()
    getattr(memory, kind)(dense(shape, zeros=0.5), **flags)
    words = int(np.prod(shape)) // 2
    cycles = memory.run()
    print(f"{kind} {shape}: {cycles} cycles for {words} words")
    assert cycles < words * bound + 150

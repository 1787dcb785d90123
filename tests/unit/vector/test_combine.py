"""COMBINE: the compiled unit against the model, byte by byte, under every stall pattern."""

import numpy as np
import pytest

from lnpu_sim.rtl import STALL_PATTERNS
from support.arith import Array, Memory, code, compiled, numbers

SHAPES = [(1, 1, 1), (1, 1, 2), (2, 3, 5), (1, 4, 8), (3, 1, 41), (4, 5, 1), (1, 1, 700), (2, 2, 64)]
"""Rows, columns, elements."""


def operands(memory, shape, gap=0):
    return [memory.array(*shape, gap=gap) for _ in range(3)]


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("single", [0, 1], ids=["sum", "single"])
def test_every_shape(single, pattern):
    """Dense, with gaps, onto an operand; commands one after the other."""
    memory = Memory(1)
    for n, shape in enumerate(SHAPES):
        a, b, target = operands(memory, shape, gap=n % 3)
        memory.combine(shape, a, b, target, (1.0, -1.0) if n % 2 else (0.1, -1.5), single)
        a, b, _ = operands(memory, shape)
        memory.combine(shape, a, b, a if n % 2 else b, single=single)
    for seed in range(1, 4):
        memory.run(pattern, seed)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_strides(pattern):
    """A row for all rows, a column for all columns, rows backwards: addresses wrap at 32 bits."""
    memory = Memory(2)
    for shape in ((3, 4, 6), (2, 5, 3)):
        a, b, target = operands(memory, shape)
        memory.combine(shape, Array(a.at, a.column, 0), Array(b.at, 0, b.row), target)
        a, b, target = operands(memory, shape)
        back = Array(a.at + (shape[0] - 1) * a.row, a.column, (1 << 32) - a.row)
        memory.combine(shape, back, Array(b.at, 0, 0), target)
    for seed in range(1, 4):
        memory.run(pattern, seed)


@pytest.mark.parametrize("scale", [0.0, -0.0, 1e-40, 2.0**-126, -(2.0**-100), 3.0, 2.0**100, 3.4e38])
def test_scales(scale):
    """Results of every magnitude: flushed, rounded, beyond the largest."""
    memory = Memory(3)
    shape = (1, 1, 1001)
    memory.combine(shape, *operands(memory, shape), (scale, -scale))
    memory.combine(shape, *operands(memory, shape), (1.0, scale))
    memory.run()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -np.nan])
@pytest.mark.parametrize("where", ["a", "b", "unread b", "scale"])
def test_not_a_number(where, value):
    """Of an element it is told, of a scale it is not; both are read as the largest number."""
    memory = Memory(4)
    shape = (2, 1, 9)
    codes = numbers(memory.rng, 18).reshape(2, 9)
    arrays = {"a": memory.array(*shape), "b": memory.array(*shape)}
    codes[1, 8] = code(value)
    if where != "scale":
        arrays[where[-1]] = memory.array(*shape, codes=codes)
    scales = (value, -1.0) if where == "scale" else (1e-3, 0.5)
    memory.combine(shape, *arrays.values(), memory.array(*shape), scales, single=int(where == "unread b"))
    memory.run()


def test_invalid_stays_until_it_is_cleared():
    memory = Memory(5)
    shape = (1, 1, 4)
    memory.combine(shape, memory.array(*shape, codes=code(np.nan)), *operands(memory, shape)[1:])
    memory.combine(shape, *operands(memory, shape))
    memory.run()
    unit = compiled()
    assert unit["invalid"] == 1
    unit["clear"] = 1
    unit.step()
    unit["clear"] = 0
    unit.step(5)
    assert unit["invalid"] == 0


@pytest.mark.parametrize("shape", [(1, 1, 65535), (1, 65535, 1), (65535, 1, 1)])
def test_largest_sizes(shape):
    memory = Memory(6)
    a = memory.array(*shape)
    memory.combine(shape, a, Array(a.at, 0, 0), a)
    memory.run()


SPEED = [
    pytest.param((1, 1, 4096), 0, 1.0, id="one-run"),
    pytest.param((8, 8, 64), 0, 1.0, id="runs"),
    pytest.param((32, 64, 2), 1, 1.0, id="short-runs"),
]


@pytest.mark.parametrize(("shape", "single", "each"), SPEED)
def test_an_element_a_cycle(shape, single, each):
    memory = Memory(7)
    memory.combine(shape, *operands(memory, shape), single=single)
    cycles, count = memory.run(), int(np.prod(shape))
    print(f"COMBINE {shape}: {cycles} cycles for {count} elements")
    assert cycles < count * each + 60

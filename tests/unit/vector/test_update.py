"""UPDATE: the compiled unit against the model, byte by byte, under every stall pattern."""

import numpy as np
import pytest

from lnpu.vector.update import CHUNK
from lnpu_sim.rtl import STALL_PATTERNS
from support.arith import Memory, code, numbers

COUNTS = [4, 8, CHUNK - 4, CHUNK, CHUNK + 4, 2 * CHUNK, 4 * CHUNK + 12]


def normal(rng, count, size=1.0):
    """Codes."""
    return rng.normal(0, size, count).astype(np.float32).view(np.uint32)


def three(make, rng, count, **options):
    return [make(rng, count, **options) for _ in range(3)]


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("size", [1e-4, 1.0, 3e4])
def test_every_count(size, pattern):
    """Small, usual and saturating weights; commands one after the other."""
    memory = Memory(1)
    for count in COUNTS:
        memory.update(three(normal, memory.rng, count, size=size), scale=2.0**-7)
    for seed in range(1, 4):
        memory.run(pattern, seed)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_both_commands(pattern):
    """COMBINE and UPDATE share the arithmetic and the ports."""
    memory = Memory(2)
    for n, count in enumerate((4, 72, 8, 132)):
        shape = (1 + n, 2, 7)
        memory.combine(shape, *(memory.array(*shape) for _ in range(3)), single=n % 2)
        memory.update(three(normal, memory.rng, count))
    for seed in range(1, 4):
        memory.run(pattern, seed)


@pytest.mark.parametrize(
    "scalars", [{}, {"scale": 0.0, "decay": 0.0}, {"rate": -(2.0**90)}, {"momentum": 1e-38}]
)
def test_every_magnitude(scalars):
    memory = Memory(3)
    memory.update(three(numbers, memory.rng, 2000), **scalars)
    memory.run()


def borders():
    """Where fp16 copies round, flush and saturate: numbers on both sides of each border, of both signs."""
    middle = np.array(
        [
            2.0**-14,
            2.0**-14 * (1 + 2.0**-11),
            1 + 2.0**-11,
            1 + 3 * 2.0**-11,
            2 - 2.0**-11,
            65504,
            65520,
            65536,
        ],
        np.float32,
    )
    codes = (middle.view(np.uint32)[:, None] + np.arange(-1, 2).astype(np.uint32)).reshape(-1)
    return np.concatenate([codes, codes ^ 0x8000_0000])


def test_copies():
    """Masters as they are: no step."""
    codes = borders()
    memory = Memory(4)
    memory.update([codes] * 3, scale=0.0, decay=0.0, momentum=0.0, rate=0.0)
    memory.run()


@pytest.mark.parametrize(
    "peak", [65504.0, np.nextafter(np.float32(65520), np.float32(0)), 65520.0, -65520.0, 3e38]
)
def test_saturated_is_told(peak):
    """From 65520 on, which rounds to more than 65504."""
    memory = Memory(5)
    arrays = three(normal, memory.rng, 12)
    arrays[1][7] = code(peak)
    memory.update(arrays, scale=0.0, decay=0.0, momentum=0.0, rate=0.0)
    memory.run()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("array", [0, 1, 2], ids=["gradient", "master", "momentum"])
@pytest.mark.parametrize("at", [0, CHUNK + 3])
def test_not_a_number(at, array, value):
    memory = Memory(6)
    arrays = three(normal, memory.rng, CHUNK + 4)
    arrays[array][at] = code(value)
    memory.update(arrays)
    memory.run()


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("skip", [0, 1])
def test_guard(skip, pattern):
    """With `skip` guarded commands read and write nothing; the others work as usual."""
    memory = Memory(7)
    for guarded in (1, 0, 1, 1, 0):
        memory.update(three(normal, memory.rng, 20, size=1e5), guarded=guarded)
    memory.run(pattern, skip=skip)


def test_left_out_alone():
    """Nothing at all happens, and no flag is raised by what was not read."""
    memory = Memory(8)
    arrays = three(normal, memory.rng, 8, size=1e9)
    arrays[0][3] = code(np.nan)
    memory.update(arrays, guarded=1)
    memory.run(skip=1)


def test_cycles_of_a_weight():
    memory = Memory(9)
    count = 64 * CHUNK
    memory.update(three(normal, memory.rng, count))
    cycles = memory.run()
    print(f"UPDATE: {cycles} cycles for {count} weights, {cycles / count:.2f} each")
    assert cycles < 3.5 * count + 200

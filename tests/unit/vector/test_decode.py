"""DECODE: the compiled unit against the model, byte by byte, under every stall pattern."""

import numpy as np
import pytest

from lnpu.bus.limits import MAX_WORDS
from lnpu.codec.config import FgmpFormat
from lnpu_sim.codec.tensor import encode as encode_tensor
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
    (40, 1, 1, 3),
]


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("zeros", [0.0, 0.5, 1.0])
def test_every_shape(zeros, pattern):
    """Rows of even and odd numbers, commands one after the other."""
    memory = Memory()
    for n, shape in enumerate(SHAPES):
        fmt = FgmpFormat(n % 16 - 8, (1, 2, 4)[n % 3], (4, 6)[n % 2])
        memory.decode(dense(shape, n, zeros), fmt)
    for seed in range(1, 4):
        memory.run(pattern, seed)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_malformed_rows(pattern):
    """Bits are turned over in some; the next command works as usual."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        memory, fmt = Memory(seed), FgmpFormat(0, 2, 6)
        for shape in ((2, 3, 4, 20), (1, 2, 3, 70)):
            x = dense(shape, seed)
            words = encode_tensor(x, fmt).words.copy()
            for at in rng.integers(len(words), size=3):
                words[at] ^= np.uint64(1 << int(rng.integers(64)))
            memory.decode(x, fmt, words=words)
            memory.decode(x, fmt)
        memory.run(pattern, seed + 1)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("words", [0, -1, MAX_WORDS + 1, 2**31])
def test_pointers_that_name_no_row(words, pattern):
    """Such a row becomes zeros and nothing is read for it; the others are what their pointers say."""
    x, fmt = dense((1, 6, 3, 20)), FgmpFormat(0, 2, 6)
    tensor = encode_tensor(x, fmt)
    memory = Memory()
    for row in (0, 3, 5):
        pointers = np.frombuffer(tensor.pointer_bytes(), "<u4")[:7].copy()
        pointers[row + 1] = (int(pointers[row]) + words) % 2**32
        if row == 0 and words < 0:
            pointers[:2] = 1, 0
        memory.decode(x, fmt, pointers=pointers)
    memory.run(pattern)


SPEED = [
    pytest.param((1, 8, 32, 64), 1.25, id="64"),
    pytest.param((32, 1, 1, 512), 1.25, id="512"),
    pytest.param((4, 8, 8, 16), 1.6, id="16"),
]


@pytest.mark.parametrize(("shape", "bound"), SPEED)
def test_four_elements_a_cycle(shape, bound):
    memory = Memory()
    memory.decode(dense(shape, zeros=0.7), FgmpFormat(0, 2, 6))
    words = int(np.prod(shape)) // 4
    cycles = memory.run()
    print(f"decode {shape}: {cycles} cycles for {words} words")
    assert cycles < words * bound + 150

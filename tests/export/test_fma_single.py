"""Single mode of the exported default FMA against numpy's own float16 rounding: values and flags."""

import numpy as np
import pytest

from lnpu.formats import FP16
from lnpu.numeric.config import FMA_BUILDS
from lnpu_sim.numeric.stimulus import corner_codes
from lnpu_sim.rtl import STALL_PATTERNS
from oracles.fma import fp16_fma
from support.fma import Result, assert_equal, fma_unit, play

DEFAULT = FMA_BUILDS["default"]


@pytest.fixture(scope="module")
def unit():
    return fma_unit(DEFAULT)


def check(unit, a, b, c, *, pattern="none", seed=1):
    """Single mode; what single mode does not read (upper addend, scale) is random."""
    rng, n = np.random.default_rng(seed), len(a)
    words = {
        "mode": np.zeros(n, np.int64),
        "a": a,
        "b": b,
        "c": c | rng.integers(0, 1 << 16, n) << 16,
        "s": rng.integers(-256, 256, n),
    }
    d, flags = fp16_fma(a, b, c)
    idle = Result(np.zeros(n, np.int64), np.zeros(n, np.int64))
    want = [Result(d.astype(np.int64), flags.astype(np.int64)), idle]
    assert_equal(play(unit, DEFAULT, words, pattern, seed), want, words, f"({pattern}, seed {seed})")
    return flags


def product(a, b):
    """Nearest float16 code of a product, to aim addends at."""
    with np.errstate(all="ignore"):
        value = a.astype(np.uint16).view(np.float16) * b.astype(np.uint16).view(np.float16)
    return value.view(np.uint16).astype(np.int64)


def triples(rng, n):
    """Uniform, nearly cancelling, at an exponent distance where ties and sticky bits occur, sparse."""
    a, b, c = (rng.integers(0, 1 << 16, n) for _ in range(3))
    kind = np.arange(n) % 5
    a = np.where(kind == 3, a & 0xFE00 | rng.integers(0, 8, n), a)
    a = np.where(kind == 4, a & 0x83FF | rng.integers(0, 2, n) << 10, a)  # the two lowest binades
    near = product(a, b)
    cancels = (near ^ 0x8000) + rng.integers(-2, 3, n) & 0xFFFF
    exponent = np.clip((near >> 10 & 31) + rng.integers(-14, 15, n), 0, 31)
    apart = rng.integers(0, 2, n) << 15 | exponent << 10 | near & 0x3FF
    return a, b, np.select([kind == 1, kind == 2], [cancels, apart], c)


def test_corner_triples(unit):
    """Every triple of boundary codes; all flags that can be raised are raised (DZ cannot)."""
    corners = corner_codes(FP16)
    a, b, c = (x.reshape(-1) for x in np.meshgrid(corners, corners, corners, indexing="ij"))
    assert np.bitwise_or.reduce(check(unit, a, b, c)) == 0b10111


@pytest.mark.parametrize("addend", ["zero", "cancels"])
def test_corners_by_every_code(unit, addend):
    """A boundary code times every code: 2.2 million products each, exact and nearly cancelled."""
    corners = corner_codes(FP16)
    a, b = (x.reshape(-1) for x in np.meshgrid(corners, np.arange(1 << 16), indexing="ij"))
    c = product(a, b) ^ 0x8000 if addend == "cancels" else (a ^ b) & 0x8000
    check(unit, a, b, c)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_random_triples(unit, pattern):
    """600,000 under each stall pattern."""
    seed = list(STALL_PATTERNS).index(pattern)
    check(unit, *triples(np.random.default_rng(100 + seed), 600_000), pattern=pattern, seed=seed)


@pytest.mark.full
def test_random_triples_long(unit):
    for seed in range(100):
        check(unit, *triples(np.random.default_rng(1000 + seed), 1_000_000), seed=seed)

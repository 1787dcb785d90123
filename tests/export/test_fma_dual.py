"""Dual mode of exported FMAs against the independent oracles: all products, stratified addends."""

import numpy as np
import pytest

from lnpu.formats import FP16
from lnpu.numeric.config import FMA_BUILDS, Flavour, FmaConfig, Fp8
from lnpu_sim.numeric.stimulus import corner_codes
from support.fma import assert_equal, fma_unit, name_of, oracle, play

ALL_PAIRS = [(name, 0) for name in ("default", "e5m2")] + [("mixed", fmt) for fmt in range(4)]
UNITS = {
    "default": FMA_BUILDS["default"],
    "e5m2": FmaConfig(fp8=Fp8.E5M2),
    "mixed": FmaConfig(fp8=Fp8.MIXED),
    "training": FmaConfig(flavour=Flavour.TRAINING, fp8=Fp8.MIXED),
}
A, B = (x.reshape(-1) for x in np.meshgrid(np.arange(256), np.arange(256), indexing="ij"))


def check(name, a, b, c, s, fmt=0, pattern="none"):
    """Lane words in lists; compares both lanes."""
    config, n = UNITS[name], len(a[0])
    words = {
        "mode": np.ones(n, np.int64),
        "a": a[0] | a[1] << 8,
        "b": b[0] | b[1] << 8,
        "c": c[0] | c[1] << 16,
        "s": np.broadcast_to(s, n).astype(np.int64),
    }
    if config.fmt_bits:
        words["fmt"] = np.full(n, fmt)
    assert_equal(
        play(fma_unit(config), config, words, pattern), oracle(config, words), words, name_of(config)
    )


@pytest.mark.parametrize(("name", "fmt"), [*ALL_PAIRS, *(("training", fmt) for fmt in range(4))])
def test_every_product(name, fmt):
    """65,536 products of a format pair plus either zero, over the scales; lane 1 in another order."""
    order = np.random.default_rng(fmt).permutation(len(A))
    for c, s in ((0, 0), (0x8000, 0), (0, -7), (0x8000, 5), (0, -40), (0x8000, 40), (0, 255), (0, -256)):
        zero = np.full(len(A), c)
        check(name, (A, A[order]), (B, B[order]), (zero, zero ^ 0x8000), s, fmt)


def strata(rng, name, fmt, a, b, turn):
    """Addends of one kind: uniform, boundary codes, near minus the product, a tie's distance away."""
    n = len(a)
    if turn % 4 == 0:
        return rng.integers(0, 1 << 16, n)
    if turn % 4 == 1:
        return rng.choice(corner_codes(FP16), n)
    zero = np.zeros(n, np.int64)
    words = {"mode": zero + 1, "a": a, "b": b, "c": zero, "s": zero, "fmt": zero + fmt}
    near = oracle(UNITS[name], words)[0].d
    if turn % 4 == 2:
        return (near ^ 0x8000) + rng.integers(-2, 3, n) & 0xFFFF
    exponent = np.clip((near >> 10 & 31) + rng.integers(-13, 14, n), 0, 31)
    return rng.integers(0, 2, n) << 15 | exponent << 10 | rng.integers(0, 1 << 10, n)


@pytest.mark.parametrize(("name", "fmt"), ALL_PAIRS)
def test_every_product_under_stratified_addends(name, fmt):
    """Each product under 8 addends a lane: a million (a, b, c) a unit and format pair, 6.3 million in all."""
    rng = np.random.default_rng(7 + fmt)
    for turn in range(8):
        orders = [rng.permutation(len(A)) for _ in range(2)]
        a, b = [A[o] for o in orders], [B[o] for o in orders]
        c = [strata(rng, name, fmt, x, y, turn + k) for k, (x, y) in enumerate(zip(a, b, strict=True))]
        check(name, a, b, c, 0, fmt, "random" if turn == 7 else "none")

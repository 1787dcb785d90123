"""Windowed units on exported Verilog: sums are exact and free of order; overflow saturates and is flagged.

The reference adds Python integers, one term at a time. A term is the exact product as a fraction, rounded
once to the window's last bit (half away from zero); a product whose nominal exponent does not fit overflows.
"""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest

from lnpu.numeric.config import FMA_BUILDS, Dual, Flavour, FmaConfig, Fp8, Share, WindowAccumulate
from lnpu_sim.rtl import STALL_PATTERNS
from oracles.fma import NV, OF, exact_term, exact_value
from support.fma import Result, assert_equal, fma_unit, name_of, play

UNITS = [
    FmaConfig(Flavour.TRAINING, Fp8.BOTH, Dual.FP8XFP8, WindowAccumulate(23), Share.FULL, 1),
    FMA_BUILDS["pe"],
    FmaConfig(Flavour.IEEE, Fp8.MIXED, Dual.FP8XFP8, WindowAccumulate(40), Share.MULT, 3),
    FmaConfig(Flavour.IEEE, Fp8.BOTH, Dual.FP8XFP16, WindowAccumulate(64), Share.FULL, 4),
    FmaConfig(Flavour.IEEE, Fp8.E5M2, Dual.FP8XFP8, WindowAccumulate(32), Share.FULL, 2),
]
IEEE = [config for config in UNITS if config.flavour is Flavour.IEEE]


@functools.cache
def value(name, code, training):
    return exact_value(name, code, training=training)


def factors(config, op, lane):
    """Names and codes of a lane's factors; None where single mode leaves the lane alone."""
    if op["mode"] == 0:
        return None if lane else (("fp16", op["a"]), ("fp16", op["b"] & 0xFFFF))
    fmt = op.get("fmt", 0)
    names = [f.name for f in config.fp8.formats]
    a = names[fmt & 1], op["a"] >> 8 * lane & 255
    if config.dual is Dual.FP8XFP16:
        return a, ("fp16", op["b"] >> 16 * lane & 0xFFFF)
    return a, (names[fmt >> max(config.fmt_bits - 1, 0)], op["b"] >> 8 * lane & 255)


def nominal(name, v):
    """Exponent that the unit sees: fp16 subnormals keep their leading zeros, fp8 ones are normalised."""
    exponent = v.numerator.bit_length() - v.denominator.bit_length()
    exponent -= abs(v) < Fraction(2) ** exponent
    return max(exponent, -14) if name == "fp16" else exponent


def product(config, op, lane):
    """`(value, nominal exponent)`, None for nothing, "special" for NaN and infinity."""
    pair = factors(config, op, lane)
    if pair is None:
        return None
    values = [value(name, code, config.flavour is Flavour.TRAINING) for name, code in pair]
    if not all(isinstance(v, Fraction) for v in values):
        return "special"
    scale = op["s"] if op["mode"] else 0
    if 0 in values:
        return None
    exponent = sum(nominal(name, v) for (name, _), v in zip(pair, values, strict=True)) + scale
    return values[0] * values[1] * Fraction(2) ** scale, exponent


def reference(config, ops):
    """Words and flags of every operation of every lane."""
    width = config.accumulate.width
    low, high = -(1 << width - 1), (1 << width - 1) - 1
    lanes = []
    for lane in range(config.lanes):
        total = flags = 0
        words = []
        for op in ops:
            if op["clear"]:
                word = op["c"] >> width * lane & (1 << width) - 1
                total, flags = word - (word >> width - 1 << width), 0
            found = product(config, op, lane)
            if found == "special":
                flags |= NV
            elif found is not None:
                size, exponent = found
                if exponent + 2 > op["top"]:
                    total = high + 1 if size > 0 else low - 1
                else:
                    total += exact_term(size, op["top"], width)
                if not low <= total <= high:
                    flags |= OF
                    total = min(max(total, low), high)
            words.append((total % (1 << width), flags))
        d, f = zip(*words, strict=True)
        lanes.append(Result(np.array(d, dtype=object), np.array(f)))
    return lanes


def groups(config, rng, count, *, fits, special=0.0):
    """`count` sums of 2 to 30 products; with `fits` none can leave the window, else most do."""
    width, wide_b = config.accumulate.width, config.dual is Dual.FP8XFP16
    result = []
    for _ in range(count):
        n, mode = int(rng.integers(2, 31)), int(rng.integers(0, 2))
        s, fmt = int(rng.integers(-20, 21)), int(rng.integers(0, 1 << config.fmt_bits))
        bound = 1 << width - 7
        c = [int(rng.integers(-min(bound, 1 << 40), min(bound, 1 << 40))) % (1 << width) for _ in range(2)]
        keep = int(rng.choice([0xFFFF, 0xBFBF, 0xB3B3]))  # all magnitudes, or those around one
        ops = []
        for _ in range(n):
            a, b = int(rng.integers(0, 1 << 16)) & keep, int(rng.integers(0, 1 << 32))
            b = b & (keep | keep << 16) if wide_b else b & 0xFFFF & keep
            op = {"mode": mode, "a": a, "b": b, "c": c[0] | c[1] << width, "s": s, "clear": int(not ops)}
            if config.fmt_bits:
                op["fmt"] = fmt
            plain = [product(config, op, lane) != "special" for lane in range(config.lanes)]
            if all(plain) or (special and rng.random() < special):
                ops.append(op)
        if len(ops) < 2:
            continue
        found = [product(config, op, lane) for op in ops for lane in range(config.lanes)]
        most = max((f[1] for f in found if f not in (None, "special")), default=0)
        top = most + 2 + 6 if fits else most + int(rng.integers(-3, 5))
        for op in ops:
            op["top"] = min(max(top, -256), 255)
        result.append(ops)
    return result


def run(config, sums, pattern="none"):
    """Plays groups after one another; checks every step against the reference and returns the last ones."""
    ops = [op for group in sums for op in group]
    words = {name: np.array([op[name] for op in ops], dtype=object) for name in ops[0]}
    signed = {name: words[name].astype(np.int64) for name in words if name != "c"}
    total = config.accumulate.width * config.lanes
    c = words["c"]
    if total > 64:
        c = np.stack(
            [(c >> 64 * k & (1 << 64) - 1).astype(np.uint64) for k in range(math.ceil(total / 64))], 1
        )
    else:
        c = c.astype(np.uint64)
    got = play(fma_unit(config), config, {**signed, "c": c}, pattern)
    assert_equal(got, reference(config, ops), words, name_of(config))
    ends = np.cumsum([len(group) for group in sums]) - 1
    return [(tuple(lane.d[k] for lane in got), tuple(lane.flags[k] for lane in got)) for k in ends]


def shuffled(group, rng):
    """The same products in another order (the first operation loads the addend)."""
    order = [dict(group[k]) for k in rng.permutation(len(group))]
    for k, op in enumerate(order):
        op["clear"] = int(k == 0)
    return order


@pytest.mark.parametrize("config", UNITS, ids=name_of)
def test_sums_are_exact_and_free_of_order(config):
    rng = np.random.default_rng(3)
    sums = groups(config, rng, 150, fits=True)
    first = run(config, sums, "random")
    second = run(config, [shuffled(group, rng) for group in sums])
    assert first == second
    assert all(flags == (0,) * config.lanes for _, flags in first)
    assert len({d for d, _ in first}) > len(sums) // 2


@pytest.mark.parametrize("config", UNITS, ids=name_of)
def test_overflow_saturates_and_is_flagged(config):
    rng = np.random.default_rng(4)
    last = run(config, groups(config, rng, 250, fits=False), "random")
    high = (1 << config.accumulate.width - 1) - 1
    lanes = [(d, flag) for words, flags in last for d, flag in zip(words, flags, strict=True)]
    assert {flag & OF for _, flag in lanes} == {0, OF}
    assert {high, high + 1} <= {d for d, flag in lanes if flag & OF}


@pytest.mark.parametrize("config", IEEE, ids=name_of)
def test_nan_and_infinity_add_nothing_and_are_flagged(config):
    """The sum of the finite products is not disturbed; NV stays until the next clear, in that lane alone."""
    rng = np.random.default_rng(5)
    sums = groups(config, rng, 150, fits=True, special=0.7)
    first = run(config, sums)
    assert first == run(config, [shuffled(group, rng) for group in sums])
    assert {flags for _, flags in first} == {(0, 0), (0, NV), (NV, 0), (NV, NV)}


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_stalls_do_not_disturb_a_sum(pattern):
    """A loop of one cycle: sums go on from the last result under every stall pattern."""
    config = FMA_BUILDS["pe"]
    run(config, groups(config, np.random.default_rng(6), 60, fits=True), pattern)

"""Shifters and leading-zero counters against plain integers, every width and split."""

# amaranth: UnusedElaboratable=no
import numpy as np
import pytest
from amaranth.hdl import Const, Elaboratable, Module, Signal

from lnpu.export.verilog import to_verilog
from lnpu.lib.bits import leading_zeros, shift_left_split, shift_right, shift_right_split, top_align
from lnpu_sim.rtl.verilator import build

N = 4000


class Wrap(Elaboratable):
    """A combinational function of signals as a module."""

    def __init__(self, inputs, outputs, make):
        self.inputs = {name: Signal(width, name=name) for name, width in inputs.items()}
        self.outputs = {name: Signal(width, name=name) for name, width in outputs.items()}
        self.make = make

    def elaborate(self, platform):
        m = Module()
        for name, value in self.make(m, **self.inputs).items():
            m.d.comb += self.outputs[name].eq(value)
        return m


def run(inputs, outputs, make, values):
    unit = Wrap(inputs, outputs, make)
    ports = {n: (s, False) for n, s in unit.inputs.items()} | {n: (s, True) for n, s in unit.outputs.items()}
    compiled = build([to_verilog(unit, "unit", ports)], "unit")
    free = {"in_valid": None, "in_ready": None, "out_valid": None, "out_ready": None}
    result = compiled.run_stream(values, list(outputs), **free)
    return {name: result[name].astype(np.int64) for name in outputs}


def words(rng, width):
    return rng.integers(0, 1 << width, N) >> rng.integers(0, width + 1, N)


@pytest.mark.parametrize("width", [2, 3, 8, 15, 16, 17, 28])
def test_leading_zeros(width):
    value = words(np.random.default_rng(width), width)
    got = run(
        {"value": width},
        {"count": 6},
        lambda m, value: {"count": leading_zeros(m, "z", value)},
        {"value": value},
    )
    expected = np.array([width - int(v).bit_length() for v in value])
    zero = value == 0
    np.testing.assert_array_equal(got["count"][~zero], expected[~zero])
    at_zero = width - 1 if width & (width - 1) == 0 else width
    assert set(got["count"][zero]) <= {at_zero}


@pytest.mark.parametrize(("width", "bits"), [(8, 3), (32, 6), (23, 5), (40, 6)])
def test_shift_right(width, bits):
    rng = np.random.default_rng(width)
    word, by = rng.integers(0, 1 << width, N), rng.integers(0, 1 << bits, N)
    got = run(
        {"word": width, "by": bits},
        {"out": width},
        lambda m, word, by: {"out": shift_right(m, "s", word, by)},
        {"word": word, "by": by},
    )
    np.testing.assert_array_equal(got["out"], word >> by)


@pytest.mark.parametrize(("high", "low"), [(14, 14), (16, 13), (5, 9)])
def test_split_shifts(high, low):
    rng = np.random.default_rng(high)
    cross = rng.integers(0, 2, N)
    by_high = rng.integers(0, 32, N)
    values = {
        "h": rng.integers(0, 1 << high, N),
        "l": words(rng, low),
        "bh": by_high,
        "bl": np.where(cross, by_high, rng.integers(0, 32, N)),
        "x": cross,
    }
    inputs = {"h": high, "l": low, "bh": 5, "bl": 5, "x": 1}
    outputs = {"rh": high, "rl": low, "sh": 1, "sl": 1, "lh": high, "ll": low}

    def make(m, h, l, bh, bl, x):  # noqa: E741
        right = shift_right_split(m, "r", h, l, bh, bl, x)
        left = shift_left_split(m, "l", h, l, bh, bl, x)
        return dict(zip(outputs, (*right, *left), strict=True))

    got = run(inputs, outputs, make, values)
    for k in range(N):
        h, l, bh, bl, x = (int(values[n][k]) for n in inputs)  # noqa: E741
        joined = h << low | l
        if x:
            right, dropped = joined >> bh, joined & ((1 << bh) - 1)
            left = joined << bh & ((1 << (high + low)) - 1)
            want = (right >> low, right % (1 << low), 0, int(dropped != 0), left >> low, left % (1 << low))
        else:
            lost = (h & ((1 << bh) - 1), l & ((1 << bl) - 1))
            want = (
                h >> bh,
                l >> bl,
                *(int(v != 0) for v in lost),
                (h << bh) % (1 << high),
                (l << bl) % (1 << low),
            )
        assert tuple(int(got[n][k]) for n in outputs) == want, values


def test_top_align():
    assert len(top_align(Const(5, 4), 9)) == 9
    assert len(top_align(Const(5, 9), 4)) == 4

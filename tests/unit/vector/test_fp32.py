"""fp32 units on exported Verilog against the model, which is numpy's fp32 but for small and huge numbers."""

import numpy as np
import pytest

from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu.vector.fp32 import Fp32Add, Fp32Multiply, Weighted
from lnpu_sim.rtl import Sink, Source, build
from lnpu_sim.vector.fp32 import add, finite, multiply

COUNT = 100_000


def operands(count, seed):
    """Codes: any bits, near exponents, equal numbers of either sign, the borders."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32) for _ in range(2))
    near = np.arange(count) % 3 == 1
    shift = rng.integers(-26, 27, count)
    exponent = np.clip((a >> 23 & 255).astype(int) + shift, 0, 255).astype(np.uint32)
    b = np.where(near, b & 0x807F_FFFF | exponent << 23, b)
    alike = np.arange(count) % 7 == 2
    b = np.where(alike, (a ^ 0x8000_0000) + rng.integers(-3, 4, count).astype(np.uint32), b)
    borders = np.array(
        [
            0,
            1 << 31,
            0x0080_0000,
            0x8080_0000,
            0x007F_FFFF,
            0x7F7F_FFFF,
            0xFF7F_FFFF,
            0x3F80_0000,
            0x3FFF_FFFF,
            0x0100_0000,
            0x00FF_FFFF,
            0x7F00_0000,
            0x2000_0000,
        ],
        np.uint32,
    )
    pairs = np.stack(np.meshgrid(borders, borders)).reshape(2, -1)
    a, b = (np.concatenate([side, extra]) for side, extra in zip((a, b), pairs, strict=True))
    # What the units are given holds no exponent field of 255.
    return finite(a)[0], finite(b)[0]


def run(unit, latency, **values):
    """Results of a pipeline that always moves."""
    built = build([to_verilog(unit, "unit", flat_ports(unit))], "unit")
    built["go"] = 1
    count = len(next(iter(values.values())))
    data = {
        name: np.concatenate([v.view(np.uint32), np.zeros(latency, np.uint32)]) for name, v in values.items()
    }
    result = built.run_streams(
        [Source(data, None, None)], [Sink(["o"], None, None, beats=count + latency)], idle_limit=100
    )
    return np.asarray(result["o"], np.uint32)[latency:]


@pytest.mark.parametrize(("unit", "function"), [(Fp32Multiply(), multiply), (Fp32Add(), add)])
def test_equals_the_model(unit, function):
    a, b = operands(COUNT, 1)
    got, want = run(unit, unit.latency, a=a, b=b), function(a, b).view(np.uint32)
    wrong = np.flatnonzero(got != want)
    assert not len(wrong), [hex(int(v[wrong[0]])) for v in (a.view(np.uint32), b.view(np.uint32), got, want)]


def test_weighted():
    a, b = operands(5000, 2)
    s, t = (side[::-1].copy() for side in operands(5000, 3))
    want = add(multiply(a, s), multiply(b, t)).view(np.uint32)
    assert (run(Weighted(), Weighted.latency, a=a, b=b, scale_a=s, scale_b=t) == want).all()


def test_model_is_numpy():
    """For operands and results in the normal range."""
    a, b = operands(COUNT, 4)
    with np.errstate(all="ignore"):
        for function, plain in ((multiply, a * b), (add, a + b)):
            ordinary = np.isfinite(plain) & (np.abs(plain) > 2.0**-125) | (a == 0) & (b == 0)
            assert (function(a, b)[ordinary] == plain[ordinary]).all()

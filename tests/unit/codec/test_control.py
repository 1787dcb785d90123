"""Threshold and run-width control: bound on the fp16 share, hysteresis, closeness to the best widths."""

import dataclasses
import itertools

import numpy as np
import pytest

from lnpu.codec.config import CodecError, FgmpFormat
from lnpu.codec.descriptor import Statistics
from lnpu_host.codec_control import bias_for, escapes_per_element, next_format, wide_elements
from lnpu_sim.codec.tensor import encode


def tensor(seed, *, zeros=0.5, sigma=1.0, scale=1.0, shape=(4, 8, 8, 32)):
    rng = np.random.default_rng(seed)
    x = scale * rng.standard_normal(shape) * np.exp(sigma * rng.standard_normal(shape))
    return np.where(rng.random(shape) < zeros, 0, x).astype(np.float32)


def counted(x, fmt):
    d = encode(x, fmt).descriptor
    return d.statistics, d.geometry


@pytest.mark.parametrize("p", [0.01, 0.05, 0.2])
def test_bias_is_the_smallest_that_keeps_the_share(p):
    for seed, scale in enumerate((0.01, 1, 30, 1000)):
        x = tensor(seed, scale=scale).clip(-60000, 60000)
        bias = bias_for(counted(x, FgmpFormat())[0], p)
        non_zero = np.count_nonzero(x)
        shares = {b: counted(x, FgmpFormat(b))[0].fp16 / non_zero for b in range(-8, 8)}
        assert shares[bias] <= p or bias == 7
        assert bias == -8 or shares[bias - 1] > p


def test_predicted_share_is_exact():
    x = tensor(3, scale=20)
    for b in range(-8, 8):
        s = counted(x, FgmpFormat(b))[0]
        assert wide_elements(s, b) == s.fp16


def test_rises_at_once_and_falls_with_margin():
    def statistics(wide_below_3):
        bins = [0] * 32
        bins[3 + 22], bins[3 + 24], bins[3 + 23] = 10000 - 100 - wide_below_3, 100, wide_below_3
        return Statistics(fp8=10000, histogram=tuple(bins))

    g = encode(tensor(0), FgmpFormat()).descriptor.geometry
    # At bias 3 the share is 100, at bias 2 it is 100 + wide_below_3, of 500 allowed and 400 with the margin.
    for wide, previous, expected in ((350, 3, 3), (290, 3, 2), (350, 2, 2), (410, 2, 3), (410, 5, 3)):
        assert next_format(statistics(wide), g, FgmpFormat(previous)).bias == expected


def test_no_oscillation_on_a_stationary_tensor():
    fmt, seen = FgmpFormat(7, 4, 4), []
    for step in range(30):
        s, g = counted(tensor(step, scale=3), fmt)
        fmt = next_format(s, g, fmt)
        seen.append(fmt)
    assert len(set(seen[2:])) == 1


@pytest.mark.parametrize(
    ("zeros", "clustered"), [(0.0, 0), (0.3, 0), (0.5, 0), (0.8, 0), (0.93, 0), (0.4, 1)]
)
def test_run_widths_come_close_to_the_best(zeros, clustered):
    """Two steps of control end within 2 % of the smallest size over all widths."""
    x = tensor(5, zeros=zeros)
    if clustered:
        x[..., ::2] = 0
        x[..., 8:20] = 0
    fmt = FgmpFormat(0, 4, 4)
    for _ in range(3):
        fmt = next_format(*counted(x, fmt), fmt)
    sizes = {
        (k8, k16): encode(x, dataclasses.replace(fmt, k8=k8, k16=k16)).size
        for k8, k16 in itertools.product((1, 2, 4), (4, 6))
    }
    assert sizes[fmt.k8, fmt.k16] <= 1.02 * min(sizes.values())


def test_expected_escapes_match_a_count():
    rng = np.random.default_rng(2)
    for q, k, block in ((0.5, 1, 64), (0.9, 4, 64), (0.8, 2, 16), (0.97, 4, 48)):
        x = (rng.random((1, 1, 8000, block)) >= q).astype(np.float32)
        s = counted(x, FgmpFormat(0, k, 6))[0]
        assert s.entries8 / s.fp8 - 1 == pytest.approx(escapes_per_element(q, k, block), rel=0.05)


def test_all_zero_tensor_and_errors():
    s, g = counted(np.zeros((1, 2, 2, 16), np.float32), FgmpFormat())
    assert next_format(s, g, FgmpFormat(-3, 1, 6)) == FgmpFormat(-3, 1, 6)
    with pytest.raises(CodecError, match=r"`p` must be 0 to 1, not 1.5"):
        bias_for(s, 1.5)
    with pytest.raises(CodecError, match=r"`hysteresis` must be 0 to 1, not -1"):
        next_format(s, g, FgmpFormat(), hysteresis=-1)

"""The golden quantiser against ml_dtypes and numpy's binary16, at every bias."""

import ml_dtypes
import numpy as np
import pytest

from lnpu.codec.config import CodecError, FgmpFormat
from lnpu_sim.codec.quantise import FP8, FP16, ZERO, histogram, quantise

BIASES = range(-8, 8)


def oracle(x, fmt):
    """Group and value of each element, in float64 with library conversions."""
    m = np.abs(x.astype(np.float64))
    scaled = np.minimum(m, 2 * fmt.threshold) * 2.0**-fmt.bias
    eight = scaled.astype(np.float32).astype(ml_dtypes.float8_e4m3fn).astype(np.float64) * 2.0**fmt.bias
    with np.errstate(over="ignore"):
        sixteen = np.minimum(m.astype(np.float16).astype(np.float64), 65504.0)
    group = np.where(m <= fmt.smallest / 2, ZERO, np.where(m <= fmt.threshold, FP8, FP16))
    value = np.where(group == ZERO, 0.0, np.where(group == FP8, np.maximum(eight, fmt.smallest), sixteen))
    return group, np.where(group == ZERO, 0.0, np.sign(x.astype(np.float64)) * value)


def interesting():
    """All finite fp16 values, and fp32 values around every rounding and group border."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    rng = np.random.default_rng(3)
    wide = rng.integers(0, 0x7F800000, 50000, dtype=np.uint32).view(np.float32)
    near = np.exp2(rng.uniform(-18, 17, 50000)).astype(np.float32)
    edges = np.concatenate([halves, (halves[1:] + halves[:-1]) / 2, np.float32([65519.996, 65520, 65536])])
    around = np.concatenate([edges, np.nextafter(edges, np.float32(0)), np.nextafter(edges, np.float32(1e9))])
    x = np.concatenate([around, wide, near])
    return np.concatenate([x, -x])


@pytest.mark.parametrize("bias", BIASES)
def test_groups_and_values_match_the_libraries(bias):
    fmt, x = FgmpFormat(bias), interesting()
    q = quantise(x, fmt)
    group, value = oracle(x, fmt)
    assert (q.group == group).all()
    assert (q.values == value).all()
    assert not (q.codes == 0x8000).any()
    exponent = q.codes >> 10 & 31
    assert ((exponent > 0) == (q.group != ZERO)).all()
    assert exponent.max() <= 30
    assert q.flushed == int(((group == ZERO) & (x != 0)).sum())
    with np.errstate(over="ignore"):
        assert q.saturated == int(np.isinf(np.abs(x).astype(np.float16)).sum())


@pytest.mark.parametrize("bias", BIASES)
def test_histogram_bins_are_the_thresholds(bias):
    x = interesting()
    above = int((np.abs(x.astype(np.float64)) > FgmpFormat(bias).threshold).sum())
    bins = histogram(x)
    assert bins[bias + 24 :].sum() == above
    assert bins.sum() == x.size


def test_invalid_elements_become_zero_and_are_counted():
    x = np.float32([np.nan, np.inf, -np.inf, 1.0])
    q = quantise(x, FgmpFormat())
    assert q.invalid == 3
    assert list(q.values) == [0.0, 0.0, 0.0, 1.0]
    assert sum(q.histogram) == 4


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros(3, np.int32), np.zeros((0, 3), np.float32)])
def test_wrong_arrays_are_refused(x):
    with pytest.raises(CodecError, match=r"dtype|at least one"):
        quantise(x, FgmpFormat())

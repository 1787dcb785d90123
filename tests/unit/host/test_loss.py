"""Softmax and cross-entropy in integers."""

import hashlib

import numpy as np
import pytest

from lnpu_host.loss import cross_entropy, probabilities


def _exact(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("spread", [0.01, 1.0, 10.0, 300.0])
def test_against_float64(spread):
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(300, 10)) * spread).astype(np.float32)
    labels = rng.integers(0, 10, 300)
    exact = _exact(logits)
    assert np.abs(probabilities(logits) / 2**30 - exact).max() < 2e-6
    loss, gradient = cross_entropy(logits, labels, 1024.0)
    # Probabilities are whole units, at least one: small ones have large errors.
    wanted = -np.log(np.maximum(exact[np.arange(300), labels], 2.0**-30)).mean()
    assert loss == pytest.approx(wanted, rel=5e-3, abs=1e-5)
    exact[np.arange(300), labels] -= 1
    assert np.abs(gradient - exact * 1024 / 300).max() < 1e-5


def test_same_bits_everywhere():
    """No libm: the digest is of this arithmetic, on any machine."""
    rng = np.random.Generator(np.random.PCG64(1))
    logits = (rng.integers(-(2**20), 2**20, (64, 10)) / 2**17).astype(np.float32)
    _, gradient = cross_entropy(logits, rng.integers(0, 10, 64), 16384.0)
    digest = hashlib.sha256(gradient.astype("<f4").tobytes()).hexdigest()
    assert digest[:16] == "5e8396e6f79d8fd3"


def test_extremes():
    logits = np.array([[3.4e38, -3.4e38], [0, 0], [-1e30, -1e30]], np.float32)
    assert probabilities(logits).tolist() == [[2**30, 0], [2**29, 2**29], [2**29, 2**29]]
    loss, gradient = cross_entropy(logits[:1], np.array([1]), 1.0)
    assert loss == pytest.approx(30 * np.log(2))
    assert gradient.tolist() == [[1.0, -1.0]]

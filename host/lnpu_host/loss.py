"""Softmax and cross-entropy in integers: the same bits on every machine, whatever its libm.

Logits count in units of 2^-20, probabilities in units of 2^-30. exp(-z) is a product of two table
entries and a quadratic for what is left of z: relative error below 2^-27.
"""

from decimal import Context, Decimal
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lnpu_host.errors import HostError

__all__ = ["cross_entropy", "probabilities"]

Ints = NDArray[np.int64]

LOGIT_BITS, UNIT_BITS = 20, 30
FINE_BITS = 10
"""The second table has steps of 2^-10."""
FARTHEST = 24
"""exp(-24) is below one unit: logits farther from the largest one count as 0."""


@cache
def _table(count: int, bits: int) -> Ints:
    """exp(-n / 2^bits) for n < count, in units of 2^-30; decimal's exp is correctly rounded."""
    context = Context(prec=40)
    values = [context.exp(-Decimal(n) / (1 << bits)) * (1 << UNIT_BITS) for n in range(count)]
    return np.array([int(value.to_integral_value()) for value in values], np.int64)


def _product(a: Ints, b: Ints) -> Ints:
    return np.asarray(a * b + (1 << UNIT_BITS - 1) >> UNIT_BITS)


def _exponential(z: Ints) -> Ints:
    """exp(-z), z >= 0 in units of 2^-20, result in units of 2^-30."""
    whole, rest = np.minimum(z >> LOGIT_BITS, FARTHEST), z & (1 << LOGIT_BITS) - 1
    fine, left = rest >> LOGIT_BITS - FINE_BITS, rest & (1 << LOGIT_BITS - FINE_BITS) - 1
    left <<= UNIT_BITS - LOGIT_BITS
    near = (1 << UNIT_BITS) - left + (left * left >> UNIT_BITS + 1)
    coarse = _table(FARTHEST + 1, 0)[whole]
    found = _product(_product(coarse, _table(1 << FINE_BITS, FINE_BITS)[fine]), near)
    return np.where(whole >= FARTHEST, 0, found)


def probabilities(logits: NDArray[np.float32]) -> Ints:
    """Softmax over the last axis, int64 in units of 2^-30."""
    limit = 1 << 40
    fixed = np.rint(np.clip(np.ldexp(logits.astype(np.float64), LOGIT_BITS), -limit, limit)).astype(np.int64)
    powers = _exponential(fixed.max(axis=-1, keepdims=True) - fixed)
    return np.asarray((powers << UNIT_BITS) // powers.sum(axis=-1, keepdims=True))


def _log2(x: Ints) -> Ints:
    """log2 of x / 2^30 in units of 2^-20, rounded down; 1 <= x <= 2^30."""
    length = np.zeros_like(x)
    for bit in range(UNIT_BITS + 1):
        length = np.where(x >> bit & 1 == 1, bit, length)
    mantissa = x << UNIT_BITS - length
    result = length - UNIT_BITS
    for _ in range(LOGIT_BITS):
        mantissa = mantissa * mantissa >> UNIT_BITS
        digit = mantissa >> UNIT_BITS + 1
        mantissa >>= digit
        result = 2 * result + digit
    return np.asarray(result)


LN2 = 0.6931471805599453


def cross_entropy(
    logits: NDArray[np.float32], labels: Ints, scale: float
) -> tuple[float, NDArray[np.float32]]:
    """Mean loss of a batch, and the gradient of `scale` times it.

    Args:
        logits: [N, classes]. labels: [N]. scale: a power of two.

    Returns:
        the loss; the gradient, fp32 [N, classes].

    Raises:
        HostError: a label is no class, or there is not one for each row.
    """
    if labels.shape != (len(logits),):
        raise HostError(f"`labels` must have the shape {(len(logits),)}, not {labels.shape}")
    wrong = labels[(labels < 0) | (labels >= logits.shape[1])]
    if len(wrong):
        raise HostError(f"`labels` must be 0 to {logits.shape[1] - 1}, not {wrong[0]}")
    found = probabilities(logits)
    rows = np.arange(len(labels))
    loss = -int(_log2(np.maximum(found[rows, labels], 1)).sum()) * LN2 / (len(labels) << LOGIT_BITS)
    found[rows, labels] -= 1 << UNIT_BITS
    gradient = found * (scale / (1 << UNIT_BITS)) / len(labels)
    return loss, gradient.astype(np.float32)

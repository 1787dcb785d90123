"""Threshold and run-width control: the statistics of one training step choose the fields of the next.

Pure functions of the descriptor's counters; the device only counts. Tensors of one layer change slowly, so
the fields that would have been right for the last step are good for this one, and a wrong guess costs bits,
never correctness (`docs/formats.md`).
"""

from lnpu.codec.config import (
    BIAS_MAX,
    BIAS_MIN,
    RUN_WIDTHS_8,
    RUN_WIDTHS_16,
    CodecError,
    FgmpFormat,
    Geometry,
)
from lnpu.codec.descriptor import Statistics

__all__ = ["bias_for", "escapes_per_element", "next_format", "wide_elements"]


def wide_elements(statistics: Statistics, bias: int) -> int:
    """Elements of the fp16 group at that bias; exact, because the histogram's edges are the thresholds."""
    return sum(statistics.histogram[bias + 24 :])


def _non_zero(statistics: Statistics) -> int:
    return statistics.fp8 + statistics.fp16 + statistics.flushed


def bias_for(statistics: Statistics, p: float = 0.05) -> int:
    """Smallest bias that leaves at most the share `p` of the non-zeros to the fp16 group; at most 7.

    Args:
        statistics: of the tensor. p: 0 to 1.

    Raises:
        CodecError: `p` is out of range.
    """
    if not 0 <= p <= 1:
        raise CodecError(f"`p` must be 0 to 1, not {p}")
    allowed = p * _non_zero(statistics)
    return next((b for b in range(BIAS_MIN, BIAS_MAX) if wide_elements(statistics, b) <= allowed), BIAS_MAX)


def escapes_per_element(q: float, k: int, block: int) -> float:
    """Expected escapes in front of an element of a group whose positions are absent with probability `q`.

    A gap of m * 2**k absent positions needs m escapes; it fits in front of block - m * 2**k of the positions.
    """
    steps = range(1 << k, block, 1 << k)
    return float(sum((1 - gap / block) * q**gap for gap in steps))


def _absence(entries: int, elements: int, positions: int, k: int, block: int) -> float:
    """Probability of absence that explains the counted escapes; from the density when there are none."""
    if elements == 0:
        return 1.0
    escapes = entries / elements - 1
    if escapes <= 0:
        return 1 - elements / positions
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if escapes_per_element(middle, k, block) < escapes else (low, middle)
    return low


def _run_width(q: float, value_bits: int, allowed: tuple[int, ...], previous: int, block: int) -> int:
    def bits(k: int) -> float:
        return (k + value_bits) * (1 + escapes_per_element(q, k, block))

    best = min(allowed, key=bits)
    return best if bits(best) < 0.99 * bits(previous) else previous


def next_format(
    statistics: Statistics,
    geometry: Geometry,
    previous: FgmpFormat,
    p: float = 0.05,
    hysteresis: float = 0.2,
) -> FgmpFormat:
    """Fields of the next step's tensor.

    The bias rises as soon as the fp16 group's share exceeds `p`, and falls when a smaller one leaves a share
    of at most `p * (1 - hysteresis)`. A run width changes when that saves 1 % of its group's bits, estimated
    from the escapes counted at the previous width (runs cluster, so the density alone would mislead).

    Args:
        statistics: counted by the encoder with `previous`. geometry: the tensor's shape.
        p: largest share of the non-zeros in the fp16 group, 0 to 1. hysteresis: 0 to 1.

    Raises:
        CodecError: `p` or `hysteresis` is out of range.
    """
    if not 0 <= hysteresis <= 1:
        raise CodecError(f"`hysteresis` must be 0 to 1, not {hysteresis}")
    total = _non_zero(statistics)
    if total == 0:
        return previous
    needed, relaxed = bias_for(statistics, p), bias_for(statistics, p * (1 - hysteresis))
    bias = needed if needed > previous.bias else min(previous.bias, relaxed)

    wide = wide_elements(statistics, bias)
    same = bias == previous.bias
    widths = []
    for elements, entries, k, allowed, value_bits in (
        (total - wide, statistics.entries8 if same else 0, previous.k8, RUN_WIDTHS_8, 8),
        (wide, statistics.entries16 if same else 0, previous.k16, RUN_WIDTHS_16, 16),
    ):
        q = _absence(entries, elements, geometry.elements, k, geometry.block)
        widths.append(_run_width(q, value_bits, allowed, k, geometry.block) if elements else k)
    return FgmpFormat(bias, widths[0], widths[1])

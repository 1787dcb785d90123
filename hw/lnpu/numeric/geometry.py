"""Widths of the floating-point datapath, each with the argument why it suffices. Pure arithmetic.

The datapath is a *window*: position 0 carries the weight of the larger operand's exponent, position `n`
the weight `2**-n` of it. The operand with the larger *nominal* exponent (that of its first significand bit,
zero or not) stays at the top, the other is shifted right; what leaves the window is kept as one sticky bit.
"""

from dataclasses import dataclass

from lnpu.formats import FP16, FloatFormat
from lnpu.numeric.config import Dual, Flavour, FloatAccumulate, FmaConfig, Share

__all__ = ["FP8_PRECISION", "PRODUCT", "PathGeometry", "paths_of", "product_width", "scale_bits"]

PRODUCT = 2 * FP16.precision
"""Bits of an fp16 product, two of them in front of the binary point."""
FP8_PRECISION = 4
"""Significand bits of an fp8 operand as the multiplier sees it (E5M2's three get a zero appended)."""


def product_width(dual: Dual) -> int:
    """Bits of one dual-mode product."""
    return FP8_PRECISION + (FP16.precision if dual is Dual.FP8XFP16 else FP8_PRECISION)


@dataclass(frozen=True)
class PathGeometry:
    """One align-add-normalise-round path.

    Args:
        config: the FMA it belongs to (float accumulate).
        single: whether the path serves single mode.
        dual_lanes: the dual-mode lanes it serves: (), (0,), (1,) or (0, 1).

    With two lanes the path is split in halves: the high one holds lane 0, the low one lane 1, and single
    mode runs across both when it needs more bits than a half has.
    """

    config: FmaConfig
    single: bool
    dual_lanes: tuple[int, ...]

    @property
    def acc(self) -> FloatFormat:
        """Format of addend and result."""
        assert isinstance(self.config.accumulate, FloatAccumulate)
        return self.config.accumulate.format

    @property
    def ieee(self) -> bool:
        """Whether subnormals, NaN, infinity and all flags exist."""
        return self.config.flavour is Flavour.IEEE

    @property
    def lanes(self) -> int:
        """Results at a time: 1 or 2."""
        return max(1, len(self.dual_lanes))

    @property
    def name(self) -> str:
        """Name of the path inside a unit with several."""
        if self.single:
            return "shared" if self.dual_lanes else "single"
        return "lane" + "".join(map(str, self.dual_lanes))

    def _need(self, product: int, leading_zeros: int) -> int:
        """Window positions for one addition.

        Exact where cancellation can be massive: the product (`product` bits) shifted by at most one, and an
        addend under a product whose first one is at position `leading_zeros`. Elsewhere at most one more
        leading bit cancels, so that many positions, the precision, the guard bit and one for the sticky
        remainder decide the rounding.
        """
        return max(product + 1, self.acc.precision + leading_zeros + 2)

    @property
    def single_window(self) -> int:
        """Positions that single mode needs. A product of normal numbers has one leading zero at most; each
        subnormal factor adds up to 10. With two of them the product's exponent is 2 emin + 1, which counts
        only where the addend's format reaches that far down."""
        zeros = 1
        if self.ieee:
            zeros += FP16.mantissa_bits * (2 if self.acc.emin <= 2 * FP16.emin + 1 else 1)
        return self._need(PRODUCT, zeros)

    @property
    def dual_window(self) -> int:
        """Positions that a dual lane needs. fp8 subnormals are normalised first; an fp16 `b` is not."""
        subnormal_b = self.ieee and self.config.b_format_wide
        return self._need(product_width(self.config.dual), 11 if subnormal_b else 1)

    @property
    def half(self) -> int:
        """Positions of the high half, and of the low one where there is one."""
        if self.lanes == 2:
            return max(self.dual_window, (self.single_window + 1) // 2 if self.single else 0)
        return max(self.single_window if self.single else 0, self.dual_window if self.dual_lanes else 0)

    @property
    def cross(self) -> bool:
        """Whether single mode runs across both halves."""
        return self.single and self.lanes == 2 and self.half < self.single_window

    @property
    def exponent_bits(self) -> int:
        """Width of the larger operand's biased exponent: one bit more than the format's, saturating.
        A saturated exponent overflows for certain: it exceeds the format's by more than the 12 positions
        that leading zeros and cancellation of one bit can take back."""
        return self.acc.exponent_bits + 1

    def shift_bits(self, half: int) -> int:
        """Width of the alignment distance of the high (0) or low (1) half. A saturated distance must put the
        smaller operand below the last bit of the other one and below the guard bit of any result: there only
        its being non-zero counts."""
        serves_single = half == 0 and self.single
        need = 0
        if serves_single:
            need = max(PRODUCT, self.single_window)
        if self.dual_lanes:
            need = max(need, product_width(self.config.dual), self.dual_window)
        return need.bit_length()


def scale_bits(config: FmaConfig) -> int:
    """Bits of the scale exponent `s` that matter to a float accumulator: beyond them it may saturate.

    With `n` bits, the smallest non-zero product times `2**(2**(n-1) - 1)` must overflow for certain, and the
    largest times `2**-(2**(n-1))` must lie below the guard bit of the smallest subnormal.
    """
    assert isinstance(config.accumulate, FloatAccumulate)
    acc = config.accumulate.format
    factors = (config.fp8.formats, (FP16,) if config.b_format_wide else config.fp8.formats)
    # Exponents of the smallest subnormal and of one beyond the largest code, all ones included.
    low = sum(min(f.emin - f.mantissa_bits for f in formats) for formats in factors)
    high = sum(max(f.exponent_mask - f.bias + 1 for f in formats) for formats in factors)
    for bits in range(5, 9):
        overflows = low + 2 ** (bits - 1) - 1 > acc.emax + 1
        vanishes = high - 2 ** (bits - 1) < acc.emin - acc.mantissa_bits - 2
        if overflows and vanishes:
            return bits
    return 9


def paths_of(config: FmaConfig) -> tuple[PathGeometry, ...]:
    """The paths of a unit: one shared, or one for fp16 and one for each fp8 lane."""
    if config.dual is Dual.NONE:
        return (PathGeometry(config, True, ()),)
    if config.share is Share.FULL:
        return (PathGeometry(config, True, (0, 1)),)
    return tuple(PathGeometry(config, lanes == (), lanes) for lanes in ((), (0,), (1,)))

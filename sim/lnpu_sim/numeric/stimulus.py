"""Operands that make an FMA work: corners, near cancellations, random codes, exponents that meet."""

import numpy as np
import numpy.typing as npt

from lnpu.formats import FP16, FloatFormat, Specials
from lnpu.numeric.config import Dual, FmaConfig, WindowAccumulate

__all__ = ["corner_codes", "fma_stimulus"]

Words = npt.NDArray[np.int64]


def corner_codes(fmt: FloatFormat) -> Words:
    """Codes at the edges of a format, both signs: zero, subnormals, extremes, ones, specials."""
    one = fmt.bias << fmt.mantissa_bits
    top = fmt.exponent_mask << fmt.mantissa_bits
    low = 1 << fmt.mantissa_bits
    positive = {
        0,
        1,
        2,
        low >> 1,
        low - 1,
        low,
        low + 1,
        2 * low - 1,
        2 * low,
        one - 1,
        one,
        one + 1,
        one + low - 1,
    }
    positive |= {fmt.max_code, fmt.max_code - 1, fmt.max_code & ~fmt.mantissa_mask}
    if fmt.specials is not Specials.NONE:
        positive |= {top | fmt.mantissa_mask, top, top | 1, top | (low >> 1)}
    codes = np.array(sorted(positive), dtype=np.int64)
    return np.concatenate([codes, codes | 1 << (fmt.width - 1)])


def _codes(rng: np.random.Generator, fmt: FloatFormat, n: int) -> Words:
    """A mix of uniform codes, corners and sparse mantissas."""
    codes = rng.integers(0, 1 << fmt.width, n, dtype=np.int64)
    corners = rng.choice(corner_codes(fmt), n)
    sparse = codes & ~fmt.mantissa_mask | (1 << rng.integers(0, fmt.mantissa_bits, n)) & fmt.mantissa_mask
    kind = rng.integers(0, 8, n)
    return np.where(kind == 0, corners, np.where(kind == 1, sparse, codes))


def _near(rng: np.random.Generator, fmt: FloatFormat, value: npt.NDArray[np.float64]) -> Words:
    """Codes close to minus the given values, so that sums cancel."""
    exponent = np.where(value == 0, fmt.emin, np.frexp(value)[1] - 1)
    exponent = exponent + rng.integers(-2, 3, len(value)) * (rng.integers(0, 3, len(value)) == 0)
    field = np.clip(exponent + fmt.bias, 0, fmt.exponent_mask).astype(np.int64)
    fraction = np.abs(np.frexp(value)[0]) * 2 - 1
    mantissa = np.floor(np.clip(fraction, 0, 1) * 2.0**fmt.mantissa_bits).astype(np.int64)
    mantissa = (mantissa + rng.integers(-1, 2, len(value))) & fmt.mantissa_mask
    sign = (value > 0) ^ (rng.integers(0, 4, len(value)) == 0)
    code: Words = sign.astype(np.int64) << (fmt.width - 1) | field << fmt.mantissa_bits | mantissa
    return code


def _magnitude(fmt: FloatFormat, codes: Words) -> npt.NDArray[np.float64]:
    """Rough signed values of codes, specials as large numbers."""
    field = (codes >> fmt.mantissa_bits & fmt.exponent_mask).astype(np.float64)
    mantissa = (codes & fmt.mantissa_mask) / 2.0**fmt.mantissa_bits
    value = np.where(field == 0, mantissa * 2, 1 + mantissa) * 2.0 ** (field - fmt.bias)
    return np.where(codes >> (fmt.width - 1) & 1, -value, value)


def fma_stimulus(config: FmaConfig, n: int, seed: int = 1) -> dict[str, Words | npt.NDArray[np.uint64]]:
    """`n` operations for a unit, deterministic in `seed`: port name (without `i_`) -> words.

    Addends are uniform in one half of the cases and near minus the product in the other. Words wider than
    64 bits are arrays of shape `(n, words)` of uint64, least significant first.
    """
    rng = np.random.default_rng(seed)
    lanes = config.lanes
    dual = config.dual is not Dual.NONE
    mode = rng.integers(0, 2, n) if dual else np.zeros(n, dtype=np.int64)
    fmt = rng.integers(0, 1 << config.fmt_bits, n)
    scale = np.where(rng.integers(0, 16, n) == 0, rng.integers(-256, 256, n), rng.integers(-24, 25, n))
    wide_b = config.dual is Dual.FP8XFP16
    a16, b16 = _codes(rng, FP16, n), _codes(rng, FP16, n)
    a = a16.copy()
    b = b16.copy()
    products = [_magnitude(FP16, a16) * _magnitude(FP16, b16)]
    if dual:
        choice_a, choice_b = fmt & 1, fmt >> (config.fmt_bits - 1 if config.fmt_bits else 0) & 1
        formats = config.fp8.formats

        def narrow(choice: Words) -> tuple[Words, npt.NDArray[np.float64]]:
            codes = [_codes(rng, f, n) for f in formats]
            values = [_magnitude(f, c) for f, c in zip(formats, codes, strict=True)]
            return np.where(choice, codes[-1], codes[0]), np.where(choice, values[-1], values[0])

        words_a, words_b, dual_products = np.zeros(n, np.int64), np.zeros(n, np.int64), []
        for lane in range(2):
            code_a, value_a = narrow(choice_a)
            if wide_b:
                code_b = _codes(rng, FP16, n)
                value_b = _magnitude(FP16, code_b)
            else:
                code_b, value_b = narrow(choice_b)
            words_a |= code_a << 8 * lane
            words_b |= code_b << (16 if wide_b else 8) * lane
            dual_products.append(value_a * value_b * 2.0**scale)
        a, b = np.where(mode, words_a, a16), np.where(mode, words_b, b16)
        products = [np.where(mode, dual_products[0], products[0]), dual_products[1]]

    window = isinstance(config.accumulate, WindowAccumulate)
    width = config.accumulate.width
    columns = []
    for lane in range(lanes):
        if isinstance(config.accumulate, WindowAccumulate):
            word = rng.integers(0, 1 << 32, n, dtype=np.uint64) << np.uint64(32)
            word |= rng.integers(0, 1 << 32, n, dtype=np.uint64)
            small = rng.integers(0, 1 << 12, n).astype(np.uint64)
            word = np.where(rng.integers(0, 3, n) == 0, word, small) & np.uint64((1 << width) - 1)
        else:
            f = config.accumulate.format
            value = np.nan_to_num(products[lane], posinf=2.0**126, neginf=-(2.0**126))
            near = _near(rng, f, value)
            word = np.where(rng.integers(0, 2, n) == 0, _codes(rng, f, n), near).astype(np.uint64)
        columns.append(word)
    total = np.zeros((n, (width * lanes + 63) // 64), np.uint64)
    for lane, column in enumerate(columns):
        index, offset = divmod(width * lane, 64)
        total[:, index] |= column << np.uint64(offset)
        if offset and offset + width > 64:
            total[:, index + 1] |= column >> np.uint64(64 - offset)
    if total.shape[1] == 1:
        total = total[:, 0]
    stimulus: dict[str, Words | npt.NDArray[np.uint64]] = {"a": a, "b": b, "c": total}
    if dual:
        stimulus |= {"mode": mode, "s": scale}
    if config.fmt_bits:
        stimulus["fmt"] = fmt
    if window:
        # Mostly inside the window, at times far outside on both sides.
        near_top = rng.integers(0, 64, n)
        stimulus["top"] = np.where(rng.integers(0, 16, n) == 0, rng.integers(-256, 256, n), near_top)
        clear = (rng.integers(0, 8, n) == 0).astype(np.int64)
        clear[0] = 1
        stimulus["clear"] = clear
        # A sum keeps its window, as in the array; only a new sum may choose another one.
        start = np.maximum.accumulate(np.where(clear, np.arange(n), 0))
        stimulus["top"] = stimulus["top"][start]
    return stimulus

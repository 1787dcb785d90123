"""The golden FMA (floating-point accumulate) against the independent oracles."""

import numpy as np
import pytest

from lnpu.formats import BF16, FP16, FP32, FloatFormat, parse_format
from lnpu.numeric.config import Dual, Flavour, FloatAccumulate, FmaConfig, Fp8, WindowAccumulate
from lnpu_sim.numeric.fma import FmaModel
from oracles.fma import exact_fma, exact_value, fp16_fma, ieee_fma, training_fma

DEFAULT = FmaModel(FmaConfig())
E8M15 = parse_format("e8m15")
FORMATS = [FP16, FP32, BF16, E8M15]


def unit(flavour=Flavour.IEEE, fp8=Fp8.E4M3, dual=Dual.FP8XFP8, acc=FP16):
    return FmaModel(FmaConfig(flavour=flavour, fp8=fp8, dual=dual, accumulate=FloatAccumulate(acc)))


def oracle(flavour):
    return ieee_fma if flavour is Flavour.IEEE else training_fma


def compare(got, expected, *operands):
    """Equal results and flags; on failure the first few cases in hex."""
    wrong = np.nonzero((got[0] != expected[0].astype(np.uint64)) | (got[1] != expected[1].astype(np.uint64)))[
        0
    ]
    lines = [
        f"{[hex(int(x[i])) for x in operands]}: got {int(got[0][i]):#x} flags {int(got[1][i]):05b}, "
        f"expected {int(expected[0][i]):#x} flags {int(expected[1][i]):05b}"
        for i in wrong[:5]
    ]
    assert len(wrong) == 0, f"{len(wrong)} of {len(got[0])} differ\n" + "\n".join(lines)


def corners(fmt: FloatFormat) -> np.ndarray:
    """Codes around every boundary of a format, both signs."""
    one, hidden = fmt.bias << fmt.mantissa_bits, 1 << fmt.mantissa_bits
    infinity = fmt.exponent_mask << fmt.mantissa_bits
    near = [0, hidden, one, one + hidden, 2 * hidden, infinity, infinity - hidden, fmt.nan_code, one - hidden]
    codes = {b + d for b in near for d in (-2, -1, 0, 1, 2)} | {
        hidden >> 1,
        infinity + 1,
        infinity + hidden - 1,
    }
    codes |= {one + hidden // 2, one + hidden // 2 + 1, 5, 3 * hidden + 5}
    positive = np.array(sorted(c for c in codes if 0 <= c < infinity + hidden))
    return np.concatenate([positive, positive | 1 << (fmt.width - 1)])


def fp16_operands(rng, n):
    """Triples that meet: addends uniform, or near the product (cancellation, ties, sticky bits)."""
    a, b, c = (rng.integers(0, 1 << 16, n) for _ in range(3))
    with np.errstate(all="ignore"):
        product = a.astype(np.uint16).view(np.float16) * b.astype(np.uint16).view(np.float16)
        near = product.view(np.uint16).astype(np.int64)
    kind = np.arange(n) % 4
    near_product = (near ^ 0x8000) + rng.integers(-2, 3, n) & 0xFFFF
    distance = (near & 0x83FF) | (np.clip((near >> 10 & 31) + rng.integers(-14, 15, n), 0, 31) << 10)
    few_bits = a & 0xFC00 | (a & 7) << 7
    c = np.select([kind == 1, kind == 2], [near_product, distance], c)
    return np.where(kind == 3, few_bits, a), b, c


@pytest.mark.parametrize("block", range(4))
def test_single_fp16_random(block):
    """4 x 600,000 triples, three quarters of them with an addend or operand that makes rounding hard."""
    a, b, c = fp16_operands(np.random.default_rng(block), 600_000)
    compare(DEFAULT.compute(0, a, b, c), fp16_fma(a, b, c), a, b, c)


def test_single_fp16_corners():
    """All triples of the boundary codes: zeros, subnormals, ones, largest, infinities, NaNs."""
    values = corners(FP16)
    a, b, c = (x.reshape(-1) for x in np.meshgrid(values, values, values, indexing="ij"))
    compare(DEFAULT.compute(0, a, b, c), fp16_fma(a, b, c), a, b, c)


@pytest.mark.full
def test_single_fp16_long():
    for seed in range(200):
        a, b, c = fp16_operands(np.random.default_rng(1000 + seed), 1_000_000)
        compare(DEFAULT.compute(0, a, b, c), fp16_fma(a, b, c), a, b, c)


def test_the_two_vectorised_oracles_agree():
    """numpy's conversion to float16 and the oracle's own rounding, on the same triples."""
    a, b, c = fp16_operands(np.random.default_rng(77), 200_000)
    compare(ieee_fma(("fp16",) * 3, a, b, c), fp16_fma(a, b, c), a, b, c)


@pytest.mark.parametrize("acc", FORMATS, ids=str)
@pytest.mark.parametrize("flavour", Flavour)
def test_single_other_accumulators(flavour, acc):
    rng, n = np.random.default_rng(11), 150_000
    a, b, _ = fp16_operands(rng, n)
    c = rng.integers(0, 1 << acc.width, n)
    # addends near the product, or a tie's distance away, with the sign that cancels
    kinds = ("fp16", "fp16", acc.name)
    near = oracle(flavour)(kinds, a, b, np.zeros(n, int))[0]
    gap = rng.integers(-acc.precision - 2, acc.precision + 3, n) << acc.mantissa_bits
    near = np.where(
        np.arange(n) % 2, near ^ 1 << (acc.width - 1), np.clip(near + gap, 0, (1 << acc.width) - 1)
    )
    c = np.where(np.arange(n) % 3, near + rng.integers(-1, 2, n) & ((1 << acc.width) - 1), c)
    compare(unit(flavour, acc=acc).compute(0, a, b, c), oracle(flavour)(kinds, a, b, c), a, b, c)


@pytest.mark.parametrize("acc", FORMATS, ids=str)
@pytest.mark.parametrize("flavour", Flavour)
def test_single_corners_other_accumulators(flavour, acc):
    values = corners(FP16)[::2]
    a, b, c = (x.reshape(-1) for x in np.meshgrid(values, values, corners(acc), indexing="ij"))
    kinds = ("fp16", "fp16", acc.name)
    compare(unit(flavour, acc=acc).compute(0, a, b, c), oracle(flavour)(kinds, a, b, c), a, b, c)


def dual_addends(acc):
    one = acc.bias << acc.mantissa_bits
    return [0, 1 << (acc.width - 1), one + 1, one | 1 << (acc.width - 1), acc.max_code, 3, acc.infinity_code]


@pytest.mark.parametrize("acc", FORMATS, ids=str)
@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(("fa", "fb"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_dual_all_fp8_products(flavour, fa, fb, acc):
    """All 65,536 products of a format pair, lane 1 with the operands exchanged, under addends and scales."""
    model = unit(flavour, Fp8.MIXED, acc=acc)
    names = [("e4m3", "e5m2")[f] for f in (fa, fb)]
    a, b = (x.reshape(-1) for x in np.meshgrid(np.arange(256), np.arange(256), indexing="ij"))
    rng = np.random.default_rng(5)
    for c, s in zip(dual_addends(acc), (0, 3, -9, 255, -256, -12, 7), strict=True):
        c1 = rng.integers(0, 1 << acc.width, len(a))
        d, flags = model.compute(
            1, a | b[::-1] << 8, b | a[::-1] << 8, c | c1.astype(object) << acc.width, s, fa + 2 * fb
        )
        low = oracle(flavour)((*names, acc.name), a, b, c, s)
        high = oracle(flavour)((*names, acc.name), b[::-1], a[::-1], c1, s)
        mask = (1 << acc.width) - 1
        compare((d & np.uint64(mask), flags & np.uint64(31)), low, a, b)
        compare((d >> np.uint64(acc.width), flags >> np.uint64(5)), high, b[::-1], a[::-1], c1)


@pytest.mark.parametrize("acc", [FP16, FP32], ids=str)
@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize("name", ["e4m3", "e5m2"])
def test_dual_fp8_by_fp16(flavour, name, acc):
    model = unit(flavour, Fp8.BOTH, Dual.FP8XFP16, acc)
    rng, n = np.random.default_rng(21), 100_000
    a, b = rng.integers(0, 1 << 16, n), rng.integers(0, 1 << 32, n)
    c = rng.integers(0, 1 << 2 * acc.width, n, dtype=np.uint64)
    s = rng.integers(-30, 31, n)
    d, flags = model.compute(1, a, b, c, s, int(name == "e5m2"))
    for lane in range(2):
        shift, mask = np.uint64(acc.width * lane), np.uint64((1 << acc.width) - 1)
        x, y, z = a >> 8 * lane & 255, b >> 16 * lane & 0xFFFF, (c >> shift) & mask
        expected = oracle(flavour)((name, "fp16", acc.name), x, y, z, s)
        compare(
            ((d >> shift) & mask, flags >> np.uint64(5 * lane) & np.uint64(31)), expected, x, y, z, s & 511
        )


@pytest.mark.parametrize(
    "acc", [FP16, FP32, BF16, parse_format("e6m9"), parse_format("e8m32"), parse_format("e5m4")], ids=str
)
@pytest.mark.parametrize("flavour", Flavour)
def test_against_fractions(flavour, acc):
    """Exact rational arithmetic, one case at a time; also accumulators that no numpy type holds."""
    training = flavour is Flavour.TRAINING
    model, rng, n = unit(flavour, acc=acc), np.random.default_rng(31), 1500
    kinds = ("fp16", "fp16", acc.name)
    a, b = (rng.choice(np.concatenate([corners(FP16), rng.integers(0, 1 << 16, 100)]), n) for _ in range(2))
    near = np.array(
        [exact_or_zero(kinds, int(x), int(y), training) for x, y in zip(a, b, strict=True)], dtype=object
    )
    step = np.array(
        [int(x) << acc.mantissa_bits for x in rng.integers(-acc.precision, acc.precision, n)], dtype=object
    )
    mask = (1 << acc.width) - 1
    c = np.where(rng.integers(0, 3, n) == 0, near + step & mask, near ^ 1 << (acc.width - 1))
    c = np.where(rng.integers(0, 3, n) == 0, rng.integers(0, 1 << 62, n).astype(object) & mask, c)
    d, flags = model.compute(0, a, b, c)
    checked = 0
    for case in zip(a.tolist(), b.tolist(), c.tolist(), d.tolist(), flags.tolist(), strict=True):
        x, y, z, got, flag = case
        if not all(is_finite(kind, code, training) for kind, code in zip(kinds, (x, y, z), strict=True)):
            continue
        code, expected = exact_fma(kinds, x, y, z, training=training)
        zero = got == 1 << (acc.width - 1) and code == 0 and not training  # the sign of zero is judged above
        assert (0 if zero else got, flag) == (code, expected), [hex(v) for v in (x, y, z, got, code)]
        checked += 1
    assert checked > n // 3


def is_finite(kind, code, training):
    value = exact_value(kind, code, training=training)
    return value is not None and not isinstance(value, str)


def exact_or_zero(kinds, a, b, training):
    """The product in the accumulator's format, to aim the addend at; 0 when there is none."""
    if not (is_finite(kinds[0], a, training) and is_finite(kinds[1], b, training)):
        return 0
    return exact_fma(kinds, a, b, 0, training=training)[0]


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "flags"),
    [
        (0x3C00, 0x3C00, 0xBC00, 0x0000, 0),  # 1 - 1 is +0
        (0x8000, 0x3C00, 0x8000, 0x8000, 0),  # -0 - 0 is -0
        (0x0000, 0x7C00, 0x7E01, 0x7E00, 0b10000),  # 0 * inf is invalid even with a quiet NaN addend
        (0x3C00, 0x3C00, 0x7D00, 0x7E00, 0b10000),  # signalling NaN
        (0x3C00, 0xFE00, 0x3C00, 0x7E00, 0),  # quiet NaN, canonical result
        (0x7C00, 0x3C00, 0xFC00, 0x7E00, 0b10000),  # inf - inf
        (0x7BFF, 0x4000, 0x0000, 0x7C00, 0b00101),  # 131008 overflows
        (0x7BFF, 0x3C00, 0x4C00, 0x7C00, 0b00101),  # 65504 + 16 is the tie, and goes to infinity
        (0x7BFF, 0x3C00, 0x4BFF, 0x7BFF, 0b00001),  # just below the tie
        (0x0001, 0x3800, 0x0000, 0x0000, 0b00011),  # half of the smallest subnormal
        (0x0001, 0x3C00, 0x0000, 0x0001, 0),  # tiny but exact: no underflow
        (0x3BFF, 0x0400, 0x0000, 0x0400, 0b00011),  # tiny with unbounded exponent, rounds to normal
    ],
)
def test_ieee_by_example(a, b, c, d, flags):
    got = DEFAULT.compute(0, a, b, c)
    assert (int(got[0]), int(got[1])) == (d, flags)


def test_training_by_example():
    model = unit(Flavour.TRAINING)
    cases = [
        (0x0001, 0x7BFF, 0x0000, 0x0000, 0),  # a subnormal reads as zero: nothing is inexact
        (0x0400, 0x3800, 0x0000, 0x0000, 0b00011),  # below the smallest normal
        (0x8400, 0x3800, 0x0000, 0x0000, 0b00011),  # ... and +0, not -0
        (0x7BFF, 0x4000, 0x0000, 0x7BFF, 0b00101),  # saturates
        (0xFC00, 0x3C00, 0x0000, 0xFBFF, 0b00101),  # the all-ones binade is ordinary: -65536
        (0x7C00, 0x3800, 0x0000, 0x7800, 0),  # 65536 / 2
        (0x8000, 0x3C00, 0x8000, 0x0000, 0),  # zero is +0
    ]
    for a, b, c, d, flags in cases:
        got = model.compute(0, a, b, c)
        assert (int(got[0]), int(got[1])) == (d, flags), hex(a)
    d, _ = unit(Flavour.TRAINING, acc=FP32).compute(1, 0x7F, 0x38, 0)  # E4M3's 0x7F is 480
    assert np.uint32(d).view(np.float32) == 480.0


def test_modes_mix_and_scale_words():
    rng, n = np.random.default_rng(41), 5000
    mode, a, b = rng.integers(0, 2, n), rng.integers(0, 1 << 16, n), rng.integers(0, 1 << 16, n)
    c, s = rng.integers(0, 1 << 32, n), rng.integers(-256, 256, n)
    d, flags = DEFAULT.compute(mode, a, b, c, s)
    for value in range(2):
        part = mode == value
        single = DEFAULT.compute(value, a[part], b[part], c[part], s[part])
        assert np.array_equal(d[part], single[0])
        assert np.array_equal(flags[part], single[1])
    assert not (d[mode == 0] >> np.uint64(16)).any()
    assert not (flags[mode == 0] >> np.uint64(5)).any()
    raw = DEFAULT.compute(mode, a, b, c, s & 511)
    assert np.array_equal(d, raw[0])
    assert np.array_equal(flags, raw[1])


def test_shapes_and_words():
    d, flags = DEFAULT.compute(0, np.full((2, 1), 0x3C00), np.full(3, 0x4000), 0)
    assert d.shape == flags.shape == (2, 3)
    assert (d == 0x4000).all()
    assert d.dtype == flags.dtype == np.uint64
    wide, _ = unit(acc=parse_format("e8m32")).compute(1, 0x3838, 0x3838, 0)
    assert int(wide) == (127 << 32) | (127 << 32) << 41
    alone = FmaModel(FmaConfig(dual=Dual.NONE))
    assert int(alone.compute(0, 0x3C00, 0x3C00, 0)[0]) == 0x3C00


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="`accumulate` must be floating point, not window32"):
        FmaModel(FmaConfig(accumulate=WindowAccumulate(32)))
    with pytest.raises(ValueError, match="`mode` must be 0 to 1, not 2"):
        DEFAULT.compute([0, 2], 0, 0, 0)
    with pytest.raises(ValueError, match="`mode` must be 0 to 0, not 1"):
        FmaModel(FmaConfig(dual=Dual.NONE)).compute(1, 0, 0, 0)
    with pytest.raises(ValueError, match="`fmt` must be 0 to 0, not 1"):
        DEFAULT.compute(1, 0, 0, 0, fmt=1)

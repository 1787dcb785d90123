"""Golden encode and decode against numpy, ml_dtypes, gfloat and a table of Fractions."""

import itertools
from fractions import Fraction

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest

from lnpu.formats import (
    BF16,
    DLFLOAT16,
    E4M3,
    E5M2,
    FORMATS,
    FP16,
    FP32,
    FloatFormat,
    FormatError,
    Rounding,
    Specials,
    Subnormals,
    parse_format,
)
from lnpu_sim.numeric.floats import (
    Kind,
    Number,
    Overflow,
    Underflow,
    decode,
    decode_array,
    encode,
    encode_array,
    encode_array_flags,
    pack_array,
)
from oracles.tables import Table, positive_value

NUMPY = {
    "fp16": np.float16,
    "fp32": np.float32,
    "bf16": ml_dtypes.bfloat16,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
}
GFLOAT = {
    "fp16": gfloat.formats.format_info_binary16,
    "bf16": gfloat.formats.format_info_bfloat16,
    "e4m3": gfloat.formats.format_info_ocp_e4m3,
    "e5m2": gfloat.formats.format_info_ocp_e5m2,
}
UNSIGNED = {8: np.uint8, 16: np.uint16, 32: np.uint32}

# Rules that no named format has, in small formats: every combination is judged by the table.
SMALL = [
    FloatFormat(f"{e}-{m}-{sub.value}-{spec.value}-{r.value}", e, m, -1, sub, spec, r)
    for (e, m), sub, spec, r in itertools.product(
        [(4, 3), (3, 4), (2, 1)], Subnormals, (Specials.IEEE, Specials.OCP, Specials.NONE), Rounding
    )
]


def all_codes(fmt):
    return np.arange(1 << fmt.width, dtype=UNSIGNED[fmt.width])


def some_codes(fmt):
    """All codes up to 16 bits, else the ends and a random sample."""
    if fmt.width <= 16:
        return np.arange(1 << fmt.width)
    sample = np.random.default_rng(5).integers(0, 1 << fmt.width, 20_000)
    return np.unique(np.concatenate([sample, np.arange(64), (1 << fmt.width - 1) - np.arange(64) - 1]))


def interesting_values(fmt, dtype=np.float64):
    """All (sampled) values, midpoints, their neighbours in `dtype`, both ends and random values."""
    rng = np.random.default_rng(7)
    values = np.sort(decode_array(fmt, some_codes(fmt)))
    values = values[np.isfinite(values)]
    middle = (values[1:] + values[:-1]) / 2
    ends = fmt.max_value * (1 + 2.0 ** -np.arange(0, fmt.mantissa_bits + 4))
    tail = fmt.min_normal * np.arange(0, 2, 1 / 64) / 2
    spread = rng.uniform(1, 2, 4000) * 2.0 ** rng.uniform(
        fmt.emin - fmt.mantissa_bits - 3, fmt.emax + 2, 4000
    )
    base = np.concatenate([values, middle, ends, tail, spread])
    base = base[np.abs(base) <= np.finfo(dtype).max].astype(dtype)
    near = np.concatenate([base, np.nextafter(base, dtype(np.inf)), np.nextafter(base, dtype(-np.inf))])
    return np.unique(np.concatenate([near, -near]))


@pytest.mark.parametrize("name", NUMPY)
def test_decode_agrees_with_numpy_and_ml_dtypes(name):
    fmt = FORMATS[name]
    codes = some_codes(fmt).astype(UNSIGNED[fmt.width])
    with np.errstate(invalid="ignore"):
        expected = codes.view(NUMPY[name]).astype(np.float64)
    got = decode_array(fmt, codes)
    assert np.array_equal(got, expected, equal_nan=True)
    finite = np.isfinite(got)
    assert np.array_equal(np.signbit(got[finite]), np.signbit(expected[finite]))


@pytest.mark.parametrize("name", GFLOAT)
def test_decode_agrees_with_gfloat(name):
    codes = all_codes(FORMATS[name])
    expected = gfloat.decode_ndarray(GFLOAT[name], codes)
    assert np.array_equal(decode_array(FORMATS[name], codes), expected, equal_nan=True)


@pytest.mark.parametrize("fmt", [DLFLOAT16, E4M3.training(), FP16.training(), *SMALL], ids=str)
def test_decode_agrees_with_the_definition(fmt):
    half = 1 << (fmt.width - 1)
    got = decode_array(fmt, np.arange(2 * half))
    for code in range(half):
        expected = positive_value(fmt, code)
        if expected is None:
            assert not np.isfinite(got[code])
            assert not np.isfinite(got[code + half])
        else:
            assert Fraction(got[code]) == expected == -Fraction(got[code + half])


@pytest.mark.parametrize("name", NUMPY)
def test_encode_agrees_with_numpy_and_ml_dtypes(name):
    # ml_dtypes rounds float64 twice (by way of float32), so it judges float32 values
    fmt, source = FORMATS[name], np.float64 if name in ("fp16", "fp32") else np.float32
    values = np.concatenate([interesting_values(fmt, source), [np.inf, -np.inf, 0.0, -0.0]]).astype(source)
    with np.errstate(over="ignore", under="ignore"):
        expected = values.astype(NUMPY[name]).view(UNSIGNED[fmt.width])
    if name == "e4m3":  # ml_dtypes gives overflow's NaN a sign
        expected = np.where(expected & 0x7F == 0x7F, 0x7F, expected)
    assert np.array_equal(encode_array(fmt, values), expected)


@pytest.mark.parametrize("saturate", [False, True], ids=["infinity", "saturate"])
@pytest.mark.parametrize(
    ("rounding", "mode"),
    [
        (Rounding.RNE, gfloat.RoundMode.TiesToEven),
        (Rounding.RNU, gfloat.RoundMode.TiesToAway),
        (Rounding.RTZ, gfloat.RoundMode.TowardZero),
    ],
)
@pytest.mark.parametrize("name", ["e4m3", "e5m2", "bf16"])
def test_encode_agrees_with_gfloat(name, rounding, mode, saturate):
    named = FORMATS[name]
    fmt = FloatFormat(
        name, named.exponent_bits, named.mantissa_bits, specials=named.specials, rounding=rounding
    )
    values = interesting_values(named)
    values = np.random.default_rng(3).choice(values, min(len(values), 50_000), replace=False)
    if rounding is Rounding.RTZ and not saturate:
        # gfloat has no infinity to fall back on for E4M3; IEEE says toward zero never overflows to infinity
        values = values[np.abs(values) <= fmt.max_value]
    expected = gfloat.round_ndarray(GFLOAT[name], values, mode, saturate)
    got = decode_array(fmt, encode_array(fmt, values, Overflow.SATURATE if saturate else Overflow.INFINITY))
    assert np.array_equal(got, expected, equal_nan=True)
    assert np.array_equal(np.signbit(got[np.isfinite(got)]), np.signbit(expected[np.isfinite(got)]))


@pytest.mark.parametrize("fmt", SMALL, ids=str)
@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("underflow", Underflow)
def test_every_rule_agrees_with_the_table(fmt, overflow, underflow):
    table = Table(fmt)
    values = interesting_values(fmt)
    values = values[values > 0]
    values = np.random.default_rng(9).choice(values, min(len(values), 400), replace=False)
    codes, flags = encode_array_flags(fmt, values, overflow, underflow)
    for value, code, flag in zip(values, codes, flags, strict=True):
        assert (code, flag) == table.encode(Fraction(value), overflow, underflow), value.hex()
        exact = encode(fmt, Number.of(float(value)), overflow, underflow)
        assert (exact.code, exact.flags) == (code, flag), value.hex()


@pytest.mark.parametrize("fmt", [DLFLOAT16, E4M3.training(), FP16, FP16.training()], ids=str)
@pytest.mark.parametrize("underflow", Underflow)
def test_encode_agrees_with_the_table(fmt, underflow):
    table = Table(fmt)
    values = interesting_values(fmt)
    values = values[values > 0]
    near_ends = values[(values < 4 * fmt.min_normal) | (values > fmt.max_value / 2)]
    rng = np.random.default_rng(9)
    values = np.concatenate([rng.choice(near_ends, 3000), rng.choice(values, 3000)])
    codes, flags = encode_array_flags(fmt, values, Overflow.INFINITY, underflow)
    for value, code, flag in zip(values, codes, flags, strict=True):
        assert (code, flag) == table.encode(Fraction(value), Overflow.INFINITY, underflow), value.hex()


@pytest.mark.parametrize("fmt", [*FORMATS.values(), E4M3.training(), parse_format("e8m15")], ids=str)
def test_scalar_and_array_agree(fmt):
    codes = np.random.default_rng(1).choice(some_codes(fmt), 2000)
    for code, value in zip(codes, decode_array(fmt, codes), strict=True):
        number = decode(fmt, int(code))
        match number.kind:
            case Kind.FINITE:
                assert Fraction(value) == number.fraction()
                assert np.signbit(value) == bool(number.sign)
            case Kind.INFINITY:
                assert value == (-np.inf if number.sign else np.inf)
            case Kind.NAN:
                assert np.isnan(value)
    values = np.random.default_rng(2).choice(interesting_values(fmt), 2000)
    values = np.concatenate([values, [0.0, -0.0, np.inf, -np.inf, np.nan]])
    for overflow, underflow in itertools.product(Overflow, Underflow):
        pairs = zip(*encode_array_flags(fmt, values, overflow, underflow), strict=True)
        for value, (code, flag) in zip(values, pairs, strict=True):
            expected = encode(fmt, Number.of(float(value)), overflow, underflow)
            assert (code, flag) == (expected.code, expected.flags), value.hex()


@pytest.mark.parametrize("fmt", [FP16, FP32, BF16, E5M2, E4M3.training(), DLFLOAT16], ids=str)
def test_wide_magnitudes_with_sticky(fmt):
    """Magnitudes up to 62 bits, as sums of products have: the array routine against the scalar one."""
    rng = np.random.default_rng(4)
    n = 3000
    magnitude = rng.integers(1 << 50, 1 << 62, n) >> rng.integers(0, 62 - fmt.precision - 1, n)
    # runs of zeros and ones make ties and near ties
    magnitude[::3] = (magnitude[::3] >> 20) << 20
    magnitude[1::5] |= (1 << 16) - 1
    magnitude = np.maximum(magnitude, 1 << (fmt.precision + 1))
    exponent = rng.integers(fmt.emin - 70, fmt.emax, n)
    sign, sticky = rng.integers(0, 2, n), rng.integers(0, 2, n) == 1
    for overflow, underflow in itertools.product(Overflow, Underflow):
        codes, flags = pack_array(fmt, sign, magnitude, exponent, sticky, overflow, underflow)
        for i in range(n):
            number = Number(int(sign[i]), int(magnitude[i]), int(exponent[i]), bool(sticky[i]))
            expected = encode(fmt, number, overflow, underflow)
            assert (codes[i], flags[i]) == (expected.code, expected.flags), number


def test_the_fgmp_policy_by_example():
    """Magnitudes below the smallest fp8 normal, 2**-6, round to it or to zero."""
    fmt, smallest = E4M3.training(), 2.0**-6
    values = np.array([0.49, 0.5, 0.51, 0.97, 0.98, 1.0, -0.51, -0.5]) * smallest
    nearest = decode_array(fmt, encode_array(fmt, values, underflow=Underflow.NEAREST)) / smallest
    flushed = decode_array(fmt, encode_array(fmt, values)) / smallest
    assert nearest.tolist() == [0, 0, 1, 1, 1, 1, -1, 0]
    assert flushed.tolist() == [0, 0, 0, 1, 1, 1, 0, 0]
    assert not np.signbit(nearest[-1])  # formats without subnormals have one zero


def test_e4m3_overflow_by_example():
    values = [448.0, 464.0, 464.1, 1e9, -1e9, np.inf]
    assert encode_array(E4M3, values).tolist() == [0x7E, 0x7E, 0x7F, 0x7F, 0x7F, 0x7F]
    saturated = encode_array(E4M3, values, Overflow.SATURATE)
    assert saturated.tolist() == [0x7E, 0x7E, 0x7E, 0x7E, 0xFE, 0x7E]


def test_shapes_and_types():
    assert encode_array(FP16, 1.0).shape == ()
    assert decode_array(FP16, 0x3C00) == 1.0
    assert encode_array(E4M3, np.zeros((2, 3))).shape == (2, 3)
    assert encode_array(parse_format("e8m15"), [1.0]).dtype == np.uint32
    assert encode_array(E5M2, []).dtype == np.uint8


def test_errors_name_what_is_wrong():
    finite = FloatFormat("finite", 4, 3, specials=Specials.NONE)
    with pytest.raises(FormatError, match="'finite' has no code for NaN"):
        encode_array(finite, [np.nan])
    with pytest.raises(FormatError, match="'finite' has no code for NaN"):
        encode(finite, Number.of(float("nan")))
    with pytest.raises(ValueError, match="`code` of e4m3 must be 0 to 0xff, not 0x100"):
        decode(E4M3, 0x100)
    with pytest.raises(ValueError, match="too few bits"):
        encode(FP16, Number(0, 1, 0, sticky=True))
    with pytest.raises(ValueError, match="no exact value"):
        decode(FP16, 0x7C00).fraction()

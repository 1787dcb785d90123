"""Number formats as data: derived properties against numpy and ml_dtypes, names, errors."""

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
    Specials,
    Subnormals,
    parse_format,
)

INFO = {
    "fp16": np.finfo(np.float16),
    "fp32": np.finfo(np.float32),
    "bf16": ml_dtypes.finfo(ml_dtypes.bfloat16),
    "e4m3": ml_dtypes.finfo(ml_dtypes.float8_e4m3fn),
    "e5m2": ml_dtypes.finfo(ml_dtypes.float8_e5m2),
}


@pytest.mark.parametrize("name", INFO)
def test_ranges_agree_with_finfo(name):
    fmt, info = FORMATS[name], INFO[name]
    assert fmt.width == info.bits
    assert fmt.mantissa_bits == info.nmant
    assert fmt.exponent_bits == info.iexp
    assert fmt.max_value == float(info.max)
    assert fmt.min_normal == float(info.smallest_normal)
    assert fmt.emin == info.minexp


@pytest.mark.parametrize(
    ("fmt", "max_code", "min_normal_code", "infinity", "nan"),
    [
        (FP16, 0x7BFF, 0x0400, 0x7C00, 0x7E00),
        (FP32, 0x7F7FFFFF, 0x00800000, 0x7F800000, 0x7FC00000),
        (BF16, 0x7F7F, 0x0080, 0x7F80, 0x7FC0),
        (E5M2, 0x7B, 0x04, 0x7C, 0x7E),
        (E4M3, 0x7E, 0x08, None, 0x7F),
        (DLFLOAT16, 0x7FFE, 0x0001, None, 0x7FFF),
        (FloatFormat("finite", 4, 3, specials=Specials.NONE), 0x7F, 0x08, None, None),
    ],
    ids=str,
)
def test_codes_at_the_ends(fmt, max_code, min_normal_code, infinity, nan):
    assert fmt.max_code == max_code
    assert fmt.min_normal_code == min_normal_code
    assert fmt.infinity_code == infinity
    assert fmt.nan_code == nan
    assert fmt.has_infinity == (infinity is not None)


def test_dlfloat_range_as_published():
    """Agrawal et al. 2019: bias 31; exponent field 0 is a binade, so 2**-31 * (1 + 2**-9) is the smallest."""
    assert DLFLOAT16.width == 16
    assert (DLFLOAT16.emin, DLFLOAT16.emax) == (-31, 32)
    assert DLFLOAT16.min_normal == 2.0**-31 * (1 + 2.0**-9)
    assert DLFLOAT16.max_value == 2.0**33 * (1 - 2.0**-9)


def test_training_variant_keeps_the_codes():
    assert FP16.training().subnormals is Subnormals.FLUSH
    assert FP16.training().max_code == FP16.max_code
    assert FP16.training().min_normal == FP16.min_normal
    assert DLFLOAT16.training() is DLFLOAT16


def test_names():
    assert parse_format(" FP16 ") is FP16
    assert parse_format("bf16") is BF16
    custom = parse_format("e6m9b30")
    assert (custom.exponent_bits, custom.mantissa_bits, custom.bias) == (6, 9, 30)
    assert parse_format("e8m15").bias == 127
    assert str(custom) == custom.name == "e6m9b30"
    assert parse_format("e11m52").max_value == np.finfo(np.float64).max


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fp8", "unknown number format 'fp8': allowed are bf16, .* and e<bits>m<bits>"),
        ("e1m3", "`exponent_bits` must be 2 to 11, not 1"),
        ("e12m3", "`exponent_bits` must be 2 to 11, not 12"),
        ("e4m0", "`mantissa_bits` must be 1 to 52, not 0"),
        ("e4m53", "`mantissa_bits` must be 1 to 52, not 53"),
        ("e4m3b16", "`bias` must be 0 to 15, not 16"),
        ("e11m52b0", r"every value must be a float64: `bias` 0 gives magnitudes 2\*\*-51 to 2\*\*2046"),
        ("e11m52b2000", r"`bias` 2000 gives magnitudes 2\*\*-2051"),
    ],
)
def test_errors_name_field_value_and_range(text, message):
    with pytest.raises(FormatError, match=message):
        parse_format(text)

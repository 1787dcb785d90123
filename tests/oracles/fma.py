"""Independent oracles of the fused multiply-add: they share no code with the golden models they judge.

Two methods. Vectorised: products are exact in float64, `TwoSum` gives the sum's rounding error, the sum is
rounded to odd (which makes a second rounding to a narrower format harmless) and `numpy.rint` rounds it once
more. Scalar: `fractions.Fraction` and Python's `round`. Codes become values through numpy and ml_dtypes.

Formats are named by strings: "fp16", "fp32", "bf16", "e4m3", "e5m2" or "e<bits>m<bits>".
Flags are {NV, DZ, OF, UF, NX}, NV is bit 4.
"""

import re
from fractions import Fraction

import ml_dtypes
import numpy as np

NX, UF, OF, DZ, NV = 1, 2, 4, 8, 16

_NAMED = {"fp16": (5, 10), "fp32": (8, 23), "bf16": (8, 7), "e4m3": (4, 3), "e5m2": (5, 2)}
_FP8 = {"e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}


def fields(name):
    """Exponent and mantissa bits of a format."""
    if name in _NAMED:
        return _NAMED[name]
    exponent, mantissa = re.fullmatch(r"e(\d+)m(\d+)", name).groups()
    return int(exponent), int(mantissa)


def _container(name):
    """A numpy type whose leading bits are the format's, its unsigned twin, and how many bits it has more."""
    exponent, mantissa = fields(name)
    if exponent == 8 and mantissa <= 23:
        return np.float32, np.uint32, 23 - mantissa
    if exponent == 5 and mantissa <= 10:
        return np.float16, np.uint16, 10 - mantissa
    raise ValueError(f"no numpy type holds {name}: use the Fraction oracle")


def decode(name, codes):
    """float64 values of codes, by numpy or ml_dtypes."""
    if name in _FP8:
        return np.asarray(codes, dtype=np.uint8).view(_FP8[name]).astype(np.float64)
    dtype, unsigned, more = _container(name)
    bits = np.asarray(codes).astype(unsigned) << unsigned(more)
    with np.errstate(invalid="ignore"):
        return bits.view(dtype).astype(np.float64)


def decode_training(name, codes):
    """float64 values of codes without subnormals and specials, by the formula."""
    exponent_bits, mantissa_bits = fields(name)
    codes = np.asarray(codes).astype(np.int64)
    field = (codes >> mantissa_bits) % 2**exponent_bits
    fraction = 1.0 + (codes % 2**mantissa_bits) / 2.0**mantissa_bits
    bias = 2 ** (exponent_bits - 1) - 1
    value = np.where(field == 0, 0.0, fraction * 2.0 ** (field - bias))
    return np.where(codes >> (exponent_bits + mantissa_bits) & 1 == 1, -value, value)


def is_signalling(name, codes):
    """Where codes are signalling NaNs (E4M3 has none)."""
    if name == "e4m3":
        return np.zeros(np.shape(codes), dtype=bool)
    exponent_bits, mantissa_bits = fields(name)
    codes = np.asarray(codes).astype(np.int64)
    field = (codes >> mantissa_bits) % 2**exponent_bits
    mantissa = codes % 2**mantissa_bits
    return (field == 2**exponent_bits - 1) & (mantissa > 0) & (mantissa < 2 ** (mantissa_bits - 1))


def odd_sum(p, c):
    """`p + c` rounded to odd in float64, and where that is inexact. Infinities and NaN follow float64."""
    with np.errstate(invalid="ignore"):
        total = p + c
        back = total - p
        error = (p - (total - back)) + (c - back)
    inexact = np.isfinite(total) & (error != 0)
    even = total.view(np.int64) % 2 == 0
    toward = np.where(error > 0, np.inf, -np.inf)
    return np.where(inexact & even, np.nextafter(total, toward), total), inexact


def round_to(name, x, *, unbounded=False):
    """Finite float64 values rounded to nearest even: to the format's grid, or to its precision alone."""
    exponent_bits, mantissa_bits = fields(name)
    leading = np.frexp(x)[1] - 1
    if not unbounded:
        leading = np.maximum(leading, 2 - 2 ** (exponent_bits - 1))
    # ldexp rather than a division: it is exact and has no intermediate overflow
    return np.ldexp(np.rint(np.ldexp(x, mantissa_bits - leading)), leading - mantissa_bits)


def limits(name):
    """The smallest normal and the largest finite number (IEEE-style formats)."""
    exponent_bits, mantissa_bits = fields(name)
    bias = 2 ** (exponent_bits - 1) - 1
    return 2.0 ** (1 - bias), (2.0 - 2.0**-mantissa_bits) * 2.0**bias


def ieee_fma(kinds, a, b, c, s=0):
    """`a * b * 2**s + c`, IEEE 754 with canonical NaN: codes and flags as int64.

    Args:
        kinds: names of the formats of a, b and of c and the result.
        a: codes, as b and c; s: integers. All are broadcast.
    """
    a, b, c, s = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x)) for x in (a, b, c, s)))
    out = kinds[2]
    x, y, z = (decode(kind, codes) for kind, codes in zip(kinds, (a, b, c), strict=True))
    with np.errstate(invalid="ignore"):
        product = np.ldexp(x * y, s)
    total, inexact = odd_sum(product, z)

    finite = np.isfinite(total)
    safe = np.where(finite, total, 0.0)
    low, high = limits(out)
    rounded = np.copysign(round_to(out, safe), safe)
    over = finite & (np.abs(rounded) > high)
    inexact = finite & (inexact | (rounded != safe) | over)
    tiny = (np.abs(round_to(out, safe, unbounded=True)) < low) & (safe != 0)
    rounded = np.where(over, np.copysign(np.inf, safe), np.where(finite, rounded, total))

    nan = np.isnan
    invalid = nan(product) & ~nan(x) & ~nan(y)
    invalid |= nan(total) & ~nan(product) & ~nan(z)
    for kind, codes in zip(kinds, (a, b, c), strict=True):
        invalid |= is_signalling(kind, codes)
    flags = invalid * NV | over * OF | (tiny & inexact) * UF | inexact * NX
    flags = np.where(nan(rounded), invalid * NV, flags)
    return _codes(out, rounded), flags.astype(np.int64)


def training_fma(kinds, a, b, c, s=0):
    """The same in the training flavour: no subnormals and specials, results below the normal range are +0,
    results above it saturate, zeros are +0."""
    a, b, c, s = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x)) for x in (a, b, c, s)))
    out = kinds[2]
    x, y, z = (decode_training(kind, codes) for kind, codes in zip(kinds, (a, b, c), strict=True))
    total, inexact = odd_sum(np.ldexp(x * y, s), z)
    low, high = limits(out)
    rounded = round_to(out, total, unbounded=True)
    over = np.abs(rounded) > high
    under = (np.abs(rounded) < low) & (total != 0)
    inexact = inexact | (rounded != total) | over | under
    rounded = np.where(over, np.copysign(high, total), rounded)
    rounded = np.where(under | (total == 0), 0.0, rounded)
    flags = over * OF | under * UF | inexact * NX
    return _codes(out, rounded), flags.astype(np.int64)


def _codes(name, values):
    """Codes of values that the format holds exactly; every NaN is the canonical one."""
    dtype, unsigned, more = _container(name)
    exponent_bits, mantissa_bits = fields(name)
    with np.errstate(invalid="ignore"):
        narrow = values.astype(dtype)
    assert np.array_equal(narrow.astype(np.float64), values, equal_nan=True)
    codes = (narrow.view(unsigned) >> unsigned(more)).astype(np.int64)
    quiet = (2 ** (exponent_bits + 1) - 1) << (mantissa_bits - 1)
    return np.where(np.isnan(values), quiet, codes)


def fp16_fma(a, b, c):
    """fp16 fused multiply-add of uint16 codes: result codes (uint16) and flags (uint8), IEEE 754.

    The one place where numpy's own float64 to float16 conversion rounds, so it also judges `round_to`.
    """
    a, b, c = (np.asarray(x).astype(np.uint16) for x in (a, b, c))
    x, y, z = (codes.view(np.float16).astype(np.float64) for codes in (a, b, c))
    with np.errstate(all="ignore"):
        product = x * y
        total, lost = odd_sum(product, z)
        result = total.astype(np.float16)
        wide = result.astype(np.float64)
        # tiny after rounding: 2**24 higher, where float16 rounds the same digits without the exponent's end
        lifted = (np.clip(total, -1.0, 1.0) * 2.0**14).astype(np.float16)
    finite = np.isfinite(total)
    inexact = finite & (lost | (wide != total))
    over = finite & np.isinf(wide)
    tiny = (np.abs(total) < 2.0**-13) & (np.abs(lifted) < 1.0) & (total != 0)
    nan = np.isnan
    invalid = (nan(product) & ~nan(x) & ~nan(y)) | (nan(total) & ~nan(product) & ~nan(z))
    for codes in (a, b, c):
        invalid |= is_signalling("fp16", codes)
    flags = np.where(nan(total), 0, over * OF | (tiny & inexact) * UF | inexact * NX) | invalid * NV
    return np.where(nan(wide), 0x7E00, result.view(np.uint16)).astype(np.uint16), flags.astype(np.uint8)


# ---- scalar, by fractions ------------------------------------------------------------------------------


def exact_value(name, code, *, training=False):
    """The value of a code as a Fraction; None for NaN, "+inf" or "-inf" for infinities."""
    exponent_bits, mantissa_bits = fields(name)
    sign = -1 if code >> (exponent_bits + mantissa_bits) else 1
    field, mantissa = code >> mantissa_bits & (2**exponent_bits - 1), code & (2**mantissa_bits - 1)
    bias = 2 ** (exponent_bits - 1) - 1
    if not training and field == 2**exponent_bits - 1:
        if name == "e4m3":
            if mantissa == 7:
                return None
        elif mantissa:
            return None
        else:
            return "+inf" if sign > 0 else "-inf"
    if field == 0:
        return sign * Fraction(0 if training else mantissa) * Fraction(2) ** (1 - bias - mantissa_bits)
    return sign * (1 + Fraction(mantissa, 2**mantissa_bits)) * Fraction(2) ** (field - bias)


def exact_fma(kinds, a, b, c, s=0, *, training=False):
    """`a * b * 2**s + c` of finite operands: code and flags. A zero of unknown sign is returned as +0."""
    x, y, z = (exact_value(k, v, training=training) for k, v in zip(kinds, (a, b, c), strict=True))
    total = x * y * Fraction(2) ** s + z
    exponent_bits, mantissa_bits = fields(kinds[2])
    bias = 2 ** (exponent_bits - 1) - 1
    if total == 0:
        return 0, 0
    sign, size = int(total < 0) << (exponent_bits + mantissa_bits), abs(total)
    leading = size.numerator.bit_length() - size.denominator.bit_length()
    leading -= size < Fraction(2) ** leading

    def rounded(exponent):
        return round(size / Fraction(2) ** (exponent - mantissa_bits)) * Fraction(2) ** (
            exponent - mantissa_bits
        )

    unbounded = rounded(leading)
    result = unbounded if training else rounded(max(leading, 1 - bias))
    tiny = unbounded < Fraction(2) ** (1 - bias)
    if result >= Fraction(2) ** (bias + 1):
        infinity = (2**exponent_bits - 1) << mantissa_bits
        return sign | infinity - training, OF | NX
    if training and tiny:
        return 0, UF | NX
    flags = 0 if result == size else NX | (UF if tiny else 0)
    if result < Fraction(2) ** (1 - bias):
        return sign | int(result / Fraction(2) ** (1 - bias - mantissa_bits)), flags
    top = leading + (result >= Fraction(2) ** (leading + 1))
    mantissa = int((result / Fraction(2) ** top - 1) * 2**mantissa_bits)
    return sign | (top + bias) << mantissa_bits | mantissa, flags


def exact_term(product, top, width):
    """A product in the last bits of a window, rounded to nearest on its magnitude, ties away from zero."""
    scaled = abs(product) / Fraction(2) ** (top - width + 1)
    size = int(scaled + Fraction(1, 2))
    return -size if product < 0 else size

"""The vectorised twin of `floats`: the same three steps on numpy arrays, in 64-bit integers.

Magnitudes are int64 below 2**62, so no step can overflow. Import from `lnpu_sim.numeric.floats`.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lnpu.formats import FloatFormat, FormatError, Rounding, Subnormals
from lnpu_sim.numeric.policies import Flag, Overflow, Underflow

__all__ = [
    "Unpacked",
    "bit_length",
    "code_dtype",
    "decode_array",
    "encode_array",
    "encode_array_flags",
    "pack_array",
    "unpack_array",
]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.unsignedinteger[Any]]


class Unpacked(NamedTuple):
    """Codes taken apart: the value is `(-1)**sign * magnitude * 2**exponent` unless `nan` or `infinity`."""

    sign: Ints
    magnitude: Ints
    """0 for NaN and infinity."""
    exponent: Ints
    """Weight of the magnitude's last bit."""
    nan: Bools
    signalling: Bools
    infinity: Bools


def code_dtype(fmt: FloatFormat) -> npt.DTypeLike:
    """The smallest unsigned numpy type that holds a code."""
    return next(t for t in (np.uint8, np.uint16, np.uint32, np.uint64) if fmt.width <= np.iinfo(t).bits)


def unpack_array(fmt: FloatFormat, codes: npt.ArrayLike) -> Unpacked:
    """Vectorised `floats.decode`; bits above the format's width are ignored."""
    bits = np.asarray(codes).astype(np.int64)
    sign = bits >> (fmt.width - 1) & 1
    body = bits & ((1 << (fmt.width - 1)) - 1)
    field, mantissa = body >> fmt.mantissa_bits, body & fmt.mantissa_mask

    special = body > fmt.max_code
    infinity = special & (mantissa == 0) if fmt.has_infinity else np.zeros_like(special)
    nan = special & ~infinity
    quiet = mantissa >> (fmt.mantissa_bits - 1) == 1
    signalling = nan & ~quiet if fmt.has_infinity else np.zeros_like(special)

    hidden: Bools = field != 0
    match fmt.subnormals:
        case Subnormals.FLUSH:
            mantissa = mantissa * hidden
        case Subnormals.NORMAL:
            hidden = body != 0
    magnitude = np.where(special, 0, mantissa | hidden.astype(np.int64) << fmt.mantissa_bits)
    exponent = np.maximum(field - fmt.bias, fmt.emin) - fmt.mantissa_bits
    return Unpacked(sign, magnitude, exponent, nan, signalling, infinity)


def decode_array(fmt: FloatFormat, codes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The values of codes, shape kept. Exact for every format whose range lies in float64's (all named ones).

    NaN codes give NaN, infinities give infinities, zeros keep their sign.
    """
    part = unpack_array(fmt, codes)
    value = np.ldexp(part.magnitude.astype(np.float64), part.exponent.astype(np.int32))
    value = np.where(part.infinity, np.inf, np.where(part.nan, np.nan, value))
    return np.where(part.sign == 1, -value, value)


def encode_array(
    fmt: FloatFormat,
    values: npt.ArrayLike,
    overflow: Overflow = Overflow.INFINITY,
    underflow: Underflow = Underflow.FLUSH,
) -> Codes:
    """The codes of float64 values, shape kept, each rounded once; dtype is `code_dtype(fmt)`.

    Policies are those of `floats.encode`.

    Raises:
        FormatError: there is a NaN, and the format has none.
    """
    return encode_array_flags(fmt, values, overflow, underflow)[0]


def encode_array_flags(
    fmt: FloatFormat,
    values: npt.ArrayLike,
    overflow: Overflow = Overflow.INFINITY,
    underflow: Underflow = Underflow.FLUSH,
) -> tuple[Codes, npt.NDArray[np.uint8]]:
    """`encode_array` and, for each value, its flags (bits of `Flag`)."""
    shape = np.shape(values)
    value = np.asarray(values, dtype=np.float64).reshape(-1)
    sign = np.signbit(value).astype(np.int64)
    nan, infinity = np.isnan(value), np.isinf(value)
    fraction, exponent = np.frexp(np.where(nan | infinity, 0.0, value))
    magnitude = np.ldexp(np.abs(fraction), 53).astype(np.int64)
    code, flags = pack_array(fmt, sign, magnitude, exponent.astype(np.int64) - 53, None, overflow, underflow)

    beyond, signed = _beyond(fmt, overflow, toward_zero=False)
    code = np.where(infinity, beyond | (sign << (fmt.width - 1)) * signed, code)
    if beyond != fmt.infinity_code:
        flags = np.where(infinity, int(Flag.OF | Flag.NX), flags)
    if nan.any():
        if fmt.nan_code is None:
            raise FormatError(f"format {fmt.name!r} has no code for NaN")
        code = np.where(nan, fmt.nan_code, code)
    return code.astype(code_dtype(fmt)).reshape(shape), flags.astype(np.uint8).reshape(shape)


def pack_array(
    fmt: FloatFormat,
    sign: Ints,
    magnitude: Ints,
    exponent: Ints,
    sticky: Bools | None = None,
    overflow: Overflow = Overflow.INFINITY,
    underflow: Underflow = Underflow.FLUSH,
) -> tuple[Ints, Ints]:
    """Vectorised `floats.encode` of finite numbers: codes and flags as int64.

    Args:
        fmt: the target format.
        sign: 0 or 1; all four are arrays of one shape, at least one-dimensional.
        magnitude: 0 to 2**62 - 1.
        exponent: weight of the magnitude's last bit.
        sticky: a non-zero rest below the last bit; such a magnitude needs one bit more than the precision.
        overflow: policy at the upper end.
        underflow: policy at the lower end of formats without subnormals.
    """
    if sticky is None:
        sticky = np.zeros(magnitude.shape, dtype=np.bool_)

    # 1. Round as if the exponent were unbounded. Zero has no leading one: its steps give 0 but for the field.
    drop = bit_length(magnitude) - fmt.precision
    kept, inexact = _round(magnitude, drop, sticky, fmt.rounding)
    field = np.where(magnitude == 0, 0, drop + exponent + fmt.mantissa_bits + fmt.bias - 1)
    code = (field << fmt.mantissa_bits) + kept

    # 2. Too small.
    tiny = (code < fmt.min_normal_code) & (magnitude != 0)
    if tiny.any():
        small, dropped = magnitude[tiny], sticky[tiny]
        if fmt.subnormals is Subnormals.GRADUAL:
            grid = fmt.emin - fmt.mantissa_bits
            code[tiny], inexact[tiny] = _round(small, grid - exponent[tiny], dropped, fmt.rounding)
        else:
            kept, rest = _round(small, drop[tiny], dropped, Rounding.RTZ)
            floor = (field[tiny] << fmt.mantissa_bits) + kept
            code[tiny], inexact[tiny] = _flush(fmt, floor, rest, underflow), True
    flags = inexact * int(Flag.NX) | (tiny & inexact) * int(Flag.UF)
    sign_bit = sign << (fmt.width - 1)
    if fmt.subnormals is not Subnormals.GRADUAL:
        sign_bit = np.where(code == 0, 0, sign_bit)

    # 3. Too large.
    large = code > fmt.max_code
    if large.any():
        beyond, signed = _beyond(fmt, overflow, fmt.rounding is Rounding.RTZ)
        flags = np.where(large, int(Flag.OF | Flag.NX), flags)
        code = np.where(large, beyond, code)
        sign_bit = sign_bit if signed else np.where(large, 0, sign_bit)
    return code | sign_bit, flags


def _round(magnitude: Ints, drop: Ints, sticky: Bools, rounding: Rounding) -> tuple[Ints, Bools]:
    """`magnitude / 2**drop` rounded to an integer, and where that is inexact."""
    down = np.clip(drop, 0, 63)
    kept = (magnitude >> down) << np.clip(-drop, 0, 63)
    rest = magnitude & ~(np.int64(-1) << down)
    half = np.where(down > 0, np.int64(1) << np.maximum(down - 1, 0), 1)
    inexact = (rest != 0) | sticky
    match rounding:
        case Rounding.RNE:
            up = (rest > half) | ((rest == half) & (sticky | (kept & 1 == 1)))
        case Rounding.RNU:
            up = rest >= half
        case Rounding.RTZ:
            up = np.zeros_like(inexact)
    return kept + up, inexact


def _flush(fmt: FloatFormat, floor: Ints, rest: Bools, underflow: Underflow) -> Ints:
    """What tiny magnitudes become in a format without subnormals; `floor` is their code rounded down."""
    if underflow is Underflow.FLUSH or fmt.rounding is Rounding.RTZ:
        return np.zeros_like(floor)
    half = fmt.min_normal_code - (1 << fmt.mantissa_bits)
    tie_up = rest | (fmt.rounding is Rounding.RNU)
    return np.where((floor > half) | ((floor == half) & tie_up), fmt.min_normal_code, 0)


def _beyond(fmt: FloatFormat, overflow: Overflow, toward_zero: bool) -> tuple[int, bool]:
    """The code of what is too large, and whether it takes the sign."""
    if overflow is Overflow.INFINITY and not toward_zero:
        if fmt.infinity_code is not None:
            return fmt.infinity_code, True
        if fmt.nan_code is not None:
            return fmt.nan_code, False
    return fmt.max_code, True


def bit_length(magnitude: Ints) -> Ints:
    """Bits of each magnitude (0 for 0)."""
    length = np.frexp(magnitude.astype(np.float64))[1].astype(np.int64)
    # Above 53 bits the conversion may round up to the next power of two.
    too_long = (magnitude >> np.maximum(length - 1, 0) == 0) & (magnitude != 0)
    return np.where(too_long, length - 1, length)

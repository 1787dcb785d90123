"""Golden model of the FMA with floating-point accumulate: integer-exact, one rounding, vectorised."""

from typing import Any

import numpy as np
import numpy.typing as npt

from lnpu.numeric.config import Flavour, FloatAccumulate, FmaConfig
from lnpu_sim.numeric.float_arrays import Bools, Ints, Unpacked, bit_length, pack_array, unpack_array
from lnpu_sim.numeric.operands import OperandReader, join_lanes, reading_format, sign_extend, split_lanes
from lnpu_sim.numeric.policies import Flag, Overflow

__all__ = ["FmaModel"]

_CHUNK = 1 << 15  # elements worked on together: the temporaries stay in the cache
_LEAD = 60  # bit that the larger addend's leading one is moved to


class FmaModel:
    """What the unit of a configuration computes, word for word as on its ports.

    Args:
        config: a unit with floating-point accumulate (`window.WindowModel` has the other kind).

    Raises:
        ValueError: the configuration accumulates in a window.
    """

    def __init__(self, config: FmaConfig) -> None:
        if not isinstance(config.accumulate, FloatAccumulate):
            raise ValueError(f"`accumulate` must be floating point, not {config.accumulate}")
        self.config = config
        self.ieee = config.flavour is Flavour.IEEE
        self._reader = OperandReader(config)
        self._addend = reading_format(config.accumulate.format, config.flavour)
        self._result = config.accumulate.format if self.ieee else config.accumulate.format.training()
        self._overflow = Overflow.INFINITY if self.ieee else Overflow.SATURATE

    def compute(
        self,
        mode: npt.ArrayLike,
        a: npt.ArrayLike,
        b: npt.ArrayLike,
        c: npt.ArrayLike,
        s: npt.ArrayLike = 0,
        fmt: npt.ArrayLike = 0,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Result and flags of every element; the arguments are broadcast against each other.

        Args:
            mode: `i_mode`: 0 single, 1 dual. Single mode leaves lane 1 of both results 0.
            a: `i_a`, 16-bit words.
            b: `i_b`, 16-bit words (32 bits with `Dual.FP8XFP16`; single mode reads the low 16).
            c: `i_c`, one accumulator word a lane, lane 0 low.
            s: `i_s`, used in dual mode; as signed integers -256..255 or as raw words 0..511.
            fmt: `i_fmt`; 0 where the unit has no such port.

        Returns:
            `o_d` and `o_flags` ({NV, DZ, OF, UF, NX} a lane) as uint64; `o_d` as Python integers in an
            object array where two accumulators exceed 64 bits.

        Raises:
            ValueError: `mode` or `fmt` is not a word of its port.
        """
        words = np.broadcast_arrays(*(np.asarray(x) for x in (mode, a, b, c, s, fmt)))
        shape = words[0].shape
        flat = [w.reshape(-1) for w in words]
        self._reader.check(flat[0], flat[5])
        lanes, width = self.config.lanes, self.config.accumulate.width
        d = np.zeros(flat[0].shape, dtype=object if width * lanes > 64 else np.uint64)
        flags = np.zeros(flat[0].shape, dtype=np.uint64)
        for start in range(0, len(d), _CHUNK):
            part = slice(start, start + _CHUNK)
            m, aa, bb, ss, ff = (flat[i][part].astype(np.int64) for i in (0, 1, 2, 4, 5))
            scale = np.where(m == 1, sign_extend(ss, 9), 0)
            results = []
            for lane, cc in enumerate(split_lanes(flat[3][part], width, lanes)):
                if lane == 1 and not m.any():
                    break
                x, y = self._reader.read(lane, m, ff, aa, bb)
                result = self._lane(x, y, unpack_array(self._addend, cc), scale)
                results.append(result if lane == 0 else tuple(np.where(m == 1, word, 0) for word in result))
            d[part] = join_lanes([r[0] for r in results], width)
            flags[part] = join_lanes([r[1] for r in results], 5)
        return d.reshape(shape), flags.reshape(shape)

    def _lane(self, a: Unpacked, b: Unpacked, c: Unpacked, scale: Ints) -> tuple[Ints, Ints]:
        """`a * b * 2**scale + c` of one lane."""
        p_sign = a.sign ^ b.sign
        p, p_exponent = a.magnitude * b.magnitude, a.exponent + b.exponent + scale

        # Move the larger addend's leading one to bit 60 and the other by the same amount. Its bits below
        # bit 0 become sticky. An addend has at most 33 bits, so bits are dropped only when the leading ones
        # are 28 or more binades apart; then the sum has 59 bits or more, enough to round 33 of them.
        p_lead = np.where(p == 0, -(1 << 20), bit_length(p) + p_exponent)
        c_lead = np.where(c.magnitude == 0, -(1 << 20), bit_length(c.magnitude) + c.exponent)
        exponent = np.maximum(p_lead, c_lead) - 1 - _LEAD
        p_aligned, p_lost = _shift(np.where(p_sign == 1, -p, p), p_exponent - exponent)
        c_aligned, c_lost = _shift(np.where(c.sign == 1, -c.magnitude, c.magnitude), c.exponent - exponent)
        total, sticky = p_aligned + c_aligned, p_lost | c_lost
        # The shift rounds down, so what was lost is a positive f: |total + f| = (-total - 1) + (1 - f).
        magnitude = np.where(total >= 0, total, np.where(sticky, ~total, -total))
        # Zeros of one sign keep it; x - x is +0.
        sign = np.where(total == 0, p_sign & c.sign, (total < 0).astype(np.int64))
        d, flags = pack_array(self._result, sign, magnitude, exponent, sticky, self._overflow)
        return self._specials(a, b, c, d, flags) if self.ieee else (d, flags)

    def _specials(self, a: Unpacked, b: Unpacked, c: Unpacked, d: Ints, flags: Ints) -> tuple[Ints, Ints]:
        """Infinity and NaN operands replace the finite result (IEEE 754-2019 sections 6.1, 6.2, 7.2)."""
        p_sign = a.sign ^ b.sign
        p_infinity = (a.infinity | b.infinity) & ~(a.nan | b.nan)
        zero_times_infinity = (a.infinity & _is_zero(b)) | (b.infinity & _is_zero(a))
        invalid = a.signalling | b.signalling | c.signalling | zero_times_infinity
        invalid |= p_infinity & c.infinity & (p_sign != c.sign)
        nan = a.nan | b.nan | c.nan | invalid
        infinity = (p_infinity | c.infinity) & ~nan
        infinity_sign = np.where(p_infinity, p_sign, c.sign)
        fmt = self._result
        assert fmt.infinity_code is not None  # an IEEE-style format
        signed_infinity = fmt.infinity_code | infinity_sign << (fmt.width - 1)
        d = np.where(nan, fmt.nan_code or 0, np.where(infinity, signed_infinity, d))
        flags = np.where(nan | infinity, invalid * int(Flag.NV), flags)
        return d, flags


def _is_zero(x: Unpacked) -> Bools:
    zero: Bools = (x.magnitude == 0) & ~x.nan & ~x.infinity
    return zero


def _shift(value: Ints, left: Ints) -> tuple[Ints, Bools]:
    """`value * 2**left` rounded down, and where bits were lost. Zeros may be shifted by any amount."""
    down = np.clip(-left, 0, 63)
    up = np.clip(left, 0, np.where(value == 0, 0, 63))
    return (value >> down) << up, value & ~(np.int64(-1) << down) != 0

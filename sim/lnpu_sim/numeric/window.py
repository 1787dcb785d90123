"""Golden model of the FMA with windowed fixed-point accumulate: exact integer arithmetic.

An accumulator is a W-bit two's-complement word `w` that means `w * 2**(top - W + 1)`. Each product is rounded
to a multiple of that last bit (its term), then terms are added as integers: sums do not depend on order as
long as nothing saturates.

A product whose *nominal* exponent may not fit (`ea + eb + s + 2 > top`) overflows, whatever its significand:
the hardware decides from the exponents alone. Such a term is modelled as +-2**W, which saturates every sum.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lnpu.numeric.config import FmaConfig, WindowAccumulate
from lnpu_sim.numeric.float_arrays import Bools, Ints, Unpacked
from lnpu_sim.numeric.operands import OperandReader, join_lanes, nominal_exponent, sign_extend, split_lanes
from lnpu_sim.numeric.policies import Flag

__all__ = ["Terms", "WindowModel", "WindowState"]


@dataclass(frozen=True)
class WindowState:
    """The registers of a unit after an operation, lane 0 first: signed accumulators and sticky flags."""

    accumulators: tuple[int, ...]
    flags: tuple[int, ...]


class Terms(NamedTuple):
    """What the operands add to each lane: the result of everything before the accumulator."""

    value: npt.NDArray[Any]
    """Signed multiples of the last bit, shape `(lanes, ...)`; +-2**W where the product overflows."""
    invalid: npt.NDArray[np.bool_]
    """A NaN or an infinity among the operands (IEEE flavour); such a term is 0."""


class WindowModel:
    """What the unit of a configuration computes, word for word as on its ports.

    Args:
        config: a unit with windowed accumulate (`fma.FmaModel` has the other kind).

    Raises:
        ValueError: the configuration accumulates in floating point.
    """

    def __init__(self, config: FmaConfig) -> None:
        if not isinstance(config.accumulate, WindowAccumulate):
            raise ValueError(f"`accumulate` must be a window, not {config.accumulate}")
        self.config = config
        self.width = config.accumulate.width
        self.low, self.high = -(1 << (self.width - 1)), (1 << (self.width - 1)) - 1
        self._reader = OperandReader(config)
        # base + term stays below 2**(W + 1)
        self._dtype: npt.DTypeLike = object if self.width > 61 else np.int64

    @property
    def initial(self) -> WindowState:
        """Accumulators and flags 0. (The unit's accumulators are defined from the first `clear` on.)"""
        return WindowState((0,) * self.config.lanes, (0,) * self.config.lanes)

    def terms(
        self, mode: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike, top: npt.ArrayLike, s: Any, fmt: Any
    ) -> Terms:
        """The terms of operations of any shape; arguments as in `run`."""
        words = (np.asarray(x).astype(np.int64) for x in (mode, a, b, top, s, fmt))
        m, a_, b_, top_, s_, f = np.broadcast_arrays(*words)
        self._reader.check(m, f)
        last_bit = sign_extend(top_, 9) - self.width + 1
        scale = np.where(m == 1, sign_extend(s_, 9), 0)
        values, invalids = [], []
        for lane in range(self.config.lanes):
            x, y = self._reader.read(lane, m, f, a_, b_)
            value, invalid = self._term(x, y, scale, last_bit)
            used = (m == 1) | (lane == 0)
            values.append(np.where(used, value, 0))
            invalids.append(used & invalid)
        return Terms(np.stack(values), np.stack(invalids))

    def lane_terms(
        self, mode: int, a: npt.ArrayLike, b: npt.ArrayLike, top: int, s: int, fmt: int = 0
    ) -> npt.NDArray[Any]:
        """Lane 0's terms of operations that share mode, window and scale; as `terms` gives them.

        `a` and `b` are decoded before they are broadcast against each other: much faster where each `a`
        meets many `b`.
        """
        left, right = (np.asarray(x).astype(np.int64) for x in (a, b))
        dims = max(left.ndim, right.ndim)
        m, f = (np.full((1,) * dims, x, np.int64) for x in (mode, fmt))
        self._reader.check(m, f)
        x, y = self._reader.read(0, m, f, left, right)
        last_bit = sign_extend(np.asarray(top, np.int64), 9) - self.width + 1
        scale = sign_extend(np.asarray(s if mode == 1 else 0, np.int64), 9)
        return self._term(x, y, scale, last_bit)[0]

    def _term(self, a: Unpacked, b: Unpacked, scale: Ints, last_bit: Ints) -> tuple[npt.NDArray[Any], Bools]:
        product = a.magnitude * b.magnitude  # 22 bits at most; 0 for NaN and infinity
        # Left shift from the product's own last bit to the window's. Where the nominal exponent fits, the
        # shifted product is below 2**(W - 1).
        left = a.exponent + b.exponent + scale - last_bit
        down = np.clip(-left, 0, 40)
        rounded = (product + (np.int64(1) << down >> 1)) >> down
        magnitude = np.asarray(rounded << np.clip(left, 0, self.width - 2), dtype=self._dtype)

        top = last_bit + self.width - 1
        overflow = (nominal_exponent(a) + nominal_exponent(b) + scale + 2 > top) & (product != 0)
        magnitude = np.where(overflow, 1 << self.width, magnitude)
        return np.where(a.sign ^ b.sign == 1, -magnitude, magnitude), a.nan | b.nan | a.infinity | b.infinity

    def step(
        self,
        state: WindowState,
        mode: int,
        a: int,
        b: int,
        c: int,
        top: int,
        clear: int,
        s: int = 0,
        fmt: int = 0,
    ) -> tuple[WindowState, int, int]:
        """One operation on plain integers: the next state, `o_d`, `o_flags`. Arguments as in `run`."""
        terms = self.terms(mode, a, b, top, s, fmt)
        addends = split_lanes(c, self.width, self.config.lanes)
        accumulators, flags = [], []
        for lane in range(self.config.lanes):
            word, flag = self._accumulate(
                state.accumulators[lane],
                state.flags[lane],
                int(terms.value[lane]),
                bool(terms.invalid[lane]),
                int(sign_extend(addends[lane], self.width)),
                bool(clear),
            )
            accumulators.append(word)
            flags.append(flag)
        d = sum((w & ((1 << self.width) - 1)) << (self.width * lane) for lane, w in enumerate(accumulators))
        return WindowState(tuple(accumulators), tuple(flags)), d, sum(f << 5 * k for k, f in enumerate(flags))

    def _accumulate(
        self, accumulator: int, flags: int, term: int, invalid: bool, addend: int, clear: bool
    ) -> tuple[int, int]:
        """The accumulator and flags of one lane after one operation."""
        if clear:
            accumulator, flags = addend, 0
        total = accumulator + term
        clamped = min(max(total, self.low), self.high)
        if clamped != total:
            flags |= Flag.OF
        if invalid:
            flags |= Flag.NV
        return clamped, int(flags)

    def run(
        self,
        mode: npt.ArrayLike,
        a: npt.ArrayLike,
        b: npt.ArrayLike,
        c: npt.ArrayLike,
        top: npt.ArrayLike,
        clear: npt.ArrayLike,
        s: npt.ArrayLike = 0,
        fmt: npt.ArrayLike = 0,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Sequences of operations from `initial`: the first axis is time, all others are independent units.

        The arguments are broadcast against each other; a one-dimensional result is one unit.

        Args:
            mode: `i_mode`: 0 single (lane 1 adds 0), 1 dual.
            a: `i_a`, 16-bit words.
            b: `i_b`, 16-bit words (32 bits with `Dual.FP8XFP16`; single mode reads the low 16).
            c: `i_c`, one accumulator word a lane, lane 0 low; Python integers (object) above 64 bits.
            top: `i_top`, signed -256..255 or raw words 0..511.
            clear: `i_clear`: 1 starts from `c` with clear flags, 0 goes on from the last result.
            s: `i_s`, used in dual mode; signed or raw like `top`.
            fmt: `i_fmt`; 0 where the unit has no such port.

        Returns:
            `o_d` (uint64, or Python integers above 64 bits) and `o_flags` (uint64; OF and NV are sticky).

        Raises:
            ValueError: no time axis, or `mode` or `fmt` is not a word of its port.
        """
        words = [np.asarray(x) for x in (mode, a, b, c, top, clear, s, fmt)]
        mode_, a_, b_, c_, top_, clear_, s_, fmt_ = np.broadcast_arrays(*words)
        if mode_.ndim == 0:
            raise ValueError("`run` needs a time axis; `step` takes one operation")
        terms = self.terms(mode_, a_, b_, top_, s_, fmt_)
        addends = [sign_extend(part, self.width) for part in split_lanes(c_, self.width, self.config.lanes)]
        restart = clear_ != 0
        run_lane = self._run_unit if mode_.ndim == 1 else self._run_units
        lanes = [
            run_lane(terms.value[lane], terms.invalid[lane], addends[lane], restart)
            for lane in range(self.config.lanes)
        ]
        return join_lanes([w for w, _ in lanes], self.width), join_lanes([f for _, f in lanes], 5)

    def _run_unit(
        self, value: npt.NDArray[Any], invalid: npt.NDArray[Any], addend: npt.NDArray[Any], restart: Any
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """One lane of one unit, in Python integers: faster than numpy one element at a time."""
        results = []
        accumulator, flags = 0, 0
        columns = (x.tolist() for x in (value, invalid, addend, restart))
        for operation in zip(*columns, strict=True):
            accumulator, flags = self._accumulate(accumulator, flags, *operation)
            results.append((accumulator, flags))
        words = np.array([w for w, _ in results], dtype=self._dtype)
        return words, np.array([f for _, f in results], dtype=np.int64)

    def _run_units(
        self, value: npt.NDArray[Any], invalid: npt.NDArray[Any], addend: npt.NDArray[Any], restart: Any
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """One lane of many units: the vectorised twin of `_accumulate`."""
        words, flags = np.zeros(value.shape, dtype=self._dtype), np.zeros(value.shape, dtype=np.int64)
        accumulator, sticky = words[0], flags[0]
        for t in range(len(value)):
            total = np.where(restart[t], addend[t], accumulator) + value[t]
            accumulator = np.clip(total, self.low, self.high)
            raised = (accumulator != total) * int(Flag.OF) | invalid[t] * int(Flag.NV)
            sticky = np.where(restart[t], 0, sticky) | raised
            words[t], flags[t] = accumulator, sticky
        return words, flags

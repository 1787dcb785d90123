"""The golden windowed accumulate against Fractions, and its promises: exact, order-free, overflow flagged."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpu.numeric.config import Dual, Flavour, FmaConfig, Fp8, WindowAccumulate
from lnpu_sim.numeric.window import WindowModel
from oracles.fma import exact_term, exact_value

NV, OF = 16, 4
UNITS = [
    FmaConfig(flavour=Flavour.TRAINING, dual=Dual.FP8XFP16, accumulate=WindowAccumulate(32), latency=2),
    FmaConfig(flavour=Flavour.IEEE, fp8=Fp8.MIXED, accumulate=WindowAccumulate(23)),
    FmaConfig(flavour=Flavour.IEEE, fp8=Fp8.BOTH, dual=Dual.FP8XFP16, accumulate=WindowAccumulate(64)),
    FmaConfig(flavour=Flavour.TRAINING, fp8=Fp8.E5M2, accumulate=WindowAccumulate(62)),
    FmaConfig(flavour=Flavour.TRAINING, dual=Dual.NONE, accumulate=WindowAccumulate(61)),
]
PE = WindowModel(UNITS[0])


def unit_name(config):
    return f"{config.flavour.value}-{config.dual.value}-{config.fp8.value}-{config.accumulate}"


def stimulus(config, n, seed):
    """Port words of n operations; tops near the products' exponents, so that every case is frequent."""
    rng = np.random.default_rng(seed)
    lanes, width = config.lanes, config.accumulate.width
    low_words = [rng.integers(0, 1 << 62, n).astype(object) >> int(g) for g in (0, 30)]
    word = (low_words[0] << 40 ^ low_words[1]) & ((1 << width) - 1)
    small = (low_words[1] & 0xFFFF) - 0x8000 & ((1 << width) - 1)
    c = np.where(rng.integers(0, 2, n) == 0, word, small)
    if lanes == 2:
        c = c | (c[::-1] << width)
    mode = rng.integers(0, lanes, n)
    b = rng.integers(0, 1 << (32 if config.b_format_wide else 16), n)
    return {
        "mode": mode,
        "a": rng.integers(0, 1 << 16, n),
        "b": b,
        "c": c,
        "top": rng.integers(-16, 40, n),
        "clear": rng.integers(0, 6, n) == 0,
        "s": rng.integers(-12, 13, n) if lanes == 2 else np.zeros(n, int),
        "fmt": rng.integers(0, 1 << config.fmt_bits, n) * mode,
    }


def operands(config, lane, op):
    """Format names and codes of a lane's operands, by the port table's words; None for an idle lane."""
    if op["mode"] == 0:
        return None if lane else ("fp16", op["a"], "fp16", op["b"] & 0xFFFF)
    names = [f.name for f in config.fp8.formats]
    bit_b = op["fmt"] >> 1 if config.fmt_bits == 2 else op["fmt"]
    a = op["a"] >> 8 * lane & 0xFF
    if config.b_format_wide:
        return names[op["fmt"]], a, "fp16", op["b"] >> 16 * lane & 0xFFFF
    return names[op["fmt"] & 1], a, names[bit_b & 1], op["b"] >> 8 * lane & 0xFF


def nominal_exponent(name, code, value):
    """fp16 subnormals count as emin, everything else by its leading one."""
    if name == "fp16" and code & 0x7C00 == 0:
        return -14
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    return exponent - (size < Fraction(2) ** exponent)


def reference(config, ops):
    """The contract, one operation and lane at a time, in Fractions."""
    width, training = config.accumulate.width, config.flavour is Flavour.TRAINING
    low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    words, flags = [0] * config.lanes, [0] * config.lanes
    out = []
    for op in ops:
        for lane in range(config.lanes):
            if op["clear"]:
                addend = op["c"] >> width * lane & (2**width - 1)
                words[lane], flags[lane] = addend - 2**width * (addend > high), 0
            case = operands(config, lane, op)
            if case is None:
                continue
            x, y = (exact_value(case[i], case[i + 1], training=training) for i in (0, 2))
            if any(v is None or isinstance(v, str) for v in (x, y)):
                flags[lane] |= NV
                continue
            scale = op["s"] if op["mode"] else 0
            product = x * y * Fraction(2) ** scale
            if product == 0:
                continue
            exponent = nominal_exponent(case[0], case[1], x) + nominal_exponent(case[2], case[3], y) + scale
            if exponent + 2 > op["top"]:
                words[lane], flags[lane] = (low if product < 0 else high), flags[lane] | OF
                continue
            total = words[lane] + exact_term(product, op["top"], width)
            words[lane] = min(max(total, low), high)
            flags[lane] |= OF if words[lane] != total else 0
        d = sum((w % 2**width) << width * lane for lane, w in enumerate(words))
        out.append((d, sum(f << 5 * lane for lane, f in enumerate(flags))))
    return out


def as_ops(words):
    columns = {name: np.asarray(values).tolist() for name, values in words.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("config", UNITS, ids=unit_name)
def test_against_fractions(config):
    words = stimulus(config, 6000, 1)
    d, flags = WindowModel(config).run(**words)
    expected = reference(config, as_ops(words))
    for i, (got, want) in enumerate(zip(zip(d, flags, strict=True), expected, strict=True)):
        assert (int(got[0]), int(got[1])) == want, f"operation {i}: { {k: v[i] for k, v in words.items()} }"
    lane_flags = {f >> 5 * lane & 31 for _, f in expected for lane in range(config.lanes)}
    wanted = {0, OF} if config.flavour is Flavour.TRAINING else {0, OF, NV, NV | OF}
    assert lane_flags == wanted  # the stimulus reaches every outcome


@pytest.mark.parametrize("config", UNITS, ids=unit_name)
def test_one_unit_many_units_and_steps_agree(config):
    words = stimulus(config, 1200, 2)
    model = WindowModel(config)
    many = model.run(**{name: values.reshape(200, 6) for name, values in words.items()})
    for column in range(6):
        one = {name: values.reshape(200, 6)[:, column] for name, values in words.items()}
        d, flags = model.run(**one)
        assert np.array_equal(d, many[0][:, column])
        assert np.array_equal(flags, many[1][:, column])
    state = model.initial
    for i, op in enumerate(as_ops(one)):
        state, word, flag = model.step(state, **op)
        assert (word, flag) == (int(d[i]), int(flags[i]))


def sums(a, b, top, order, fp8=True):
    """The PE's accumulators after products in a given order, from 0."""
    n = len(order)
    clear = np.arange(n) == 0
    d, flags = PE.run(int(fp8), a[order], b[order], 0, top, clear)
    return int(d[-1]), int(flags[-1])


@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.booleans())
def test_sums_do_not_depend_on_order(seed, n, fp8):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 1 << 16, n) & 0xBFBF  # magnitudes below 2: no saturation under this top
    b = rng.integers(0, 1 << 32, n) & 0xBFFFBFFF
    top = 9 if fp8 else 10
    first = sums(a, b, top, np.arange(n), fp8)
    assert first == sums(a, b, top, rng.permutation(n), fp8)
    assert first[1] == 0


@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_fp8_sums_are_exact_where_the_window_holds_every_bit(seed, n):
    """E4M3 x fp16 products down to 2**-6 * 2**-4 are multiples of 2**-23: 32 bits below top = 8 hold them."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0x08, 0x40, n) | rng.integers(0, 2, n) << 7
    b = rng.integers(11 << 10, 16 << 10, n) | rng.integers(0, 2, n) << 15
    total = sum(
        (exact_value("e4m3", x, training=True) * exact_value("fp16", y, training=True))
        for x, y in zip(a.tolist(), b.tolist(), strict=True)
    )
    state = PE.initial
    for i in range(n):
        state, _, flags = PE.step(state, 1, int(a[i]), int(b[i]), 0, 8, int(i == 0))
        assert flags == 0
    assert Fraction(state.accumulators[0]) * Fraction(2) ** (8 - 32 + 1) == total


def test_rounding_is_symmetric():
    """Half of the last bit goes away from zero on both sides; just below it goes to zero."""
    one = 0x3C00
    for top, a, expected in (
        (31, 0x3800, 1),
        (31, 0x37FF, 0),
        (30, 0x3800, 1),
        (30, 0x3A00, 2),
        (32, one, 1),
    ):
        for sign in (0, 0x8000):
            state, _, flags = PE.step(PE.initial, 0, a | sign, one, 0, top, 1)
            assert (state.accumulators[0], flags) == (-expected if sign else expected, 0), (top, hex(a))


def test_overflow_saturates_and_sticks_until_clear():
    big, one = 0x7BFF, 0x3C00
    low, high = -(2**31), 2**31 - 1
    state, d, flags = PE.step(PE.initial, 0, one, one, 5, 1, 1)  # exponent 0 + 0 + 2 > 1
    assert (state.accumulators, d, flags) == ((high, 0), high, OF)
    state, _, flags = PE.step(state, 0, one, one, 5, 10, 0)  # sum saturates
    assert (state.accumulators[0], flags) == (high, OF)
    state, _, flags = PE.step(state, 0, one | 0x8000, one, 5, 10, 0)  # comes back, the flag stays
    assert (state.accumulators[0], flags) == (high - 2**21, OF)
    state, _, flags = PE.step(state, 0, 0, big, 7, 1, 1)  # a zero product never overflows
    assert (state.accumulators[0], flags) == (7, 0)
    state, _, flags = PE.step(state, 0, big | 0x8000, big, 7, 1, 1)
    assert (state.accumulators[0], flags) == (low, OF)


def test_lane_1_keeps_its_sum_in_single_mode():
    state, _, _ = PE.step(PE.initial, 1, 0x3838, 0x3C003C00, 3 | 4 << 32, 10, 1)
    assert state.accumulators == (3 + 2**21, 4 + 2**21)
    state, d, flags = PE.step(state, 0, 0x3C00, 0x3C00, 0, 10, 0)
    assert (state.accumulators, flags) == ((3 + 2**22, 4 + 2**21), 0)
    assert d == (3 + 2**22) | (4 + 2**21) << 32


def test_port_words_may_be_raw():
    config = UNITS[2]
    words = stimulus(config, 400, 3)
    raw = dict(words, top=words["top"] & 511, s=words["s"] & 511)
    for signed, unsigned in zip(
        WindowModel(config).run(**words), WindowModel(config).run(**raw), strict=True
    ):
        assert np.array_equal(signed, unsigned)


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="`accumulate` must be a window, not fp16"):
        WindowModel(FmaConfig())
    with pytest.raises(ValueError, match="`mode` must be 0 to 1, not 3"):
        PE.run([3], 0, 0, 0, 0, 1)
    with pytest.raises(ValueError, match="needs a time axis"):
        PE.run(0, 0, 0, 0, 0, 1)

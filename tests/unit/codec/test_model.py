"""Golden model: vectorised against scalar, round trip, malformed rows, sizes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpu.codec.config import Cause, CodecError, FgmpFormat, Geometry
from lnpu_sim.codec import scalar
from lnpu_sim.codec.quantise import FP8, FP16, narrow, quantise
from lnpu_sim.codec.rows import decode_rows, encode_rows, lengths
from lnpu_sim.codec.tensor import decode, encode, geometry_of, to_blocks, to_nhwc
from support.codec import FORMATS, array, encode_array, formats, mutate, shapes

SETTINGS = settings(max_examples=150, deadline=None)


def scalar_blocks(codes, group, bias):
    """[W, B] codes and groups to the scalar model's blocks."""
    out = []
    for c, g in zip(codes, group, strict=True):
        wide = np.flatnonzero(g == FP16)
        small = np.flatnonzero(g == FP8)
        out.append(
            scalar.Block(
                tuple((int(i), int(v)) for i, v in zip(small, narrow(c[small], bias), strict=True)),
                tuple((int(i), int(c[i])) for i in wide),
            )
        )
    return out


@SETTINGS
@given(
    shapes,
    formats,
    st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    st.sampled_from([0.0, 0.05, 1.0]),
    st.integers(0, 99),
)
def test_vectorised_and_scalar_agree_and_round_trip(shape, fmt, zeros, wide, seed):
    x = array(shape, fmt, zeros=zeros, wide=wide, seed=seed)
    encoded = encode(x, fmt)
    q = quantise(x, fmt)
    assert (decode(encoded) == q.codes).all()

    g = geometry_of(shape)
    codes, group = to_blocks(q.codes, g), to_blocks(q.group, g)
    for row, length in enumerate(lengths(g)):
        blocks = scalar_blocks(codes[row], group[row], fmt.bias)
        words = scalar.encode_row(blocks, g.count_bits, fmt)
        p = encoded.pointers
        assert words == [int(w) for w in encoded.words[p[row] : p[row + 1]]]
        assert scalar.decode_row(words, g.w, int(length), g.count_bits, fmt) == (blocks, Cause.NONE)


@SETTINGS
@given(
    st.integers(1, 6),
    st.one_of(st.integers(1, 20), st.just(64)),
    formats,
    st.sampled_from([0.0, 0.5, 0.95]),
    st.integers(0, 10**6),
)
def test_malformed_rows_agree_with_the_scalar_model(blocks, length, fmt, zeros, seed):
    rng = np.random.default_rng(seed)
    rows = encode_array(array((1, blocks, length), fmt, zeros=zeros, wide=0.2, seed=seed), fmt)
    words = mutate(rows.rows[0], rng)
    length = int(rng.integers(1, length + 1)) if rng.random() < 0.3 else length
    pointers = np.array([0, len(words)])
    got = decode_rows(words, pointers, np.array([length]), blocks, rows.length, rows.count_bits, fmt)
    want, cause = scalar.decode_row([int(w) for w in words], blocks, length, rows.count_bits, fmt)
    assert Cause(int(got.causes[0])) == cause
    assert got.good[0] == len(want)
    have = scalar_blocks(got.codes[0], got.group[0], fmt.bias)
    assert have == want + [scalar.Block()] * (blocks - len(want))


def test_every_cause_occurs_and_several_together():
    seen = set()
    fmt = FgmpFormat(0, 1, 4)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        rows = encode_array(array((1, 4, 16), fmt, zeros=0.6, wide=0.3, seed=seed), fmt)
        words = mutate(rows.rows[0], rng)
        _, cause = scalar.decode_row([int(w) for w in words], 4, 16, 5, fmt)
        seen.add(cause)
    assert {c for c in Cause if c} <= seen
    assert any(c & Cause.INDEX and c & Cause.VALUE for c in seen)


@pytest.mark.parametrize("k8", [1, 2, 4])
@pytest.mark.parametrize("k16", [4, 6])
def test_run_borders(k8, k16):
    """One element behind every possible run, in both groups: runs of max-1, max, max+1 and all others."""
    fmt = FgmpFormat(0, k8, k16)
    for value in (1.0, 1000.0):
        x = np.float32(np.eye(64) * value)
        assert (decode(encode(x, fmt)).view(np.float16).reshape(64, 64) == x).all()


def test_escapes_are_counted_as_entries():
    x = np.zeros((1, 1, 1, 64), np.float32)
    x[..., 63] = 1.0
    s = encode(x, FgmpFormat(0, 1, 4)).descriptor.statistics
    assert (s.fp8, s.entries8, s.fp16, s.entries16) == (1, 1 + 31, 0, 0)


@pytest.mark.parametrize("fmt", FORMATS[:6])
def test_worst_case_size_is_reached_and_never_exceeded(fmt):
    """All assignments of zero, fp8, fp16 to a block of 8: the formula is the maximum."""
    groups = np.array(list(itertools.product((0, FP8, FP16), repeat=8)), np.uint8)[:, None, :]
    codes = np.where(groups == FP8, 0x3C00, np.where(groups == FP16, 0x7000, 0)).astype(np.uint16)
    rows = encode_rows(codes, groups, 4, fmt)
    bits = 8 + rows.entries8 * fmt.w8 + rows.entries16 * fmt.w16
    assert bits.max() == Geometry(1, 1, 1, 8).worst_block_bits(fmt)


def test_random_access_by_pointers():
    fmt = FgmpFormat(-2, 2, 4)
    x = array((2, 3, 4, 100), fmt, seed=5)
    e, q = encode(x, fmt), quantise(x, fmt)
    g = e.descriptor.geometry
    row = (1 * g.planes + 1) * g.h + 2
    words = e.words[e.pointers[row] : e.pointers[row + 1]]
    one = decode_rows(words, np.array([0, len(words)]), np.array([36]), g.w, g.block, g.count_bits, fmt)
    assert (one.codes[0, :, :36] == q.codes[1, 2, :, 64:]).all()


@pytest.mark.parametrize("shape", [(7,), (100,), (5, 10), (3, 5, 10), (2, 3, 5, 70)])
def test_ranks(shape):
    x = array(shape, FgmpFormat(), seed=1)
    assert (decode(encode(x, FgmpFormat())).reshape(shape) == quantise(x, FgmpFormat()).codes).all()
    assert to_nhwc(to_blocks(x, geometry_of(shape)), geometry_of(shape)).size == x.size


def test_errors_name_what_is_wrong():
    with pytest.raises(CodecError, match="rank must be 1 to 4, not 5"):
        encode(np.zeros((1,) * 5, np.float32), FgmpFormat())
    with pytest.raises(CodecError, match=r"NaN or infinite \(first at \(0, 1\)\)"):
        encode(np.float32([[0, np.nan]]), FgmpFormat())
    with pytest.raises(CodecError, match=r"shape \(65536,\): axis 0 must be 1 to 65535 long, not 65536"):
        encode(np.zeros(65536, np.float32), FgmpFormat())
    with pytest.raises(CodecError, match="at least one element"):
        encode(np.zeros((0, 4), np.float32), FgmpFormat())
    invalid = encode(np.float32([np.inf]), FgmpFormat(), check=False)
    assert invalid.descriptor.statistics.invalid
    with pytest.raises(CodecError, match="invalid"):
        decode(invalid)
    for bad, name in (({"bias": 8}, "bias"), ({"bias": -9}, "bias"), ({"k8": 3}, "k8"), ({"k16": 5}, "k16")):
        with pytest.raises(CodecError, match=f"`{name}` must be"):
            FgmpFormat(**bad)

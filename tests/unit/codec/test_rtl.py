"""Exported Verilog against the golden model, bit for bit, under every stall pattern."""

import numpy as np
import pytest

from lnpu.codec.config import CodecConfig, FgmpFormat
from lnpu.formats import FP16, FP32
from lnpu_sim.rtl import STALL_PATTERNS
from support.codec import FORMATS, array, code_rows, encode_array, overlap_rows
from support.codec_rtl import check_dense, check_encoder, check_sparse, compiled, mutated_batches

SHAPES = [
    (1, 1, 1, 1),
    (1, 1, 9, 1),
    (1, 2, 3, 4),
    (2, 3, 2, 5),
    (1, 3, 3, 10),
    (2, 2, 4, 16),
    (1, 2, 3, 40),
    (1, 2, 2, 64),
    (1, 2, 3, 65),
    (1, 1, 2, 130),
    (3, 1, 1, 100),
]
SHARES = [(0.0, 0.05), (0.5, 0.05), (0.95, 0.5), (1.0, 0.0), (0.0, 1.0), (0.3, 0.0)]
"""Zeros, and fp16 among the rest: dense, typical, sparse, all zero, all fp16, empty fp16 group."""


@pytest.fixture(scope="module", params=[(4, FP32), (1, FP16), (2, FP16)], ids=["4-fp32", "1-fp16", "2-fp16"])
def encoder(request):
    lanes, element = request.param
    unit = compiled("codec-encoder", CodecConfig(lanes=lanes, element=element))
    return unit, lanes, np.float32 if element is FP32 else np.float16


@pytest.fixture(scope="module", params=[4, 1])
def dense(request):
    return compiled("codec-dense-decoder", CodecConfig(lanes=request.param)), request.param


@pytest.fixture(scope="module", params=[3, 1])
def sparse(request):
    return compiled("codec-sparse-decoder", CodecConfig(fold=request.param))


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_encoder_gives_the_models_bytes(encoder, pattern):
    unit, lanes, dtype = encoder
    for index, shape in enumerate(SHAPES):
        for number, fmt in enumerate(FORMATS):
            seed = 10 * index + number
            zeros, wide = SHARES[seed % len(SHARES)]
            x = array(shape, fmt, zeros=zeros, wide=wide, seed=seed, dtype=dtype)
            check_encoder(unit, x, fmt, pattern, seed, lanes)


def test_encoder_quantises_every_border(encoder):
    """All fp16 codes, the neighbours of fp32 roundings, NaN, infinity and -0, at every bias."""
    unit, lanes, dtype = encoder
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    for bias in range(-8, 8):
        x = halves.reshape(16, 64, 64)
        if dtype == np.float32:
            nudge = bias % 3 - 1 + 0x1000 * (bias % 2)
            near = halves.astype(np.float32).view(np.uint32) + np.uint32(nudge % 2**32)
            x = near.view(np.float32).reshape(16, 64, 64)
        unit["clear"] = 1
        unit.step()
        unit["clear"] = 0
        check_encoder(unit, x, FgmpFormat(bias, 1, 4), "none", 1, lanes)
        assert unit["invalid"] == 1


@pytest.mark.parametrize("shape", [(1, 1, 65535, 1), (1, 65535, 1, 1), (65535, 1, 1, 1), (1, 1, 1, 65535)])
def test_encoder_at_the_largest_sizes(encoder, shape):
    fmt = FgmpFormat(0, 1, 4)
    x = array(shape, fmt, zeros=0.5, wide=0.5, seed=3, dtype=encoder[2])
    check_encoder(encoder[0], x, fmt, lanes=encoder[1])


def decoder_batches(seed):
    return [
        (encode_array(array((3, 4, size), fmt, zeros=zeros, wide=wide, seed=seed), fmt), None)
        for fmt in FORMATS
        for size in (1, 3, 5, 10, 16, 40, 64)
        for zeros, wide in [SHARES[(seed + size) % len(SHARES)]]
    ]


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("seed", range(6))
def test_sparse_decoder(sparse, pattern, seed):
    check_sparse(sparse, decoder_batches(seed), pattern, seed)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("seed", range(6))
def test_dense_decoder(dense, pattern, seed):
    unit, lanes = dense
    check_dense(unit, decoder_batches(seed), pattern, seed, lanes)


@pytest.mark.parametrize("k8", [1, 2, 4])
@pytest.mark.parametrize("k16", [4, 6])
def test_runs_of_every_length_in_every_group(sparse, dense, encoder, k8, k16):
    """One element behind every run from 0 to 63: runs of max-1, max and max+1, chains of escapes."""
    fmt = FgmpFormat(0, k8, k16)
    for value in (1.0, 1000.0):
        x = (np.eye(64) * value).astype(np.float32).reshape(2, 32, 64)
        rows = encode_array(x, fmt)
        check_sparse(sparse, [(rows, None)])
        check_dense(dense[0], [(rows, None)], lanes=dense[1])
        check_encoder(encoder[0], x.astype(encoder[2]), fmt, lanes=encoder[1])


def test_overlap_at_every_element(sparse, dense):
    rows = overlap_rows(FgmpFormat(0, 1, 4))
    check_sparse(sparse, [(rows, None)])
    check_dense(dense[0], [(rows, None)], lanes=dense[1])


@pytest.mark.parametrize("fmt", FORMATS[:6])
def test_reserved_codes_in_every_place(sparse, dense, fmt):
    rows = code_rows(fmt)
    check_sparse(sparse, [(rows, None)])
    check_dense(dense[0], [(rows, None)], lanes=dense[1])


FUZZED = 20
"""Runs of 50 batches of 50 rows; two parameter points: 100,000 malformed rows a decoder. Seeds are fixed."""


@pytest.mark.parametrize("part", range(4))
def test_fuzz_sparse(sparse, part):
    for seed in range(part * FUZZED // 4, (part + 1) * FUZZED // 4):
        batches = mutated_batches(np.random.default_rng(seed), 50)
        check_sparse(sparse, batches, list(STALL_PATTERNS)[seed % 4], seed)


@pytest.mark.parametrize("part", range(4))
def test_fuzz_dense(dense, part):
    unit, lanes = dense
    for seed in range(part * FUZZED // 4, (part + 1) * FUZZED // 4):
        batches = mutated_batches(np.random.default_rng(1000 + seed), 50)
        check_dense(unit, batches, list(STALL_PATTERNS)[seed % 4], seed, lanes)

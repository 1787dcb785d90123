"""Stimulus of the codec tests: arrays with chosen zeros and runs, rows of blocks, mutated streams."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from lnpu.codec.config import RUN_WIDTHS_8, RUN_WIDTHS_16, FgmpFormat, Geometry
from lnpu_sim.codec.rows import encode_rows
from lnpu_sim.codec.tensor import quantise, to_blocks

FORMATS = [
    FgmpFormat(bias, k8, k16) for bias in (-8, -3, 0, 7) for k8 in RUN_WIDTHS_8 for k16 in RUN_WIDTHS_16
]

formats = st.builds(
    FgmpFormat, st.integers(-8, 7), st.sampled_from(RUN_WIDTHS_8), st.sampled_from(RUN_WIDTHS_16)
)
shapes = st.tuples(
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(1, 5),
    st.one_of(st.integers(1, 20), st.sampled_from([31, 63, 64, 65, 100, 128, 130])),
)


def array(shape, fmt, *, zeros=0.5, wide=0.05, seed=0, dtype=np.float32):
    """An array whose elements are zero, fp8 and fp16 with the given shares (some fp8 flush)."""
    rng = np.random.default_rng(seed)
    kind = rng.random(shape)
    sign = rng.choice([-1.0, 1.0], shape)
    small = np.exp2(rng.uniform(np.log2(fmt.smallest) - 0.7, np.log2(fmt.threshold), shape))
    large = np.exp2(rng.uniform(np.log2(fmt.threshold), 16.1, shape)).clip(max=66000)
    x = sign * np.where(rng.random(shape) < wide, np.maximum(large, fmt.threshold), small)
    if dtype == np.float16:
        x = x.clip(-65504, 65504)
    return np.where(kind < zeros, 0.0, x).astype(dtype)


@dataclass(frozen=True)
class Rows:
    """Rows of one tensor shape for a decoder: 64-bit words of each row, and what describes them."""

    fmt: FgmpFormat
    blocks: int
    length: int
    count_bits: int
    rows: list


def encode_array(x, fmt):
    """Encoded rows of an array with one plane ([R][W][C], C at most 64)."""
    r, w, c = x.shape
    g = Geometry(1, r, w, c)
    q = quantise(x, fmt)
    e = encode_rows(to_blocks(q.codes, g), to_blocks(q.group, g), g.count_bits, fmt)
    p = e.pointers
    return Rows(fmt, w, c, g.count_bits, [e.words[p[i] : p[i + 1]].copy() for i in range(r)])


def mutate(words, rng):
    """One malformed variant of a row: bits flipped, a word replaced, truncated, extended, or noise."""
    words = words.copy()
    match int(rng.integers(6)):
        case 0 | 1:
            for _ in range(int(rng.integers(1, 4))):
                bit = int(rng.integers(64 * len(words)))
                words[bit >> 6] ^= np.uint64(1 << (bit & 63))
        case 2:
            words[int(rng.integers(len(words)))] = rng.integers(2**64, dtype=np.uint64)
        case 3:
            words = words[: max(1, int(rng.integers(len(words) + 1)))]
        case 4:
            more = rng.integers(2**64, size=int(rng.integers(1, 3)), dtype=np.uint64)
            words = np.concatenate((words, more * np.uint64(rng.integers(2))))
        case 5:
            words = rng.integers(2**64, size=len(words), dtype=np.uint64)
    return words

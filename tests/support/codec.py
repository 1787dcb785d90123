"""Stimulus of the codec tests: arrays with chosen zeros and runs, rows of blocks, mutated streams."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from lnpu.codec.config import RUN_WIDTHS_8, RUN_WIDTHS_16, FgmpFormat, Geometry
from lnpu_sim.codec.quantise import FP8, FP16, narrow, quantise
from lnpu_sim.codec.rows import decode_rows, encode_rows, lengths
from lnpu_sim.codec.scalar import Block, encode_row
from lnpu_sim.codec.tensor import geometry_of, to_blocks

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


def decode_batch(rows, length=None):
    """The golden result of all rows at once (`lnpu_sim.codec.rows.DecodedRows`)."""
    words = np.concatenate(rows.rows)
    pointers = np.concatenate(([0], np.cumsum([len(w) for w in rows.rows])))
    lengths = np.full(len(rows.rows), rows.length if length is None else length)
    size = max(rows.length, rows.length if length is None else length)
    return decode_rows(words, pointers, lengths, rows.blocks, size, rows.count_bits, rows.fmt)


def sparse_beats(decoded, fmt):
    """Beats of the sparse decoder: structured array of index, value, wide, entry, last, bad."""
    _, blocks, size = decoded.codes.shape
    group = decoded.group.reshape(-1, size)
    codes = decoded.codes.reshape(-1, size)
    block, index = np.nonzero(group)
    kind = group[block, index]
    order = np.lexsort((index, kind, block))
    block, index, kind = block[order], index[order], kind[order]
    code = codes[block, index]
    value = np.where(kind == FP8, narrow(code, fmt.bias), code)
    empty = np.flatnonzero(~group.any(axis=1))
    position = np.concatenate((block, empty))
    order = np.argsort(position, kind="stable")

    def column(values):
        return np.concatenate((values, np.zeros(len(empty), np.int64)))[order]

    position = position[order]
    beats = {
        "index": column(index),
        "value": column(value),
        "wide": column(kind == FP16),
        "entry": column(np.ones(len(block), int)),
        "last": np.append(np.diff(position) != 0, True),
        "bad": np.zeros(len(position), int),
    }
    bad = (np.arange(blocks) >= decoded.good[:, None]).reshape(-1)
    beats["bad"] = bad[position]
    return {name: np.asarray(values).astype(np.uint64) for name, values in beats.items()}


def row_commands(rows, length=None, *, bias=False):
    """Command beats, one a row."""
    fields = {
        "blocks": rows.blocks,
        "length": rows.length if length is None else length,
        "count_bits": rows.count_bits,
        "k8": rows.fmt.k8,
        "k16": rows.fmt.k16,
        **({"bias": rows.fmt.bias} if bias else {}),
    }
    return {f"command_{name}": np.full(len(rows.rows), value) for name, value in fields.items()}


def word_beats(rows):
    """Word beats of all rows."""
    ends = np.cumsum([len(w) for w in rows.rows]) - 1
    data = np.concatenate(rows.rows)
    last = np.zeros(len(data), np.uint64)
    last[ends] = 1
    return {"i_data": data, "i_last": last}


def joined(batches):
    """Beats of several batches one after the other."""
    return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


def same_beats(got, want, context, side="o"):
    """Fail with the first difference, decoded."""
    for name, values in want.items():
        have = got[f"{side}_{name}"]
        if not np.array_equal(have, values):
            at = int(np.flatnonzero(have != values)[0])
            near = {n: [int(v) for v in w[max(0, at - 2) : at + 3]] for n, w in want.items()}
            near_got = {n: [int(v) for v in got[f"{side}_{n}"][max(0, at - 2) : at + 3]] for n in want}
            raise AssertionError(f"{context}: beat {at}: `{name}`\n  want {near}\n  got  {near_got}")


def dense_beats(decoded, length, lanes):
    """Beats of the dense decoder: e0, e1 ... (fp16 codes), last, bad."""
    rows, blocks, _ = decoded.codes.shape
    vectors = -(-length // lanes)
    padded = np.zeros((rows, blocks, vectors * lanes), np.uint64)
    padded[:, :, :length] = decoded.codes[:, :, :length]
    last = np.zeros((rows, blocks, vectors), np.uint64)
    last[:, :, -1] = 1
    bad = last * (np.arange(blocks) >= decoded.good[:, None]).astype(np.uint64)[:, :, None]
    elements = padded.reshape(-1, lanes)
    packed = sum(elements[:, n] << np.uint64(16 * n) for n in range(lanes))
    return {"elements": packed, "last": last.reshape(-1), "bad": bad.reshape(-1)}


def encoder_command_beats(geometry, fmt, *, pointer_address=0, data_address=0):
    """The command of one tensor."""
    fields = {
        "n": geometry.n,
        "h": geometry.h,
        "w": geometry.w,
        "c": geometry.c,
        "bias": fmt.bias,
        "k8": fmt.k8,
        "k16": fmt.k16,
        "pointer_address": pointer_address,
        "data_address": data_address,
    }
    return {f"command_{name}": np.array([value]) for name, value in fields.items()}


def element_beats(x, lanes):
    """An array's vectors in the order of memory; lanes beyond a block hold noise."""
    g = geometry_of(x.shape)
    bits = to_blocks(x.view(np.uint32 if x.dtype == np.float32 else np.uint16).astype(np.uint64), g)
    noise = np.random.default_rng(1)
    rows = []
    for row, length in zip(bits, lengths(g), strict=True):
        vectors = -(-int(length) // lanes)
        padded = noise.integers(2**16, size=(g.w, vectors * lanes), dtype=np.uint64)
        padded[:, :length] = row[:, :length]
        rows.append(padded.reshape(-1, lanes))
    elements = np.concatenate(rows)
    width = 8 * x.dtype.itemsize
    per_word = 64 // width
    words = np.zeros((len(elements), -(-lanes // per_word)), np.uint64)
    for n in range(lanes):
        words[:, n // per_word] |= elements[:, n] << np.uint64(width * (n % per_word))
    return {"i_elements": words[:, 0] if words.shape[1] == 1 else words}


def encoded_beats(tensor):
    """What the encoder must deliver: words with `last`, and the meta words (pointers, descriptor)."""
    last = np.zeros(len(tensor.words), np.uint64)
    last[tensor.pointers[1:].astype(np.int64) - 1] = 1
    meta = np.frombuffer(tensor.pointer_bytes() + tensor.descriptor.pack(), "<u8")
    descriptor = np.arange(len(meta)) >= len(meta) - 24
    end = np.arange(len(meta)) == len(meta) - 1
    return (
        {"data": tensor.words, "last": last},
        {
            "data": meta,
            "descriptor": descriptor.astype(np.uint64),
            "last": end.astype(np.uint64),
        },
    )


def overlap_rows(fmt):
    """For every element: a row whose second block names it in both groups, behind a full block; and a legal
    row in which only the fp16 group names it and the fp8 group all others."""
    rows = []
    for index in range(64):
        others = tuple((n, 0x38) for n in range(64) if n != index)
        full = Block(fp8=(*others[:index], (index, 0x38), *others[index:]))
        twice = Block(fp8=((index, 0x38),), fp16=((index, 0x7000),))
        legal = Block(fp8=others, fp16=((index, 0x7000),))
        rows += [[full, twice], [full, legal], [legal, full]]
    words = [np.array(encode_row(blocks, 7, fmt), np.uint64) for blocks in rows]
    return Rows(fmt, 2, 64, 7, words)


def code_rows(fmt):
    """Blocks of eight entries, one with a code at a border: reserved codes and their legal neighbours."""
    codes8 = (0x00, 0x80, 0x07, 0x87, 0x08, 0x7E, 0xFE, 0x7F, 0xFF)
    codes16 = (0x0000, 0x8000, 0x03FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00, 0x7FFF)
    rows = []
    for index in range(8):
        for code in codes8:
            group = tuple((n, code if n == index else 0x38) for n in range(8))
            rows.append([Block(fp8=group)])
        for code in codes16:
            group = tuple((n, code if n == index else 0x4000) for n in range(8))
            rows.append([Block(fp16=group)])
    words = [np.array(encode_row(blocks, 7, fmt), np.uint64) for blocks in rows]
    return Rows(fmt, 1, 64, 7, words)

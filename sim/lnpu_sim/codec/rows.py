"""Golden FGMP coder, vectorised: rows of blocks to words and back (`docs/formats.md`, sections 3 to 7).

Works on all blocks of a tensor at once; `lnpu_sim.codec.scalar` is the plain twin to read first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import WORD_BITS, Cause, FgmpFormat, Geometry
from lnpu_sim.codec.quantise import FP8, FP16, narrow, widen

__all__ = ["DecodedRows", "EncodedRows", "decode_rows", "encode_rows", "lengths"]

_U64 = np.uint64
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class EncodedRows:
    """Rows in memory.

    Args:
        words: uint64, all rows. pointers: R + 1 row starts in words.
        entries8, entries16: int64 [R, W], entries of each block.
    """

    words: Words
    pointers: Ints
    entries8: Ints
    entries16: Ints


@dataclass(frozen=True)
class DecodedRows:
    """Decoded rows; dropped blocks are zero.

    Args:
        codes: uint16 [R, W, B], fp16 codes. group: uint8 [R, W, B].
        causes: int64 [R], `Cause` bits of each row's malformed block (or TRAILING).
        good: int64 [R], blocks before the first malformed one (W when there is none).
        entries8, entries16: int64 [R], entries that the headers of each row count, escapes included.
    """

    codes: NDArray[np.uint16]
    group: NDArray[np.uint8]
    causes: Ints
    good: Ints
    entries8: Ints
    entries16: Ints


def lengths(geometry: Geometry) -> Ints:
    """Block length of each row."""
    planes = np.arange(geometry.rows) // geometry.h % geometry.planes
    return np.where(planes == geometry.planes - 1, geometry.length(geometry.planes - 1), geometry.block)


def _or_fields(words: Words, position: Ints, fields: Words) -> None:
    """OR fields of at most 64 bits, at ascending bit positions without overlap, into the words."""
    if len(position) == 0:
        return
    index, offset = position >> 6, (position & 63).astype(_U64)
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    words[index[starts]] |= np.bitwise_or.reduceat(fields << offset, starts)
    words[index[starts] + 1] |= np.bitwise_or.reduceat((fields >> _U64(1)) >> (_U64(63) - offset), starts)


def _get_fields(words: Words, position: Ints, width: int) -> Words:
    """Fields of `width` bits; `words` must have one word to spare."""
    index, offset = position >> 6, (position & 63).astype(_U64)
    high = (words[index + 1] << _U64(1)) << (_U64(63) - offset)
    return np.asarray(((words[index] >> offset) | high) & _U64((1 << width) - 1))


def _exclusive(counts: Ints) -> Ints:
    return np.cumsum(counts) - counts


def _group_entries(mask: NDArray[np.bool_], codes: Words, k: int) -> tuple[Ints, Words]:
    """Entries of one group of all blocks: [blocks] counts, and the fields in stream order."""
    block, column = np.nonzero(mask)
    gap = np.diff(column, prepend=0) - 1
    first = np.diff(block, prepend=-1) != 0
    gap[first] = column[first]
    escapes = gap >> k
    fields = np.full(len(block) + int(escapes.sum()), (1 << k) - 1, _U64)
    run = (gap & ((1 << k) - 1)).astype(_U64)
    fields[np.cumsum(escapes + 1) - 1] = run | codes[block, column] << _U64(k)
    counts = np.bincount(block, weights=escapes + 1, minlength=len(mask)).astype(np.int64)
    return counts, fields


def encode_rows(
    codes: NDArray[np.uint16], group: NDArray[np.uint8], count_bits: int, fmt: FgmpFormat
) -> EncodedRows:
    """Encode rows of blocks.

    Args:
        codes: [R, W, B] fp16 codes; elements beyond a short block are zero. group: [R, W, B].
        count_bits: bits of each header count. fmt: run-time fields.
    """
    rows, width, size = codes.shape
    flat, groups = codes.reshape(-1, size), group.reshape(-1, size)
    n8, fields8 = _group_entries(groups == FP8, narrow(flat, fmt.bias), fmt.k8)
    n16, fields16 = _group_entries(groups == FP16, flat.astype(_U64), fmt.k16)
    bits = 2 * count_bits + n8 * fmt.w8 + n16 * fmt.w16
    row_words = -(-bits.reshape(rows, width).sum(axis=1) // WORD_BITS)
    pointers = np.concatenate(([0], np.cumsum(row_words)))
    inside = _exclusive(bits).reshape(rows, width)
    start = (inside - inside[:, :1] + pointers[:-1, None] * WORD_BITS).reshape(-1)

    words = np.zeros(int(pointers[-1]) + 1, _U64)
    _or_fields(words, start, n8.astype(_U64) | n16.astype(_U64) << _U64(count_bits))
    body = start + 2 * count_bits
    for n, w, fields in ((n8, fmt.w8, fields8), (n16, fmt.w16, fields16)):
        rank = np.arange(len(fields)) - np.repeat(_exclusive(n), n)
        _or_fields(words, np.repeat(body, n) + rank * w, fields)
        body = body + n * w
    return EncodedRows(words[:-1], pointers, n8.reshape(rows, width), n16.reshape(rows, width))


@dataclass
class _Walk:
    """Headers of all rows: where each block's body starts, its counts, and where a row breaks off."""

    body: Ints
    n8: Ints
    n16: Ints
    end: Ints
    causes: Ints
    good: Ints


def _walk(words: Words, pointers: Ints, length: Ints, width: int, count_bits: int, fmt: FgmpFormat) -> _Walk:
    rows = len(length)
    position, limit = pointers[:-1] * WORD_BITS, pointers[1:] * WORD_BITS
    body, n8, n16 = (np.zeros((rows, width), np.int64) for _ in range(3))
    causes, good = np.zeros(rows, np.int64), np.full(rows, width)
    alive = np.ones(rows, bool)
    for w in range(width):
        header = position + 2 * count_bits
        complete = alive & (header <= limit)
        field = _get_fields(words, np.where(complete, position, 0), 2 * count_bits).astype(np.int64)
        a, b = field & ((1 << count_bits) - 1), field >> count_bits
        count = complete & ((a > length) | (b > length))
        after = header + a * fmt.w8 + b * fmt.w16
        cut = alive & ~count & (~complete | (after > limit))
        causes += Cause.COUNT * count + Cause.TRUNCATED * cut
        good[count | cut] = w
        alive &= ~(count | cut)
        body[:, w] = np.where(alive, header, 0)
        n8[:, w], n16[:, w] = np.where(alive, a, 0), np.where(alive, b, 0)
        position = np.where(alive, after, position)
        if not alive.any():
            break
    return _Walk(body, n8, n16, position, causes, good)


def _group_decode(
    words: Words, body: Ints, n: Ints, k: int, value_bits: int, size: int, limit: Ints
) -> tuple[NDArray[np.bool_], Words, Ints]:
    """One group of all blocks: [blocks, size] present, codes, and [blocks] causes."""
    blocks = len(n)
    block = np.repeat(np.arange(blocks), n)
    first = _exclusive(n)
    rank = np.arange(len(block)) - np.repeat(first, n)
    field = _get_fields(words, np.repeat(body, n) + rank * (k + value_bits), k + value_bits)
    run = (field & _U64((1 << k) - 1)).astype(np.int64)
    code = field >> _U64(k)
    escape = (run == (1 << k) - 1) & (code == 0)

    total = np.concatenate(([0], np.cumsum(run + 1)))
    after = total[1:] - np.repeat(total[first], n)
    advance = total[first + n] - total[first]
    mantissa_bits, top = (3, 15) if value_bits == 8 else (10, 31)
    exponent = (code >> _U64(mantissa_bits)) & _U64(top)
    reserved = (code & _U64(0x7F)) == 0x7F if value_bits == 8 else exponent == top
    bad = ~escape & ((exponent == 0) | reserved)

    causes = np.where(advance > limit, int(Cause.INDEX), 0)
    causes |= np.where(np.bincount(block[bad], minlength=blocks) > 0, int(Cause.VALUE), 0)
    ends = (first + n - 1)[n > 0]
    trailing = np.zeros(blocks, bool)
    trailing[n > 0] = escape[ends]
    causes |= np.where(trailing, int(Cause.ESCAPE), 0)

    inside = ~escape & (after <= limit[block])
    present, codes = np.zeros((blocks, size), bool), np.zeros((blocks, size), _U64)
    present[block[inside], after[inside] - 1] = True
    codes[block[inside], after[inside] - 1] = code[inside]
    return present, codes, causes


def decode_rows(
    words: Words, pointers: Ints, length: Ints, width: int, size: int, count_bits: int, fmt: FgmpFormat
) -> DecodedRows:
    """Decode rows of blocks; malformed ones are dropped as the format says, nothing is raised.

    Args:
        words: all rows. pointers: R + 1 ascending row starts within `words`.
        length: [R] elements of each row's blocks. width: blocks of a row. size: elements of a full block.
        count_bits: bits of each header count. fmt: run-time fields.
    """
    rows = len(length)
    words = np.concatenate((words.astype(_U64), np.zeros(2, _U64)))
    walk = _walk(words, pointers, length, width, count_bits, fmt)
    limit = np.repeat(length, width)
    body, n8, n16 = walk.body.reshape(-1), walk.n8.reshape(-1), walk.n16.reshape(-1)
    has8, code8, cause8 = _group_decode(words, body, n8, fmt.k8, 8, size, limit)
    has16, code16, cause16 = _group_decode(words, body + n8 * fmt.w8, n16, fmt.k16, 16, size, limit)
    overlap = np.where((has8 & has16).any(axis=1), int(Cause.OVERLAP), 0)
    by_block = (cause8 | cause16 | overlap).reshape(rows, width)

    bad = by_block != 0
    first = np.where(bad.any(axis=1), bad.argmax(axis=1), width)
    earlier = first < walk.good
    causes = np.where(earlier, by_block[np.arange(rows), np.minimum(first, width - 1)], walk.causes)
    good = np.minimum(first, walk.good)

    limit_bits = pointers[1:] * WORD_BITS
    rest = words[np.maximum(limit_bits - 1, 0) >> 6] >> (walk.end & 63).astype(_U64)
    left = limit_bits - walk.end
    trailing = (good == width) & ((left >= WORD_BITS) | ((left > 0) & (rest != 0)))
    causes = np.asarray(causes | np.where(trailing, int(Cause.TRAILING), 0))

    kept = (np.arange(width) < good[:, None])[:, :, None]
    shape = (rows, width, size)
    group = np.where(has16, FP16, np.where(has8, FP8, 0)).astype(np.uint8).reshape(shape)
    codes = np.where(has16, code16.astype(np.uint16), np.where(has8, widen(code8, fmt.bias), 0))
    return DecodedRows(
        codes=np.where(kept, codes.reshape(shape), 0).astype(np.uint16),
        group=np.where(kept, group, 0).astype(np.uint8),
        causes=causes,
        good=good,
        entries8=walk.n8.sum(axis=1),
        entries16=walk.n16.sum(axis=1),
    )

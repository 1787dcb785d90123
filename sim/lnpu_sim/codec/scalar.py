"""Golden FGMP coder, one element at a time: plain Python, to be read beside `docs/formats.md`."""

from collections.abc import Sequence
from dataclasses import dataclass

from lnpu.codec.config import WORD_BITS, Cause, FgmpFormat

__all__ = ["Block", "decode_row", "encode_row"]

Pair = tuple[int, int]
"""(index, code)."""


@dataclass(frozen=True)
class Block:
    """Elements of one block: (index, code) of each group, index ascending."""

    fp8: tuple[Pair, ...] = ()
    fp16: tuple[Pair, ...] = ()


def _entries(group: Sequence[Pair], k: int) -> list[int]:
    """Fields of one group: escapes and elements, run in the low `k` bits."""
    longest, position, fields = (1 << k) - 1, 0, []
    for index, code in group:
        while index - position > longest:
            fields.append(longest)
            position += longest + 1
        fields.append(index - position | code << k)
        position = index + 1
    return fields


def encode_row(blocks: Sequence[Block], count_bits: int, fmt: FgmpFormat) -> list[int]:
    """The row's 64-bit words."""
    bits, length = 0, 0

    def put(value: int, width: int) -> None:
        nonlocal bits, length
        bits |= value << length
        length += width

    for block in blocks:
        entries8, entries16 = _entries(block.fp8, fmt.k8), _entries(block.fp16, fmt.k16)
        put(len(entries8), count_bits)
        put(len(entries16), count_bits)
        for entry in entries8:
            put(entry, fmt.w8)
        for entry in entries16:
            put(entry, fmt.w16)
    return [bits >> start & (1 << WORD_BITS) - 1 for start in range(0, length, WORD_BITS)]


def _group(fields: Sequence[int], k: int, value_bits: int, length: int) -> tuple[tuple[Pair, ...], Cause]:
    """Elements and causes of one group."""
    longest, position, elements, cause, escape = (1 << k) - 1, 0, [], Cause.NONE, False
    mantissa_bits, top = (3, 15) if value_bits == 8 else (10, 31)
    for field in fields:
        run, code = field & longest, field >> k
        escape = run == longest and code == 0
        if not escape:
            exponent = code >> mantissa_bits & top
            reserved = code & 0x7F == 0x7F if value_bits == 8 else exponent == top
            if exponent == 0 or reserved:
                cause |= Cause.VALUE
            if position + run < length:
                elements.append((position + run, code))
        position += run + 1
    if position > length:
        cause |= Cause.INDEX
    if escape:
        cause |= Cause.ESCAPE
    return tuple(elements), cause


def decode_row(
    words: Sequence[int], blocks: int, length: int, count_bits: int, fmt: FgmpFormat
) -> tuple[list[Block], Cause]:
    """The row's good blocks (fewer than `blocks` when one is malformed) and the causes."""
    bits = sum(word << WORD_BITS * i for i, word in enumerate(words))
    limit, position = WORD_BITS * len(words), 0
    out: list[Block] = []

    def get(width: int) -> int:
        nonlocal position
        value = bits >> position & (1 << width) - 1
        position += width
        return value

    for _ in range(blocks):
        if position + 2 * count_bits > limit:
            return out, Cause.TRUNCATED
        n8, n16 = get(count_bits), get(count_bits)
        if n8 > length or n16 > length:
            return out, Cause.COUNT
        if position + n8 * fmt.w8 + n16 * fmt.w16 > limit:
            return out, Cause.TRUNCATED
        fp8, cause8 = _group([get(fmt.w8) for _ in range(n8)], fmt.k8, 8, length)
        fp16, cause16 = _group([get(fmt.w16) for _ in range(n16)], fmt.k16, 16, length)
        cause = cause8 | cause16
        if {index for index, _ in fp8} & {index for index, _ in fp16}:
            cause |= Cause.OVERLAP
        if cause:
            return out, cause
        out.append(Block(fp8, fp16))
    if limit - position >= WORD_BITS or bits >> position:
        return out, Cause.TRAILING
    return out, Cause.NONE

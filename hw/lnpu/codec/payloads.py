"""Payloads of the codec's streams."""

from amaranth.hdl import signed
from amaranth.lib import data

from lnpu.codec.config import WORD_BITS

__all__ = [
    "HEADER_BITS",
    "INDEX_BITS",
    "LENGTH_BITS",
    "block_command",
    "copy_beat",
    "dense_beat",
    "dense_command",
    "element_beat",
    "encoder_command",
    "meta_word",
    "sparse_beat",
    "word",
]

LENGTH_BITS = 7
"""A block length or an entry count, 0 to 64."""
INDEX_BITS = 6
"""An element of a block, 0 to 63."""
HEADER_BITS = 14
"""The longest block header."""

_ROW = {
    "blocks": 16,  # blocks of the row, 1 to 65535
    "length": LENGTH_BITS,  # elements of each block, 1 to 64
    "count_bits": 3,  # bits of a header count, 1 to 7
    "k8": 3,  # run width of the fp8 group: 1, 2, 4
    "k16": 3,  # run width of the fp16 group: 4, 6
}


def block_command() -> data.StructLayout:
    """One row for the sparse decoder."""
    return data.StructLayout(_ROW)


def dense_command() -> data.StructLayout:
    """One row for the dense decoder, which also needs the tensor's bias (-8 to 7)."""
    return data.StructLayout({**_ROW, "bias": signed(4)})


def word() -> data.StructLayout:
    """A memory word of a row; `last` marks the row's last one."""
    return data.StructLayout({"data": WORD_BITS, "last": 1})


def sparse_beat() -> data.StructLayout:
    """What the sparse decoder delivers.

    `entry`: the beat carries an element (`index`, `value`; `wide`: fp16, else fp8 in the low 8 bits).
    `last`: the block ends with this beat. `bad`: the block was malformed and is empty (with `last`).
    """
    return data.StructLayout({"index": INDEX_BITS, "value": 16, "wide": 1, "entry": 1, "last": 1, "bad": 1})


def dense_beat(lanes: int) -> data.StructLayout:
    """What the dense decoder delivers: fp16 elements, zeros behind a block; `last` and `bad` as above."""
    return data.StructLayout({"elements": data.ArrayLayout(16, lanes), "last": 1, "bad": 1})


def encoder_command() -> data.StructLayout:
    """One tensor for the encoder: shape (each 1 to 65535), fields and addresses of its descriptor."""
    return data.StructLayout(
        {
            "n": 16,
            "h": 16,
            "w": 16,
            "c": 16,
            "bias": signed(4),
            "k8": 3,
            "k16": 3,
            "pointer_address": 32,
            "data_address": 32,
        }
    )


def element_beat(width: int, lanes: int) -> data.StructLayout:
    """A vector of a block's elements, channel ascending; lanes beyond the block are ignored."""
    return data.StructLayout({"elements": data.ArrayLayout(width, lanes)})


def copy_beat(lanes: int) -> data.StructLayout:
    """A vector as a decoder will deliver it: fp16 codes; `mask`: lanes that belong to the block."""
    return data.StructLayout({"elements": data.ArrayLayout(16, lanes), "mask": lanes, "block_last": 1})


def meta_word() -> data.StructLayout:
    """A word of the pointer table, or (`descriptor`) of the descriptor behind it; `last` ends the tensor."""
    return data.StructLayout({"data": WORD_BITS, "descriptor": 1, "last": 1})

"""Commands of a list in memory: one description for hardware, encoder and model (`docs/programming.md`)."""

import enum
from dataclasses import dataclass
from functools import cache

from lnpu.bus.limits import MAX_WORDS
from lnpu.codec.config import BIAS_MAX, BIAS_MIN, RUN_WIDTHS_8, RUN_WIDTHS_16
from lnpu.engine.config import EngineConfig, EngineError

__all__ = [
    "ADDRESSES",
    "COMMANDS",
    "ELEMENTWISE",
    "SIZES",
    "Cause",
    "Opcode",
    "Place",
    "check_machine",
    "known",
    "places",
    "refused",
    "words_of",
]

HEADER_BITS = 16
"""Opcode and number of words."""
WORD_BITS = 64


class Opcode(enum.IntEnum):
    """First byte of a command; zero is none."""

    END = 1
    """Wait for everything before; the list ends."""
    PASS = 2
    """Wait for everything before; begin a pass."""
    WALK = 3
    """One walk of the engine."""
    FILL = 4
    """One row of the sparse input from memory."""
    LOAD = 5
    """Operands from memory to the files of the lines."""
    DRAIN = 6
    """Results to memory, as fp32."""
    ENCODE = 7
    """Wait for everything before; fp32 elements, ReLU or mask, to a compressed tensor."""
    MASK = 8
    """Wait for everything before; fp32 elements, ReLU or mask, to fp32 elements."""
    DECODE = 9
    """Wait for everything before; a compressed tensor to fp16 elements."""
    COMBINE = 10
    """Wait for everything before; a weighted sum of two fp32 arrays."""
    UPDATE = 11
    """Wait for everything before; one step of SGD on fp32 masters, and their fp16 copies."""


class Cause(enum.IntEnum):
    """Why a list was stopped; values of the register ERROR_CAUSE."""

    NONE = 0
    OPCODE = 1
    ADDRESS = 2
    SHAPE = 3
    BLOCK = 4
    READ = 5
    WRITE = 6
    WATCHDOG = 7
    LIST = 8
    FULL = 9
    OVERFLOW = 10
    INVALID = 11


# Field -> bits in memory, negative where signed. Bytes first, so that little is lost to alignment.
COMMANDS: dict[Opcode, dict[str, int]] = {
    Opcode.END: {},
    Opcode.PASS: {
        **dict.fromkeys(("wg", "backward", "stride", "kernel_last", "x_tap", "y_tap", "one_wide"), 8),
        **dict.fromkeys(("height_last", "width_last", "rows_last", "columns_last", "x_pixel", "y_pixel"), 16),
        **dict.fromkeys(("y_offset", "one_code"), 16),
        "scale": -16,
        "top": -16,
        "image": 32,
    },
    Opcode.WALK: {
        **dict.fromkeys(("x_tap", "y_tap", "ky_first", "ky_last", "kx_first", "kx_last", "one", "both"), 8),
        **dict.fromkeys(("replay", "table", "turn", "all", "x_bank", "x_free"), 8),
        **dict.fromkeys(("tile_bank", "row_bank", "release", "last"), 8),
        **dict.fromkeys(("pixels", "x_pixel", "y_pixel", "y_block", "base", "columns", "rows"), 16),
        **dict.fromkeys(("tile", "x_pitch", "y_pitch", "one_tile", "capacity"), 16),
        **dict.fromkeys(("row", "row_step"), 32),
    },
    Opcode.FILL: {
        **dict.fromkeys(("row_length", "row_count_bits", "row_k8", "row_k16", "bank", "last"), 8),
        **dict.fromkeys(("row_blocks", "base"), 16),
        **dict.fromkeys(("address", "words"), 32),
    },
    Opcode.LOAD: {
        **dict.fromkeys(("lines", "row", "bank", "chunks", "transposed", "tail", "last", "pad"), 8),
        **dict.fromkeys(("entries", "rows", "elements"), 16),
        **dict.fromkeys(("first", "address", "stride"), 32),
    },
    Opcode.DRAIN: {
        **dict.fromkeys(("tile", "bank", "table", "turn", "groups", "lines", "last", "elements"), 8),
        "count": 16,
        **dict.fromkeys(("first", "step", "address", "stride"), 32),
    },
    Opcode.ENCODE: {
        **dict.fromkeys(("relu", "mask_in", "mask_out", "gradient", "k8", "k16"), 8),
        **dict.fromkeys(("n", "h", "w", "c"), 16),
        "bias": -16,
        "copy": 8,
        **dict.fromkeys(("source", "mask", "pointers", "target", "descriptor", "copy_target"), 32),
    },
    Opcode.MASK: {
        **dict.fromkeys(("relu", "mask_in", "mask_out", "gradient"), 8),
        **dict.fromkeys(("n", "h", "w", "c"), 16),
        **dict.fromkeys(("source", "mask", "target"), 32),
    },
    Opcode.DECODE: {
        **dict.fromkeys(("gradient", "k8", "k16"), 8),
        **dict.fromkeys(("n", "h", "w", "c"), 16),
        "bias": -16,
        **dict.fromkeys(("source", "pointers", "target"), 32),
    },
    Opcode.COMBINE: {
        "single": 8,
        **dict.fromkeys(("elements", "columns", "rows"), 16),
        **dict.fromkeys(("scale_a", "scale_b"), 32),
        **dict.fromkeys(("a", "a_column", "a_row", "b", "b_column", "b_row"), 32),
        **dict.fromkeys(("target", "target_column", "target_row"), 32),
    },
    Opcode.UPDATE: {
        "guarded": 8,
        "count": 32,
        **dict.fromkeys(("gradient", "state", "weights", "exponent"), 32),
        **dict.fromkeys(("scale", "decay", "momentum", "rate"), 32),
    },
}
"""Fields of each command in the order of memory."""

ADDRESSES: dict[Opcode, tuple[str, ...]] = {
    Opcode.FILL: ("address",),
    Opcode.LOAD: ("address", "stride"),
    Opcode.DRAIN: ("address", "stride"),
    Opcode.ENCODE: ("source", "mask", "pointers", "target", "descriptor", "copy_target"),
    Opcode.MASK: ("source", "mask", "target"),
    Opcode.DECODE: ("source", "pointers", "target"),
    Opcode.COMBINE: (
        "a",
        "a_column",
        "a_row",
        "b",
        "b_column",
        "b_row",
        "target",
        "target_column",
        "target_row",
    ),
    Opcode.UPDATE: ("gradient", "state", "weights", "exponent"),
}
"""Fields that must be multiples of 8. Commands that are not named have none."""

SIZES: dict[Opcode, tuple[str, ...]] = {
    Opcode.FILL: ("words",),
    Opcode.LOAD: ("rows", "elements"),
    Opcode.DRAIN: ("elements",),
    Opcode.ENCODE: ("n", "h", "w", "c"),
    Opcode.MASK: ("n", "h", "w", "c"),
    Opcode.DECODE: ("n", "h", "w", "c"),
    Opcode.COMBINE: ("elements", "columns", "rows"),
    Opcode.UPDATE: ("count",),
}
"""Fields that must not be 0."""

ELEMENTWISE = (Opcode.ENCODE, Opcode.MASK, Opcode.DECODE, Opcode.COMBINE, Opcode.UPDATE)
"""Commands that run alone, outside of passes."""


@dataclass(frozen=True)
class Place:
    """Where a field is in its command: lowest bit (first byte of memory is low), bits, whether signed."""

    low: int
    bits: int
    signed: bool


@cache
def places(opcode: Opcode) -> dict[str, Place]:
    """All fields of a command, each at a multiple of its size, behind the header."""
    found: dict[str, Place] = {}
    at = HEADER_BITS
    for name, kind in COMMANDS[opcode].items():
        bits = abs(kind)
        at = -(-at // bits) * bits
        found[name] = Place(at, bits, kind < 0)
        at += bits
    return found


@cache
def words_of(opcode: Opcode) -> int:
    """64-bit words of a command."""
    ends = [place.low + place.bits for place in places(opcode).values()]
    return -(-max(ends, default=HEADER_BITS) // WORD_BITS)


def known(config: EngineConfig) -> list[Opcode]:
    """The commands that a machine of that configuration executes."""
    return [opcode for opcode in Opcode if opcode is not Opcode.DECODE or config.decode_units]


def refused(opcode: Opcode, fields: dict[str, int], config: EngineConfig) -> tuple[Cause, int] | None:
    """Why the sequencer does not hand a command on: cause and address, or None."""
    addresses = [fields[name] for name in ADDRESSES.get(opcode, ())]
    if any(address & 7 for address in addresses):
        return Cause.ADDRESS, addresses[0]
    wrong = any(fields[name] == 0 for name in SIZES.get(opcode, ()))
    wrong |= opcode is Opcode.FILL and fields["words"] > MAX_WORDS
    wrong |= opcode is Opcode.DRAIN and fields["elements"] > config.lanes
    if opcode in (Opcode.ENCODE, Opcode.MASK):
        wrong |= fields["mask_in"] != 0 and fields["mask_out"] != 0
    if opcode in (Opcode.ENCODE, Opcode.DECODE):
        wrong |= fields["k8"] not in RUN_WIDTHS_8 or fields["k16"] not in RUN_WIDTHS_16
        wrong |= not BIAS_MIN <= fields["bias"] <= BIAS_MAX
    wrong |= opcode is Opcode.UPDATE and fields["count"] % 4 != 0
    return (Cause.SHAPE, 0) if wrong else None


def check_machine(config: EngineConfig) -> None:
    """Raise EngineError unless the engine's vectors and lane blocks are whole words of memory."""
    for name, value in (("vector", config.vector), ("lanes", config.lanes)):
        if value % 4:
            raise EngineError(f"`{name}` must be a multiple of 4 in a machine, not {value}")

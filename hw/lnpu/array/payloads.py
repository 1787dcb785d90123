"""Payloads of the array's streams; their meaning is in `docs/engine.md`."""

from amaranth.lib import data

from lnpu.array.config import LineConfig

__all__ = ["WORD", "drain_command", "drained_word", "operand_word", "slot_layout"]

WORD = 32
"""Bits of an accumulator, and of a lane in the files."""


def slot_layout(config: LineConfig) -> data.StructLayout:
    """One issue of a line: input, addresses (entry and bank) in both files, marks."""
    return data.StructLayout(
        {
            "work": 1,
            "dual": 1,
            "lane": 1,
            "code": 16,
            "tile": config.tile_bits,
            "tile_bank": 1,
            "row": config.row_bits,
            "row_bank": 1,
            "release": 1,
            "last": 1,
        }
    )


def operand_word(config: LineConfig) -> data.StructLayout:
    """One word for the operand file: fp16 lanes; `last` ends the bank."""
    return data.StructLayout(
        {"lanes": data.ArrayLayout(16, config.lanes), "entry": config.entry_bits, "bank": 1, "last": 1}
    )


def drain_command(config: LineConfig) -> data.StructLayout:
    """One accumulator bank to drain, from entry 0 to entry `end` (at most entries - 1)."""
    return data.StructLayout({"end": config.entry_bits, "bank": 1})


def drained_word(config: LineConfig) -> data.StructLayout:
    """One accumulator word; `last` ends the bank."""
    return data.StructLayout({"lanes": data.ArrayLayout(WORD, config.lanes), "last": 1})

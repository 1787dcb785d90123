"""Payloads between the dealer, the X buffer and the feeds."""

from amaranth.lib import data

from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import UNIT_BITS, span_layout

__all__ = ["block_layout", "fetch_layout", "look_layout", "lookup_layout", "unit_layout", "word_layout"]

UNITS_BITS = 8
"""Units of a block: 64 elements of two units."""


def look_layout(config: EngineConfig) -> data.StructLayout:
    """A span to look up."""
    return data.StructLayout({"block": config.block_bits, "bank": 1})


def fetch_layout(config: EngineConfig) -> data.StructLayout:
    """A word of the X buffer to fetch."""
    return data.StructLayout({"word": config.word_bits, "bank": 1})


def unit_layout() -> data.StructLayout:
    """A unit: the element's index within its block (zero in the second unit of an fp16 element), and its
    code or half of it, the low one first."""
    return data.StructLayout({"index": 6, "code": UNIT_BITS - 6})


def word_layout(config: EngineConfig) -> data.ArrayLayout:
    """A word of the X buffer, as pairs of units: an fp16 element is a pair."""
    return data.ArrayLayout(data.ArrayLayout(unit_layout(), 2), config.units // 2)


def lookup_layout(config: EngineConfig) -> data.StructLayout:
    """What the walker found, in order: the span of a block and its Tile address; or the constant-1 channel
    (`one`, as a block of one element without words), or a pixel without blocks (an empty span), or the end of
    the walk (`end`). `inside`: the tap belongs to the walk; else it is only counted. `last` ends a pixel;
    `line` is where the assignment table has it."""
    return data.StructLayout(
        {
            "span": span_layout(config),
            "tile": config.tile_bits,
            "one": 1,
            "end": 1,
            "last": 1,
            "inside": 1,
            "line": config.line_bits,
        }
    )


def block_layout(config: EngineConfig) -> data.StructLayout:
    """A block with elements for one line, or the end of a walk (`end`).

    `span`, `units`: where it is and how many units it has (none for the constant-1 channel `one`); `tile`:
    Tile address of its element 0; `row`, `both`, `x_bank`, `tile_bank`, `row_bank`: as in `walk_command`.
    With `end`: `x_free`, `release`, `last`, `tile_bank`, `row_bank` of the walk that ended.
    """
    return data.StructLayout(
        {
            "span": span_layout(config),
            "units": UNITS_BITS,
            "one": 1,
            "tile": config.tile_bits,
            "row": config.row_bits,
            "both": 1,
            "x_bank": 1,
            "tile_bank": 1,
            "row_bank": 1,
            "end": 1,
            "x_free": 1,
            "release": 1,
            "last": 1,
        }
    )

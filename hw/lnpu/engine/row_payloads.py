"""Payloads from rows to the X buffer."""

from amaranth.lib import data

from lnpu.codec.payloads import INDEX_BITS, LENGTH_BITS, block_command
from lnpu.engine.config import EngineConfig

__all__ = ["ENTRY_BITS", "entry_layout", "item_layout", "job_layout"]

ENTRY_BITS = 22
"""Bits of the longest entry: a run of 6 and a code of 16."""


def job_layout(config: EngineConfig) -> data.StructLayout:
    """What a decoder is to do: decode (`decode`) a row of blocks, the first one being `base` in bank `bank`,
    and then report that it has no more rows of that bank (`end`). At least one of both is set."""
    return data.StructLayout(
        {"row": block_command(), "base": config.block_bits, "bank": 1, "decode": 1, "end": 1}
    )


def _place(config: EngineConfig) -> dict[str, int]:
    return {"block": config.block_bits, "bank": 1, "block_end": 1, "end": 1}


def entry_layout(config: EngineConfig) -> data.StructLayout:
    """A step of a row.

    `entry`: `bits` start with an entry of the fp8 or (`wide`) fp16 group, which has runs of `k` bits;
    `group_end`: the last one of its group. `block_end`: block `block` of bank `bank` ends. `count`,
    `truncated`, `trailing`: causes found; the first two come with `block_end`. `row_end`: the row is over;
    `end`: and this decoder's part of the bank, too. `length`: elements of a block.
    """
    return data.StructLayout(
        {
            "bits": ENTRY_BITS,
            "k": 3,
            "wide": 1,
            "entry": 1,
            "group_end": 1,
            "count": 1,
            "truncated": 1,
            "trailing": 1,
            "row_end": 1,
            "length": LENGTH_BITS,
            **_place(config),
        }
    )


def item_layout(config: EngineConfig) -> data.StructLayout:
    """A checked step: `element`: an element (`index`, `code`, `wide`; fp8 in the low 8 bits); `group_end`: no
    more of its group follow; `block_end`: block `block` of bank `bank` ends; `bad`: and is to be empty;
    `end`: the decoder has no more rows of the bank. Only `bad` blocks have an index beyond their length."""
    return data.StructLayout(
        {
            "index": INDEX_BITS,
            "code": 16,
            "wide": 1,
            "element": 1,
            "group_end": 1,
            "bad": 1,
            **_place(config),
        }
    )

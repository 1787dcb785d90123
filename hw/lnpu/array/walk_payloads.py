"""Payloads of the address path: what to walk, and what it leads to."""

from amaranth.lib import data

from lnpu.array.config import EngineConfig

__all__ = [
    "PIXEL_BITS",
    "TAP_BITS",
    "fill_command",
    "pass_layout",
    "span_layout",
    "tap_layout",
    "walk_command",
]

PIXEL_BITS = 12
"""A pixel along an axis, 0 to 4095."""
TAP_BITS = 4
"""A tap along an axis. Kernels have at most 7; a pixel behind the last tap counts on, by up to stride - 1."""


def pass_layout(config: EngineConfig) -> data.StructLayout:
    """Constants of a pass: which way taps run, kernel - 1, stride; the sparse input's last row and column,
    its width; the lanes' side's pixels a row - 1; first tap and pixel of column 0; code of constant 1."""
    return data.StructLayout(
        {
            "backward": 1,
            "kernel_last": 3,
            "stride": 3,
            "height_last": PIXEL_BITS,
            "width_last": PIXEL_BITS,
            "row_last": PIXEL_BITS,
            "x_tap": TAP_BITS,
            "x_pixel": PIXEL_BITS,
            "one_code": 16,
            "one_wide": 1,
        }
    )


def walk_command(config: EngineConfig) -> data.StructLayout:
    """The slots of one operand bank: pixels in order, from a given one.

    `y_tap`, `y_pixel`, `y_block`: first tap, its pixel and the first block of that row; `x_tap`, `x_pixel` as
    well; `left`: further pixels in this row; `pixels`: number of pixels - 1; `channels`: of the Tile bank;
    `both`: lane 1 is used; `one`: issue the constant-1 channel; `free`: the X bank is not needed any more.
    """
    line = config.line
    return data.StructLayout(
        {
            "y_tap": TAP_BITS,
            "y_pixel": PIXEL_BITS,
            "y_block": config.block_bits,
            "x_tap": TAP_BITS,
            "x_pixel": PIXEL_BITS,
            "left": PIXEL_BITS,
            "pixels": line.row_bits,
            "channels": line.tile_bits + 1,
            "both": 1,
            "one": 1,
            "free": 1,
            "x_bank": 1,
            "tile_bank": 1,
            "row_bank": 1,
            "release": 1,
            "last": 1,
        }
    )


def tap_layout(config: EngineConfig) -> data.StructLayout:
    """One block to read (`block`), the constant-1 channel (`one`), or the end of a command (`end`)."""
    line = config.line
    return data.StructLayout(
        {
            "block": config.block_bits,
            "tile": line.tile_bits,
            "row": line.row_bits,
            "one": 1,
            "end": 1,
            "both": 1,
            "free": 1,
            "x_bank": 1,
            "tile_bank": 1,
            "row_bank": 1,
            "release": 1,
            "last": 1,
        }
    )


def fill_command(config: EngineConfig) -> data.StructLayout:
    """One X bank: blocks - 1 in the order of the stream, first channel, number of channels to keep."""
    return data.StructLayout({"blocks": config.block_bits, "first": 6, "channels": 7, "bank": 1})


def span_layout(config: EngineConfig) -> data.StructLayout:
    """Where a block's elements are in the X buffer."""
    return data.StructLayout({"start": config.element_bits, "count": 7})

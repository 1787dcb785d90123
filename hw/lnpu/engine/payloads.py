"""Payloads of the engine's streams; `docs/engine.md` tells what becomes of them."""

from amaranth.hdl import signed
from amaranth.lib import data

from lnpu.codec.payloads import block_command
from lnpu.engine.config import EngineConfig

__all__ = [
    "COUNT_BITS",
    "PIXEL_BITS",
    "TAP_BITS",
    "UNIT_BITS",
    "WORD",
    "drain_command",
    "fill_command",
    "line_drain",
    "line_word",
    "load_command",
    "load_vector",
    "mark_layout",
    "pass_layout",
    "result_beat",
    "row_beat",
    "slot_layout",
    "span_layout",
    "tile_beat",
    "walk_command",
]

WORD = 32
"""Bits of an accumulator."""
UNIT_BITS = 14
"""Bits of a unit in the X buffer: index within the block (6) and code (8); see `docs/engine.md`."""
COUNT_BITS = 7
"""Elements of a group of a block, 0 to 64."""
PIXEL_BITS = 12
"""A pixel along an axis, 0 to 4095."""
TAP_BITS = 4
"""A tap along an axis. Kernels have at most 7; a pixel behind the last tap counts on, by up to stride - 1."""


def mark_layout() -> data.StructLayout:
    """What ends with a walk: `release`: the operand bank may be loaded again; `last`: the accumulator bank
    is complete; `tile_bank`, `row_bank`: the banks of the walk that ended."""
    return data.StructLayout({"release": 1, "last": 1, "tile_bank": 1, "row_bank": 1})


def slot_layout(config: EngineConfig) -> data.StructLayout:
    """One issue of a line.

    `work`: the slot carries an input; without it, marks only. `dual`, `lane`, `code`: fp8 input for both
    lanes of every PE, or fp16 input for lane `lane`. `tile`, `row`: addresses in the files, bank included
    (`row` is the first word of the pixel); `tile_bank`, `row_bank`: their banks.
    `end`: the walk before this slot is over, with the marks `marks`.
    """
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
            "end": 1,
            "marks": mark_layout(),
        }
    )


def tile_beat(config: EngineConfig) -> data.StructLayout:
    """fp16 operands for one entry of the Tile file: lane `n` takes element `n mod vector` where
    `n div vector` is `chunk`; `entry` includes the bank."""
    return data.StructLayout(
        {
            "elements": data.ArrayLayout(16, config.vector),
            "chunk": max(1, (config.chunks - 1).bit_length()),
            "entry": config.tile_bits,
        }
    )


def row_beat(config: EngineConfig) -> data.StructLayout:
    """fp16 operands of one word of the Row file (WG): the low half belongs to the even group, the high half
    to the odd one; in each half first the low lanes of the group's PEs, then the high lanes."""
    return data.StructLayout({"lanes": data.ArrayLayout(16, 2 * config.row_lanes), "word": config.row_bits})


def pass_layout(config: EngineConfig) -> data.StructLayout:
    """Constants of a pass.

    `wg`: Tile accumulates; `backward`: taps run as in BP; `stride`; `kernel_last`: kernel - 1;
    `height_last`, `width_last`: last row and column of the sparse input; `image`: its blocks an image;
    `rows_last`, `columns_last`: last row and column of the lanes' side; `x_tap`, `x_pixel`, `y_tap`,
    `y_pixel`: first tap and its pixel of column 0 and of row 0; `y_offset`: blocks before row `y_pixel`;
    `one_code`, `one_wide`: the constant 1; `scale`: exponent of fp8 inputs; `top`: of the window.
    """
    return data.StructLayout(
        {
            "wg": 1,
            "backward": 1,
            "stride": 3,
            "kernel_last": 3,
            "height_last": PIXEL_BITS,
            "width_last": PIXEL_BITS,
            "image": config.block_bits + 1,
            "rows_last": PIXEL_BITS,
            "columns_last": PIXEL_BITS,
            "x_tap": TAP_BITS,
            "x_pixel": PIXEL_BITS,
            "y_tap": TAP_BITS,
            "y_pixel": PIXEL_BITS,
            "y_offset": config.block_bits,
            "one_code": 16,
            "one_wide": 1,
            "scale": signed(9),
            "top": signed(9),
        }
    )


def walk_command(config: EngineConfig) -> data.StructLayout:
    """The work of all lines on one operand bank: `pixels` + 1 pixels in order, each with the taps of a
    rectangle of the kernel.

    First pixel: `x_tap`, `x_pixel`, `y_tap`, `y_pixel`: first valid tap (of the whole kernel) and its pixel;
    `y_block`: first block of that row in the X bank; `base`: first block of the image (may wrap below zero);
    `columns`, `rows`: further pixels in its row, further rows in its image.
    Taps: `ky_first` to `ky_last`, `kx_first` to `kx_last`; tap (ky, kx) has the Tile addresses from
    `tile + ky * y_pitch + kx * x_pitch` (modulo the address range).
    `one`: issue the constant-1 channel, Tile address `one_tile`. `both`: lane 1 is used.
    Dealing (FP, BP): `replay` 0: pixels are dealt by the work of all taps of the kernel, and noted in
    assignment table `table`; 1: as noted there, `turn` lines further on. WG: dealt by the work of the walk's
    own taps. `all`: each pixel to every line.
    Row addresses: from `row` in steps of `row_step`, counted for each line alone (FP, BP) or for all pixels
    (WG); `capacity`: pixels that fit into one line (FP, BP).
    `x_bank`; `x_free`: not needed any more. `tile_bank`, `row_bank`, `release`, `last`: as in `mark_layout`.
    """
    return data.StructLayout(
        {
            "pixels": config.pixel_bits,
            "x_tap": TAP_BITS,
            "x_pixel": PIXEL_BITS,
            "y_tap": TAP_BITS,
            "y_pixel": PIXEL_BITS,
            "y_block": config.block_bits,
            "base": config.block_bits,
            "columns": PIXEL_BITS,
            "rows": PIXEL_BITS,
            "ky_first": 3,
            "ky_last": 3,
            "kx_first": 3,
            "kx_last": 3,
            "tile": config.tile_bits,
            "x_pitch": config.tile_bits,
            "y_pitch": config.tile_bits,
            "one": 1,
            "one_tile": config.tile_bits,
            "both": 1,
            "replay": 1,
            "table": 1,
            "turn": config.line_bits,
            "all": 1,
            "row": config.row_bits,
            "row_step": config.row_bits,
            "capacity": config.pixel_bits + 1,
            "x_bank": 1,
            "x_free": 1,
            "tile_bank": 1,
            "row_bank": 1,
            "release": 1,
            "last": 1,
        }
    )


def span_layout(config: EngineConfig) -> data.StructLayout:
    """Where a block is in the X buffer: first word (bank excluded), fp8 elements, fp16 elements."""
    return data.StructLayout({"start": config.word_bits, "n8": COUNT_BITS, "n16": COUNT_BITS})


def fill_command(config: EngineConfig) -> data.StructLayout:
    """One row of the sparse input for an X bank: the decoder's command, the number of its first block in the
    bank; `last`: the bank is complete behind it. Row `i` of a bank goes to decoder `i mod decoders`."""
    return data.StructLayout({"row": block_command(), "base": config.block_bits, "bank": 1, "last": 1})


def load_vector(config: EngineConfig) -> data.StructLayout:
    """`vector` fp16 elements in the order of memory."""
    return data.StructLayout({"elements": data.ArrayLayout(16, config.vector)})


def load_command(config: EngineConfig) -> data.StructLayout:
    """One operand bank, or a part of one, for the lines in `lines` (a bit each).

    Tile (FP, BP): entries `first` (bank included) to `first + entries`, `chunks` + 1 vectors an entry.
    `transposed` 0: vectors come entry by entry, chunk by chunk. 1: for each run of `vector` entries (the last
    one may be shorter), chunk by chunk, come `vector` vectors (in the last chunk only `tail` + 1): vector
    `j` holds lane `chunk * vector + j` of these entries.
    Row (WG): pixels from word `first`, `entries` + 1 of them, vectors pixel by pixel, chunk by chunk.
    `last`: the bank is complete for these lines.
    """
    return data.StructLayout(
        {
            "lines": config.lines,
            "row": 1,
            "bank": 1,
            "first": max(config.tile_bits, config.row_bits),
            "entries": max(config.tile_bits, config.pixel_bits),
            "chunks": max(1, (config.chunks - 1).bit_length()),
            "transposed": 1,
            "tail": max(1, (config.vector - 1).bit_length()),
            "last": 1,
        }
    )


def drain_command(config: EngineConfig) -> data.StructLayout:
    """Results of one accumulator bank.

    Row (FP, BP): `count` + 1 pixels in order, from where they were dealt to (`table`, `turn`: as in the
    walks), `groups` + 1 words each, from address `first` in steps of `step`, counted for each line alone.
    Tile (WG, `tile`): `count` + 1 entries from `first` (bank included), `groups` + 1 words each; the sum of
    the lines in `lines`. Lines that are not in `lines` keep theirs: a later command drains them.
    `last`: the bank is empty behind it.
    """
    return data.StructLayout(
        {
            "tile": 1,
            "bank": 1,
            "first": max(config.tile_bits, config.row_bits),
            "step": config.row_bits,
            "count": max(config.tile_bits, config.pixel_bits),
            "table": 1,
            "turn": config.line_bits,
            "groups": max(1, (config.groups - 1).bit_length()),
            "lines": config.lines,
            "last": 1,
        }
    )


def result_beat(config: EngineConfig) -> data.StructLayout:
    """One word of results: lanes of a group (low lanes of its PEs, then high lanes); `last` ends a drain
    command."""
    return data.StructLayout(
        {"lanes": data.ArrayLayout(signed(config.sum_bits), config.row_lanes), "last": 1}
    )


def line_drain(config: EngineConfig) -> data.StructLayout:
    """What the collector asks of a line: the Row words of the pixel at `address` (FP, BP) or the Tile entry
    `address` (WG), bank included; the words of groups 0 to `groups`. The whole address becomes zero."""
    return data.StructLayout(
        {
            "address": max(config.tile_bits, config.row_bits),
            "groups": max(1, (config.groups - 1).bit_length()),
        }
    )


def line_word(config: EngineConfig) -> data.StructLayout:
    """Sums of a group of a line, lanes as in `result_beat`; `last` ends a `line_drain`."""
    return data.StructLayout({"lanes": data.ArrayLayout(signed(WORD), config.row_lanes), "last": 1})

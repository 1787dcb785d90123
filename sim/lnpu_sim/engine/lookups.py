"""What a walk looks up: its pixels in order, and the blocks and Tile addresses of their valid taps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig

__all__ = ["ONE", "Lookups", "lookups", "walk_pixels"]

Ints = NDArray[np.int64]

ONE = -1
"""Block number of the constant-1 channel."""


@dataclass(frozen=True)
class Lookups:
    """Lookups of a walk in order.

    Args:
        pixel: int64 [lookups], number in the walk. block: in the X bank, or `ONE`. tile: Tile address of the
            block's element 0.
    """

    pixel: Ints
    block: Ints
    tile: Ints


def _next(constants: dict[str, int], tap: int, pixel: int, end: int) -> tuple[int, int]:
    """First tap and its pixel one pixel further along an axis; `end`: last pixel of the sparse input."""
    stride = constants["stride"]
    if constants["backward"]:
        wrap = pixel != end and tap + 1 == stride
        return (0, pixel + 1) if wrap else (tap + 1, pixel)
    cut = tap >= stride
    return (tap - stride, pixel) if cut else (0, pixel + stride - tap)


def walk_pixels(constants: dict[str, int], walk: dict[str, int], config: EngineConfig) -> Ints:
    """First valid tap of each pixel, int64 [pixels, 5]: x_tap, x_pixel, y_tap, y_pixel, y_block.

    Raster order, through the ends of rows and images.
    """
    mask = (1 << config.block_bits) - 1
    width = constants["width_last"] + 1
    x, y = (walk["x_tap"], walk["x_pixel"]), (walk["y_tap"], walk["y_pixel"])
    block, base, columns, rows = walk["y_block"], walk["base"], walk["columns"], walk["rows"]
    found = []
    for _ in range(walk["pixels"] + 1):
        found.append((*x, *y, block))
        if columns:
            columns -= 1
            x = _next(constants, *x, constants["width_last"])
            continue
        columns = constants["columns_last"]
        x = constants["x_tap"], constants["x_pixel"]
        if rows:
            rows -= 1
            further = _next(constants, *y, constants["height_last"])
            block = block + (further[1] - y[1]) * width & mask
            y = further
        else:
            rows = constants["rows_last"]
            y = constants["y_tap"], constants["y_pixel"]
            base = base + constants["image"] & mask
            block = base + constants["y_offset"] & mask
    return np.array(found, np.int64)


def _axis(
    tap: Ints, pixel: Ints, constants: dict[str, int], first: int, last: int, end: int
) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
    """Taps of an axis in order: their number, pixel and distance from the first tap's pixel, and which of
    them are valid; [pixels, kernel] each."""
    step, sign = (constants["stride"], -1) if constants["backward"] else (1, 1)
    n = np.arange(constants["kernel_last"] + 1)
    taps, moved = tap[:, None] + n * step, np.broadcast_to(sign * n, (len(tap), len(n)))
    at = pixel[:, None] + moved
    return taps, at, moved, (taps >= first) & (taps <= last) & (at >= 0) & (at <= end)


def lookups(constants: dict[str, int], walk: dict[str, int], config: EngineConfig) -> Lookups:
    """All lookups of a walk: pixel by pixel, taps ascending, x fastest; last the constant-1 channel."""
    x_tap, x_pixel, y_tap, y_pixel, y_block = walk_pixels(constants, walk, config).T
    width = constants["width_last"] + 1
    kx, x_at, _, x_valid = _axis(
        x_tap, x_pixel, constants, walk["kx_first"], walk["kx_last"], constants["width_last"]
    )
    ky, _, y_moved, y_valid = _axis(
        y_tap, y_pixel, constants, walk["ky_first"], walk["ky_last"], constants["height_last"]
    )
    pixel, i, j = np.nonzero(y_valid[:, :, None] & x_valid[:, None, :])
    block = y_block[pixel] + y_moved[pixel, i] * width + x_at[pixel, j]
    tile = walk["tile"] + ky[pixel, i] * walk["y_pitch"] + kx[pixel, j] * walk["x_pitch"]
    block, tile = block & ((1 << config.block_bits) - 1), tile & ((1 << config.tile_bits) - 1)
    if not walk["one"]:
        return Lookups(pixel, block, tile)
    count = len(x_tap)
    pixel = np.concatenate([pixel, np.arange(count)])
    order = np.argsort(pixel, kind="stable")
    block = np.concatenate([block, np.full(count, ONE)])
    tile = np.concatenate([tile, np.full(count, walk["one_tile"])])
    return Lookups(pixel[order], block[order], tile[order])

"""Random walks over random blocks, and what each line must be told."""

import numpy as np

from lnpu.engine.config import Convolution, Pass
from lnpu_sim.engine.dealing import Blocks, DealingModel

PAGES = 4
"""Contents of X banks that a run can use."""

MARKS = ("release", "last", "tile_bank", "row_bank")


def random_blocks(config, rng, empty=0.3, least=1, most=64, wide=0.3, fixed=None):
    """A page of blocks for all block numbers, and its words (uint64 pairs of ports over 64 bits); blocks have
    `least` to `most` elements, or the share `fixed` of 64; a share `wide` of the elements is fp16."""
    count = 1 << config.block_bits
    total = rng.integers(least, most + 1, count) if fixed is None else rng.binomial(64, fixed, count)
    total[rng.random(count) < empty] = 0
    n16 = rng.binomial(total, wide)
    n8 = total - n16
    units = n8 + (n8 & 1) * (n16 > 0) + 2 * n16
    words = -(-units // config.units)
    while words.sum() > config.words:  # empty some until they fit
        at = rng.integers(count)
        for part in (n8, n16, units, words):
            part[at] = 0
    start = np.cumsum(n8 + n16) - n8 - n16
    first = np.cumsum(words) - words
    index, code, raw = [], [], []
    for b in range(count):
        places = rng.permutation(64)[: n8[b] + n16[b]]
        values = np.concatenate([rng.integers(0, 256, n8[b]), rng.integers(0, 65536, n16[b])])
        index.append(places)
        code.append(values)
        line = [int(i | v << 6) for i, v in zip(places[: n8[b]], values[: n8[b]], strict=True)]
        if n16[b] and n8[b] % 2:
            line.append(int(rng.integers(1 << 14)))  # padding is never looked at
        for i, v in zip(places[n8[b] :].tolist(), values[n8[b] :].tolist(), strict=True):
            line += [i | (v & 255) << 6, v >> 8 << 6]
        line += [0] * (words[b] * config.units - len(line))
        for at in range(0, len(line), config.units):
            raw.append(sum(u << 14 * k for k, u in enumerate(line[at : at + config.units])))
    spans = {"start": first & (config.words - 1), "n8": n8, "n16": n16}
    return Blocks(start, n8, n16, np.concatenate(index), np.concatenate(code)), spans, raw


def random_pass(config, rng, kind, shape=None, images=None):
    """Constants of a pass, and its layer."""
    if shape is None:
        kernel = int(rng.integers(1, 6))
        height, width = rng.integers(kernel, 10, 2).tolist()
        padding = int(rng.integers(0, min(kernel, 3)))
        shape = Convolution(height, width, 1, 1, kernel, int(rng.integers(1, 4)), padding)
    backward = kind is Pass.BP
    out = shape.output_height, shape.output_width
    rows, columns = (shape.height, shape.width) if backward else out
    height, width = out if backward else (shape.height, shape.width)
    x, y = (shape.valid_taps(kind, size, 0) for size in (shape.width, shape.height))
    constants = {
        "wg": int(kind is Pass.WG),
        "backward": int(backward),
        "stride": shape.stride,
        "kernel_last": shape.kernel - 1,
        "height_last": height - 1,
        "width_last": width - 1,
        "image": height * width & ((2 << config.block_bits) - 1),
        "rows_last": rows - 1,
        "columns_last": columns - 1,
        "x_tap": x.tap,
        "x_pixel": x.pixel,
        "y_tap": y.tap,
        "y_pixel": y.pixel,
        "y_offset": y.pixel * width & ((1 << config.block_bits) - 1),
        "one_code": int(rng.integers(256)),
        "one_wide": int(rng.integers(2)),
        "scale": 0,
        "top": 0,
    }
    return constants, shape, images or int(rng.integers(1, 4))


def random_walks(config, rng, kind, constants, shape, images, count, whole=False, corner=False):
    """Walks of a pass in any order, and the page of each; `whole`: of all pixels and all taps; `corner`: from
    the last rows and columns of an image on."""
    rows, columns = constants["rows_last"] + 1, constants["columns_last"] + 1
    height, width = constants["height_last"] + 1, constants["width_last"] + 1
    total, block_mask = images * rows * columns, (1 << config.block_bits) - 1
    tile_mask, row_mask = (1 << config.tile_bits) - 1, (1 << config.row_bits) - 1
    walks, pages, fills = [], [], []
    dealt = [None, None]
    for _ in range(count):
        all_ = int(kind is Pass.WG and rng.random() < 0.5)
        row_bank, table = (int(bank) for bank in rng.integers(0, 2, 2))
        capacity = int(rng.integers(2, config.row_entries + 1))
        most = min(config.tile_pixels if kind is Pass.WG else config.lines * capacity, total)
        start = int(rng.integers(total))
        if corner:
            row = rng.integers(1, images + 1) * rows - 1 - rng.integers(min(rows, 3))
            start = int((row + 1) * columns - 1 - rng.integers(min(columns, 6)))
        pixels = int(rng.integers(1, min(most, total - start) + 1))
        if whole:
            start, pixels = 0, min(most, total)
        replay = int(kind is not Pass.WG and dealt[table] is not None and rng.random() < 0.5)
        if replay:
            start, pixels, capacity = dealt[table]
        elif kind is not Pass.WG:
            dealt[table] = start, pixels, capacity
        image, rest = divmod(start, rows * columns)
        y, x = divmod(rest, columns)
        ys, xs = shape.valid_taps(kind, shape.height, y), shape.valid_taps(kind, shape.width, x)
        base = image * height * width - int(rng.integers(height * width))
        ky, kx = (sorted(rng.integers(0, shape.kernel, 2).tolist()) for _ in range(2))
        if whole:
            ky, kx = [0, shape.kernel - 1], [0, shape.kernel - 1]
        if not fills or rng.random() < 0.5:
            if fills:
                walks[-1]["x_free"] = 1
            fills.append({"page": int(rng.integers(PAGES)), "bank": len(fills) & 1})
        walks.append(
            {
                "pixels": pixels - 1,
                "x_tap": xs.tap,
                "x_pixel": xs.pixel,
                "y_tap": ys.tap,
                "y_pixel": ys.pixel,
                "y_block": base + ys.pixel * width & block_mask,
                "base": base & block_mask,
                "columns": columns - 1 - x,
                "rows": rows - 1 - y,
                "ky_first": ky[0],
                "ky_last": ky[1],
                "kx_first": kx[0],
                "kx_last": kx[1],
                "tile": int(rng.integers(tile_mask + 1)),
                "x_pitch": int(rng.integers(tile_mask + 1)),
                "y_pitch": int(rng.integers(tile_mask + 1)),
                "one": int(rng.random() < 0.3),
                "one_tile": int(rng.integers(tile_mask + 1)),
                "both": int(rng.integers(2)),
                "replay": replay,
                "table": table,
                "turn": int(rng.integers(config.lines)),
                "all": all_,
                "row": int(rng.integers(row_mask + 1)),
                "row_step": int(rng.integers(row_mask + 1)),
                "capacity": capacity,
                "x_bank": fills[-1]["bank"],
                "x_free": 0,
                "tile_bank": int(rng.integers(2)),
                "row_bank": row_bank,
                "release": int(rng.integers(2)),
                "last": int(rng.integers(2)),
            }
        )
        pages.append(fills[-1]["page"])
    walks[-1]["x_free"] = 1
    return walks, pages, fills


def expected(config, constants, walks, blocks):
    """For each line its events: [0, slot] or [1, marks]; and the walks as dealt."""
    model = DealingModel(config, constants)
    dealt = [model.walk(walk, page) for walk, page in zip(walks, blocks, strict=True)]
    lines = []
    for n in range(config.lines):
        parts = []
        for walk, done in zip(walks, dealt, strict=True):
            slots = done.slots[n]
            parts.append(np.pad(slots, ((0, 0), (1, 0))))
            parts.append(np.array([[1, *(walk[name] for name in MARKS), 0, 0, 0]]))
        lines.append(np.concatenate(parts))
    return lines, dealt


def random_case(config, seed, kind, count=4, **blocks):
    """Pages, what `check` takes, and the walks as dealt."""
    rng = np.random.default_rng(seed)
    pages = [random_blocks(config, rng, **blocks) for _ in range(PAGES)]
    constants, shape, images = random_pass(config, rng, kind)
    walks, numbers, fills = random_walks(config, rng, kind, constants, shape, images, count)
    want, dealt = expected(config, constants, walks, [pages[n][0] for n in numbers])
    return pages, (constants, walks, fills, want), dealt


def dense_case(config, kernel=1, count=4, pixels=196, capacity=64, **blocks):
    """Walks over an image of 14 x 14 pixels, without empty blocks; every walk deals."""
    rng = np.random.default_rng(1)
    pages = [random_blocks(config, rng, empty=0, **blocks) for _ in range(PAGES)]
    shape = Convolution(14, 14, 1, 1, kernel, 1, kernel // 2)
    constants, shape, _ = random_pass(config, rng, Pass.FP, shape, 1)
    walks, numbers, fills = random_walks(config, rng, Pass.FP, constants, shape, 1, count, whole=True)
    for walk in walks:
        walk |= {"pixels": pixels - 1, "capacity": capacity, "both": 1, "one": 0, "replay": 0}
    want, dealt = expected(config, constants, walks, [pages[n][0] for n in numbers])
    return pages, (constants, walks, fills, want), dealt

"""What every program keeps: fields that fit, every valid tap looked up once, banks in turn, capacities."""

import numpy as np
import pytest
from amaranth.hdl import Shape
from amaranth.lib import data
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpu.engine import payloads
from lnpu.engine.config import Convolution, EngineConfig, EngineError, Pass
from lnpu_sim.engine.layer import Layer, constant_one, window_top
from lnpu_sim.engine.lookups import ONE, lookups, walk_pixels
from lnpu_sim.engine.planner import lane_groups, plan, walks_of
from lnpu_sim.engine.tiles import most_pixels, needed_rows, pixel_tiles, rectangles, row_words
from support.engine import cases, configs, random_case

CONFIG = EngineConfig(lines=3, pes=4, tile_entries=40, row_entries=8, blocks=64, vector=4)


def shapes_of(layout, prefix=""):
    for name, field in layout:
        if isinstance(field.shape, data.StructLayout):
            yield from shapes_of(field.shape, f"{prefix}{name}_")
        else:
            yield prefix + name, Shape.cast(field.shape)


def check_fields(stream, layout, name):
    shapes = dict(shapes_of(layout))
    assert set(stream) == set(shapes), name
    for field, shape in shapes.items():
        low, high = (-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else (0, 1 << shape.width)
        values = np.atleast_1d(stream[field])
        assert values.min() >= low, (name, field)
        assert values.max() < high, (name, field)


def parts(layer, config):
    groups = lane_groups(layer, config)
    shared = 1 if layer.kind is Pass.WG else max(map(len, groups))
    tiles = pixel_tiles(layer, config, most_pixels(layer, config, shared))
    return tiles, list(walks_of(layer, config, tiles))


@settings(max_examples=60, deadline=None)
@given(cases, configs)
def test_fields_are_those_of_the_payloads(case, config):
    program = plan(*case, config)
    check_fields(program.constants, payloads.pass_layout(config), "constants")
    check_fields(program.walks, payloads.walk_command(config), "walks")
    check_fields(program.fills, payloads.fill_command(config), "fills")
    check_fields(program.loads, payloads.load_command(config), "loads")
    check_fields(program.drains, payloads.drain_command(config), "drains")
    assert program.vectors.shape[1] == config.vector
    assert program.vectors.min() >= 0
    assert program.vectors.max() < 2**16
    assert program.words["last"].sum() == len(program.fills["last"])
    groups, count = program.drains["groups"] + 1, program.drains["count"] + 1
    assert len(program.places) == (groups * count).sum()


def sources(layer, pixel):
    """(row, x, ky, kx) of the sparse pixels that a pixel of the lanes' side needs, by definition."""
    s, (height, width) = layer.shape, layer.pixels
    rows, columns = layer.sparse.code.shape[1:3]
    image, rest = divmod(pixel, height * width)
    y, x = divmod(rest, width)

    def axis(at, size, k):
        if layer.kind is not Pass.BP:
            return at * s.stride + k - s.padding
        q, odd = divmod(at + s.padding - k, s.stride)
        return -1 if odd else q

    for ky in range(s.kernel):
        for kx in range(s.kernel):
            sy, sx = axis(y, rows, ky), axis(x, columns, kx)
            if 0 <= sy < rows and 0 <= sx < columns:
                yield image * rows + sy, sx, ky, kx


@settings(max_examples=40, deadline=None)
@given(cases, configs)
def test_every_valid_tap_is_looked_up_once(case, config):
    layer, tensor = case
    program = plan(layer, tensor, config)
    tiles, walks = parts(layer, config)
    width = layer.sparse.code.shape[2]
    assert len(walks) == len(program.walks["pixels"])
    needs = {pixel: list(sources(layer, pixel)) for pixel in range(tiles[-1].stop)}
    done = set()
    for n, walk in enumerate(walks):
        record = {name: int(values[n]) for name, values in program.walks.items()}
        tile, part = tiles[walk.tile], walk.rectangle
        found = lookups(program.constants, record, config)
        length = record["x_pitch"]
        entry = record["tile_bank"] * config.tile_entries
        got = []
        for pixel, block, address in zip(found.pixel, found.block, found.tile, strict=True):
            if block != ONE:
                tap, offset = divmod(int(address) - entry, length)
                assert offset == 0
                row, x = divmod(int(block), width)
                got.append((tile.start + int(pixel), tile.first + row, x, *part.taps[tap]))
        want = [
            (p, *need) for p in range(tile.start, tile.stop) for need in needs[p] if need[2:] in part.taps
        ]
        assert got == want
        assert (found.block == ONE).sum() == (tile.pixels if part.one else 0)
        for block in walk.blocks:
            key = block, walk.tile, walk.plane, part
            assert key not in done
            done.add(key)
    planes = -(-layer.sides[0] // 64)
    blocks = -(-layer.sides[1] // config.lanes)
    taps = sum(len(part.taps) for *_, part in done)
    assert taps == blocks * len(tiles) * planes * layer.shape.taps
    ones = sum(part.one for *_, part in done)
    assert ones == blocks * len(tiles) * layer.ones


@settings(max_examples=60, deadline=None)
@given(cases, configs)
def test_banks_take_turns(case, config):
    layer, tensor = case
    program = plan(layer, tensor, config)
    walks, wg = program.walks, layer.kind is Pass.WG
    operand, sums = ("row_bank", "tile_bank") if wg else ("tile_bank", "row_bank")
    loaded = [False, False]
    for n, bank in enumerate(walks[operand]):
        # A fresh bank is not the one that the walk before reads.
        assert loaded[bank] or n == 0 or bank != walks[operand][n - 1]
        loaded[bank] = not walks["release"][n]
    assert loaded == [False, False]
    ends = np.cumsum(walks["last"]) - walks["last"]
    np.testing.assert_array_equal(walks[sums], ends & 1)
    fills = np.cumsum(walks["x_free"]) - walks["x_free"]
    np.testing.assert_array_equal(walks["x_bank"], fills & 1)
    assert walks["last"][-1] == walks["x_free"][-1] == 1
    of_row = np.cumsum(program.fills["last"]) - program.fills["last"]
    np.testing.assert_array_equal(program.fills["bank"], of_row & 1)
    assert program.fills["last"].sum() == walks["x_free"].sum()
    every = (1 << config.lines) - 1
    for stream, use in ((program.loads, walks["release"].sum()), (program.drains, walks["last"].sum())):
        # A bank is complete when each line has had its `last`.
        lines = stream["lines"][stream["last"] == 1]
        weight = sum(int(n).bit_count() for n in lines)
        assert weight == use * config.lines
        assert (lines <= every).all()


@settings(max_examples=60, deadline=None)
@given(cases, configs)
def test_capacities_are_kept(case, config):
    layer, tensor = case
    program = plan(layer, tensor, config)
    walks, loads, wg = program.walks, program.loads, layer.kind is Pass.WG
    tiles, planned = parts(layer, config)
    bank_words = config.row_entries * config.groups
    pixels = walks["pixels"] + 1
    if wg:
        assert (pixels * config.operand_words <= bank_words).all()
    else:
        assert (pixels <= config.lines * walks["capacity"]).all()
        assert (walks["row"] % bank_words + (walks["capacity"] - 1) * walks["row_step"] < bank_words).all()
    used = loads["entries"] + 1
    limit = bank_words if wg else config.tile_entries
    step = config.operand_words if wg else 1
    assert (loads["first"] - loads["bank"] * limit + used * step <= limit).all()
    width = layer.sparse.code.shape[2]
    assert (program.fills["base"] + width <= config.blocks).all()
    words = row_words(layer, config)
    for walk in planned:
        tile = tiles[walk.tile]
        rows = words[walk.plane, tile.first : tile.last + 1]
        for decoder in range(config.decoders):
            assert rows[decoder :: config.decoders].sum() <= config.words // config.decoders


@settings(max_examples=60, deadline=None)
@given(cases, configs)
def test_tiles_are_few_and_even(case, config):
    layer, _ = case
    most = most_pixels(layer, config, 1)
    tiles = pixel_tiles(layer, config, most)
    assert [tile.start for tile in tiles] == [0, *(tile.stop for tile in tiles[:-1])]
    height, width = layer.pixels
    assert tiles[-1].stop == layer.images * height * width
    assert max(tile.pixels for tile in tiles) <= most
    first, last = needed_rows(layer)
    assert (np.diff(first) >= 0).all()
    assert (np.diff(last) >= 0).all()
    if len(tiles) == -(-tiles[-1].stop // most):  # the X bank did not matter
        assert max(tile.pixels for tile in tiles) == -(-tiles[-1].stop // len(tiles))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(1, 64), st.integers(64, 400), st.booleans())
def test_rectangles_cover_the_kernel(kernel, length, entries, one):
    entries = max(entries, length + 1)
    found = rectangles(kernel, length, entries, one)
    taps = [tap for part in found for tap in part.taps]
    assert sorted(taps) == [(y, x) for y in range(kernel) for x in range(kernel)]
    assert all(len(part.taps) * length + part.one <= entries for part in found)
    assert [part.one for part in found] == [one] + [False] * (len(found) - 1)


@pytest.mark.parametrize("kind", Pass)
def test_pixels_step_through_rows_and_images(kind):
    layer, tensor = random_case(kind, (3, 7, 5), (3, 3), kernel=3, stride=2, padding=1)
    config = EngineConfig(lines=2, row_entries=5)
    program = plan(layer, tensor, config)
    tiles, walks = parts(layer, config)
    height, width = layer.pixels
    assert any(tile.start // (height * width) != (tile.stop - 1) // (height * width) for tile in tiles)
    for n, walk in enumerate(walks):
        record = {name: int(values[n]) for name, values in program.walks.items()}
        for pixel, (*taps, block) in enumerate(walk_pixels(program.constants, record, config).tolist()):
            image, rest = divmod(tiles[walk.tile].start + pixel, height * width)
            x, y = (
                layer.shape.valid_taps(kind, size, at)
                for size, at in ((layer.shape.width, rest % width), (layer.shape.height, rest // width))
            )
            assert taps == [x.tap, x.pixel, y.tap, y.pixel]
            rows, columns = layer.sparse.code.shape[1:3]
            row = image * rows + y.pixel - tiles[walk.tile].first
            assert block == row * columns % (1 << config.block_bits)


def layer_of(kind, shape, top=20, **changes):
    layer, _ = random_case(kind, (1, shape.height, shape.width), (shape.inputs, shape.outputs), top=top)
    return Layer(**{**{n: getattr(layer, n) for n in ("kind", "shape", "sparse", "dense", "top")}, **changes})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: plan(*random_case(Pass.FP, (1, 5, 5), (41, 3)), CONFIG),
            "`tile_entries` must be at least 41",
        ),
        (
            lambda: plan(*random_case(Pass.WG, (1, 5, 5), (40, 3), ones=True), CONFIG),
            "`tile_entries` must be at least 41",
        ),
        (lambda: plan(*random_case(Pass.FP, (1, 5, 65), (1, 1)), CONFIG), "`blocks` must be at least 65"),
        (
            lambda: plan(*random_case(Pass.FP, (1, 5, 30), (1, 1), kernel=3), CONFIG),
            "`blocks` must be at least 90",
        ),
        (
            lambda: plan(
                *random_case(Pass.FP, (1, 9, 20), (40, 1), 3, zeros=0.0, wide=1), EngineConfig(words=64)
            ),
            "`words` must be at least",
        ),
        (lambda: layer_of(Pass.BP, Convolution(2, 2, 1, 1), ones=True), "`ones` must be False in BP"),
        (lambda: layer_of(Pass.WG, Convolution(2, 2, 1, 1), flush=0), "`flush` must be at least 1, not 0"),
        (
            lambda: layer_of(Pass.FP, Convolution(2, 2, 1, 3), bias=np.zeros(2, int)),
            r"`bias` must have the shape \(3,\), not \(2,\)",
        ),
        (
            lambda: plan(
                random_case(Pass.FP, (1, 2, 2), (1, 1))[0], random_case(Pass.FP, (1, 2, 3), (1, 1))[1], CONFIG
            ),
            r"`tensor` must have the shape \(1, 2, 2, 1\)",
        ),
    ],
)
def test_errors_name_the_field(make, message):
    with pytest.raises(EngineError, match=message):
        make()


def test_window_holds_the_largest_sum():
    assert window_top(8, 3, 1) == 14
    assert window_top(8, 3, 1152) == 8 + 3 + 2 + 11 + 1
    assert constant_one(-3) == (10 << 3, 0)
    assert constant_one(7) == (15 << 10, 1)


def test_operands_that_are_there_are_not_loaded_again():
    """W of few taps stays for all pixels, d of few pixels for all taps."""
    for kind, size, channels, kernel in ((Pass.FP, (4, 9, 9), (8, 8), 1), (Pass.WG, (1, 2, 2), (30, 8), 2)):
        layer, tensor = random_case(kind, size, channels, kernel=kernel, padding=1)
        program = plan(layer, tensor, CONFIG)
        walks = len(program.walks["pixels"])
        loaded = program.loads["last"].sum() if kind is Pass.FP else len(program.loads["last"])
        assert loaded < walks

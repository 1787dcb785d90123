"""Planner and engine model against convolutions that know nothing of walks, banks and lines."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from lnpu.engine.config import EngineConfig, EngineError, Pass, Policy
from lnpu_sim.codec.rows import decode_rows, lengths
from lnpu_sim.engine.files import accumulate, lane_order
from lnpu_sim.engine.layer import SparseInput
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.results import assemble, slot_utilisation
from support.codec import mutate
from support.engine import MODEL, cases, configs, direct, random_case, real_convolution

CONFIG = EngineConfig(lines=3, pes=4, tile_entries=40, row_entries=8, blocks=64, vector=4)
KINDS = pytest.mark.parametrize("kind", Pass)


def run(layer, tensor, config):
    program = plan(layer, tensor, config)
    result = EngineModel(config).run(program)
    assert not result.errors
    assert not result.full
    return result, assemble(layer, config, program, result.beats)


def check(layer, tensor, config):
    result, got = run(layer, tensor, config)
    assert not result.overflow
    for values, want in zip(got, direct(layer), strict=True):
        np.testing.assert_array_equal(values, want)
    return result


@settings(max_examples=70, deadline=None)
@given(cases, configs)
def test_results_equal_direct_sums(case, config):
    check(*case, config)


@settings(max_examples=20, deadline=None)
@given(cases, configs)
def test_results_equal_the_real_convolution(case, config):
    layer, tensor = case
    _, got = run(layer, tensor, config)
    for values, (want, terms) in zip(got, real_convolution(layer), strict=False):
        unit = 2.0 ** (layer.top - 31)
        # Each term is off by at most half a unit.
        assert (np.abs(values * unit - want) <= (0.5 * terms + 1e-6) * unit).all()


@KINDS
def test_several_images_planes_and_lane_blocks(kind):
    layer, tensor = random_case(kind, (2, 9, 7), (130, 70), kernel=3, padding=1, ones=True, top=34, seed=4)
    assert check(layer, tensor, EngineConfig()).slots.sum(axis=1).min() > 0


@KINDS
def test_linear_layer(kind):
    layer, tensor = random_case(kind, (1, 1, 50), (100, 90), ones=True, top=32, seed=5)
    check(layer, tensor, EngineConfig(policy=Policy.ROTATE))


@KINDS
def test_policies_agree_and_differ_in_dealing(kind):
    layer, tensor = random_case(kind, (1, 8, 8), (20, 16), kernel=2, padding=1, zeros=0.8, seed=6)
    results = {p: check(layer, tensor, dataclasses.replace(CONFIG, policy=p)) for p in Policy}
    none, rotate, dynamic = (results[p] for p in (Policy.NONE, Policy.ROTATE, Policy.DYNAMIC))
    assert slot_utilisation(dynamic.slots) > slot_utilisation(none.slots, barrier=True)
    np.testing.assert_array_equal(none.dealt[0], np.arange(len(none.dealt[0])) % 3)
    np.testing.assert_array_equal(none.dealt[0], rotate.dealt[0])
    assert any((a != b).any() for a, b in zip(none.dealt, rotate.dealt, strict=True))


def test_full_lines_hand_on():
    # 8 pixels in 3 lines of 3: rotation alone would give one line a fourth in no walk, capacity 3 binds.
    config = dataclasses.replace(CONFIG, row_entries=3, lines=3, policy=Policy.ROTATE)
    layer, tensor = random_case(Pass.FP, (1, 4, 4), (5, 5), kernel=3, padding=1, seed=7)
    for lines in check(layer, tensor, config).dealt:
        assert np.bincount(lines).max() <= 3


def test_replayed_walks_stay_on_their_lines():
    config = dataclasses.replace(CONFIG, tile_entries=70)
    layer, tensor = random_case(Pass.FP, (1, 6, 6), (128, 5), kernel=2, zeros=0.7, seed=8)
    program = plan(layer, tensor, config)
    dealt = EngineModel(config).run(program).dealt
    replay = program.walks["replay"]
    assert replay.sum() > 4
    for n in np.flatnonzero(replay):
        np.testing.assert_array_equal(dealt[n], dealt[n - 1])


def test_slots_are_elements_times_taps_times_halves():
    layer, tensor = random_case(Pass.FP, (1, 5, 5), (9, 8), kernel=3, padding=1, zeros=0.5, wide=0.3, seed=3)
    visits = np.array([layer.shape.valid_taps(Pass.BP, 5, y).count for y in range(5)])
    visits = np.outer(visits, visits)[None, :, :, None]
    sparse = layer.sparse
    config = dataclasses.replace(CONFIG, tile_entries=81)
    slots = run(layer, tensor, config)[0].slots
    assert slots.sum() == int((visits * sparse.present * (1 + sparse.wide)).sum())
    layer, tensor = random_case(Pass.FP, (1, 5, 5), (9, 4), kernel=3, padding=1, zeros=0.5, wide=0.3, seed=3)
    slots = run(layer, tensor, config)[0].slots
    assert slots.sum() == int((visits * sparse.present).sum())


def test_empty_input_still_drains():
    layer, tensor = random_case(Pass.FP, (1, 3, 3), (4, 4), zeros=1.0)
    result, (sums,) = run(layer, tensor, CONFIG)
    assert sums.shape == (1, 3, 3, 4)
    assert not sums.any()
    assert not result.slots.any()


@pytest.mark.parametrize("bias", [-8, 0, 6, 7])
def test_constant_one_is_one_at_every_bias(bias):
    layer, tensor = random_case(Pass.WG, (1, 4, 4), (3, 5), ones=True, bias=bias, seed=2)
    check(layer, tensor, CONFIG)


def test_sums_are_flushed():
    layer, tensor = random_case(Pass.WG, (1, 8, 8), (3, 5), kernel=3, ones=True, seed=2, flush=24)
    program = plan(layer, tensor, CONFIG)
    assert program.drains["last"].sum() == 2
    check(layer, tensor, CONFIG)


@KINDS
def test_saturation_is_sticky_and_known(kind):
    layer, tensor = random_case(kind, (1, 5, 5), (9, 8), kernel=3, wide=1.0, top=16, seed=9)
    result, got = run(layer, tensor, CONFIG)
    assert result.overflow
    low, high = -(2**31), 2**31 - 1
    (want, *_) = direct(layer)
    inside = (want > low) & (want < high)
    assert not inside.all()
    # One line's accumulators saturate; in WG the lines' sums are then added.
    assert np.abs(got[0]).max() <= (CONFIG.lines if kind is Pass.WG else 1) * 2**31


def test_saturating_sums_follow_the_order():
    sums = np.zeros((2, 1), np.int64)
    big = MODEL.high
    terms = np.array([[big], [5], [7], [-3]])
    assert accumulate(sums, np.array([1, 0, 1, 1]), terms, MODEL)
    assert sums.tolist() == [[5], [big - 3]]
    with pytest.raises(EngineError, match="an address must be 0 to 1, not 0 or 2"):
        accumulate(sums, np.array([0, 2]), terms[:2], MODEL)


def test_words_hold_low_lanes_then_high_lanes():
    order = lane_order(EngineConfig(pes=5, group=2))
    assert order.tolist() == [0, 1, 5, 6, 2, 3, 7, 8, 4, -1, 9, -1]


@pytest.mark.parametrize("seed", range(12))
def test_malformed_blocks_are_dropped(seed):
    layer, tensor = random_case(Pass.FP, (1, 6, 5), (20, 6), kernel=3, padding=1, wide=0.3, seed=seed)
    rng = np.random.default_rng(seed)
    pointers = tensor.pointers.astype(int)
    rows = [tensor.words[a:b] for a, b in itertools.pairwise(pointers)]
    at = int(rng.integers(len(rows)))
    rows[at] = mutate(rows[at], rng)
    ends = np.cumsum([0, *map(len, rows)])
    bad = dataclasses.replace(tensor, words=np.concatenate(rows), pointers=ends.astype(np.uint32))
    layer = dataclasses.replace(layer, sparse=SparseInput.of(bad))
    program = plan(layer, bad, CONFIG)
    result = EngineModel(CONFIG).run(program)
    g = bad.descriptor.geometry
    decoded = decode_rows(bad.words, ends, lengths(g), g.w, g.block, g.count_bits, bad.descriptor.format)
    assert result.errors == np.bitwise_or.reduce(decoded.causes)
    np.testing.assert_array_equal(
        assemble(layer, CONFIG, program, result.beats)[0][..., :6], direct(layer)[0]
    )


def test_a_full_bank_is_told():
    layer, tensor = random_case(Pass.FP, (1, 8, 6), (40, 6), kernel=3, padding=1, zeros=0.0, seed=1)
    program = plan(layer, tensor, CONFIG)
    small = dataclasses.replace(CONFIG, words=64)
    result = EngineModel(small).run(program)
    assert result.full
    assert result.slots.sum() < EngineModel(CONFIG).run(program).slots.sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"loads": {n: v[:-1] for n, v in p.loads.items()}}, "waits for operand bank"),
        (
            lambda p: {"loads": {**p.loads, "bank": p.loads["bank"] * 0}},
            "load . waits for a bank that no walk",
        ),
        (lambda p: {"drains": {n: v[:1] for n, v in p.drains.items()}}, "waits for accumulator bank"),
        (lambda p: {"fills": {**p.fills, "bank": 1 - p.fills["bank"]}}, "waits for X bank 0"),
        (lambda p: {"walks": {n: v[:-1] for n, v in p.walks.items()}}, "waits for a bank that no walk"),
    ],
)
def test_programs_that_would_hang_are_refused(change, message):
    layer, tensor = random_case(Pass.WG, (1, 9, 9), (40, 30), kernel=2, seed=1)
    program = plan(layer, tensor, CONFIG)
    broken = dataclasses.replace(program, **change(program))
    with pytest.raises(EngineError, match=message):
        EngineModel(CONFIG).run(broken)


def test_decoded_terms_equal_the_unit():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2**16, (50, 1)), rng.integers(0, 2**16, (50, 9))
    for mode in (0, 1):
        want = MODEL.terms(mode, a & (0xFF if mode else 0xFFFF), b, 20, -3, 0).value[0]
        np.testing.assert_array_equal(MODEL.lane_terms(mode, a & (0xFF if mode else 0xFFFF), b, 20, -3), want)

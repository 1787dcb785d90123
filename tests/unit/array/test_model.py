"""Planner and line model against convolutions that know nothing of slots."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpu.array.config import ArrayError, Convolution, LineConfig, Pass
from lnpu_sim.array.line import LineModel, accumulate, terms_of
from lnpu_sim.array.planner import SparseInput, plan
from lnpu_sim.array.results import assemble, slot_utilisation
from support.array import direct, layers, random_layer, real_convolution

CONFIG = LineConfig(pes=4, tile_entries=36, row_entries=8)


def run(layer, config, lines=1):
    programs = plan(layer, config, lines)
    results = [LineModel(config).run(program) for program in programs]
    assert not any(overflow for _, overflow in results)
    return assemble(layer, config, programs, [words for words, _ in results])


@pytest.mark.parametrize("kind", Pass)
@pytest.mark.parametrize("size", range(1, 10))
def test_tap_ranges_are_all_valid_taps(kind, size):
    for kernel in range(1, 6):
        for stride in range(1, 4):
            for padding in range(min(3, kernel)):
                if size + 2 * padding < kernel:
                    continue
                shape = Convolution(size, size, 1, 1, kernel, stride, padding)
                out = shape.output_size(size)
                pairs = [(o, k, o * stride + k - padding) for o in range(out) for k in range(kernel)]
                pairs = [(o, k, i) for o, k, i in pairs if 0 <= i < size]
                for pixel in range(size if kind is Pass.BP else out):
                    r = shape.valid_taps(kind, size, pixel)
                    got = {(r.tap + n * r.step, r.pixel + n * r.direction) for n in range(r.count)}
                    if kind is Pass.BP:
                        want = {(k, o) for o, k, i in pairs if i == pixel}
                    else:
                        want = {(k, i) for o, k, i in pairs if o == pixel}
                    assert got == want, (shape, pixel)


@settings(max_examples=60, deadline=None)
@given(layers, st.integers(1, 3))
def test_program_equals_direct_sums(layer, lines):
    got = run(layer, CONFIG, lines)
    for result, want in zip(got, direct(layer), strict=False):
        np.testing.assert_array_equal(result, want)


@settings(max_examples=30, deadline=None)
@given(layers)
def test_program_equals_real_convolution(layer):
    for result, (want, terms) in zip(run(layer, CONFIG), real_convolution(layer), strict=False):
        unit = 2.0 ** (layer.top - 31)
        # Each term is off by at most half a unit.
        assert (np.abs(result * unit - want) <= (0.5 * terms + 1e-6) * unit).all()


def test_slots_are_elements_times_taps_times_halves():
    layer = random_layer(Pass.FP, (1, 5, 5), (9, 8), kernel=3, padding=1, zeros=0.5, wide=0.3, seed=3)
    (program,) = plan(layer, CONFIG)
    taps = [layer.shape.valid_taps(Pass.BP, 5, y).count for y in range(5)]
    visits = np.outer(taps, taps)[None, :, :, None]
    sparse = layer.sparse
    assert program.issued == int((visits * sparse.present * (1 + sparse.wide)).sum())
    narrow = random_layer(Pass.FP, (1, 5, 5), (9, 4), kernel=3, padding=1, zeros=0.5, wide=0.3, seed=3)
    (program,) = plan(narrow, CONFIG)
    assert program.issued == int((visits * narrow.sparse.present).sum())
    assert program.slots["lane"].max() == 0
    assert slot_utilisation([program]) > 0.97


def test_empty_input_still_drains():
    layer = random_layer(Pass.FP, (1, 3, 3), (4, 4), zeros=1.0)
    (sums,) = run(layer, CONFIG)
    assert sums.shape == (1, 3, 3, 4)
    assert not sums.any()


def test_saturating_sums_follow_the_order():
    terms = np.array([[5], [5], [-3]])
    sums, saturated = accumulate(terms, np.zeros(3, np.int64), 1, -8, 7)
    assert (sums.item(), saturated) == (4, True)


def test_terms_round_once():
    model = LineModel(CONFIG).window
    one = 15 << 10
    assert terms_of(model, np.array(0), np.array(one), np.array(one), 0, 31).item() == 1


@pytest.mark.parametrize("bias", [-8, 0, 6, 7])
def test_constant_one_is_one_at_every_bias(bias):
    layer = random_layer(Pass.WG, (1, 4, 4), (3, 5), ones=True, bias=bias, seed=2)
    _, db = run(layer, CONFIG)
    want = direct(layer)[1]
    np.testing.assert_array_equal(db, want)
    assert db.any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LineConfig(pes=0), "`pes` must be 1 to 16, not 0"),
        (lambda: Convolution(4, 4, 1, 1, kernel=8), "`kernel` must be 1 to 7, not 8"),
        (lambda: Convolution(2, 2, 1, 1, kernel=5, padding=1), "`kernel` must be at most 4"),
        (lambda: plan(random_layer(Pass.FP, (1, 7, 7), (1, 1), kernel=7), CONFIG), "`tile_entries` must be"),
        (lambda: random_layer(Pass.BP, (1, 2, 2), (1, 1), ones=True, keep_ones=True), "`ones` must be False"),
    ],
)
def test_errors_name_the_field(make, message):
    with pytest.raises(ArrayError, match=message):
        make()


def test_sparse_input_reads_groups():
    layer = random_layer(Pass.FP, (2, 3, 4), (70, 3), wide=0.5, seed=5)
    assert isinstance(layer.sparse, SparseInput)
    c, code, wide = layer.sparse.block(1, 2, 3, slice(0, 70))
    assert (np.diff(wide) >= 0).all()
    assert 0 < wide.sum() < len(wide)
    assert (code[wide == 0] < 256).all()
    assert (np.diff(c[wide == 1]) > 0).all()

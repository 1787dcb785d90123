"""The engine's hardware where timing and operands are at their worst: results wait, commands come late, rows
are malformed or too long, passes are cut off. Results, flags and counters are the model's."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings

from lnpu.engine.config import EngineError, Pass
from lnpu.presets import engine_config, load, preset_path
from lnpu_sim.engine.layer import SparseInput
from lnpu_sim.engine.planner import plan
from lnpu_sim.rtl import STALL_PATTERNS, StreamError
from lnpu_sim.rtl.streams import Stall, StallKind
from support.codec import mutate
from support.engine import cases, random_case
from support.engine_play import Stalled, begin_pass, check_program, compiled_engine, sabotaged_engine

TINY = engine_config(load(preset_path("tiny")))
KINDS = pytest.mark.parametrize("kind", Pass)


def every(period):
    """Willing in one of `period` cycles."""
    return Stall(StallKind.PERIODIC, period)


def short_tiles(kind, seed=0):
    """A layer of many tiles that are short to compute: single taps, mostly zeros; in WG some pixels have no
    work at all, unless `seed` is odd."""
    ones = kind is Pass.WG and seed % 2 == 1
    layer, tensor = random_case(kind, (2, 7, 7), (6, 5), kernel=1, zeros=0.9, ones=ones, seed=seed, flush=10)
    return plan(layer, tensor, TINY)


def short_walks(kind, zeros):
    """A layer of many lane blocks whose walks have next to nothing to do."""
    channels = (3, 40) if kind is Pass.FP else (40, 3)
    layer, tensor = random_case(kind, (2, 7, 7), channels, kernel=1, zeros=zeros, seed=5)
    return plan(layer, tensor, TINY)


@settings(max_examples=25, deadline=None)
@given(cases)
def test_random_layers(case):
    try:
        program = plan(*case, TINY)
    except EngineError:  # more rows a pixel than the smallest X buffer holds
        assume(False)
    for seed, pattern in enumerate(STALL_PATTERNS):
        check_program(compiled_engine(TINY), TINY, program, pattern, seed + 1)


@KINDS
@pytest.mark.parametrize("period", [7, 100, 2000])
def test_results_that_wait(kind, period):
    """The next tiles are dealt and computed while results of earlier ones are still inside."""
    program = short_tiles(kind)
    unit = Stalled(compiled_engine(TINY), {"o": every(period)})
    check_program(unit, TINY, program)


@pytest.mark.parametrize("kind", [Pass.FP, Pass.BP])
@pytest.mark.parametrize("zeros", [0.8, 1.0])
def test_short_walks_queue_up(kind, zeros):
    """Several walks wait on one Row bank; its pixels are dealt anew only when all their results are out."""
    program = short_walks(kind, zeros)
    for seed, pattern in enumerate(STALL_PATTERNS):
        check_program(compiled_engine(TINY), TINY, program, pattern, seed + 1)
    for period in (5, 50, 500):
        check_program(Stalled(compiled_engine(TINY), {"o": every(period)}), TINY, program)


@KINDS
@pytest.mark.parametrize("late", ["walks", "fills", "words", "loads", "vectors", "drains"])
def test_one_stream_is_late(kind, late):
    program = short_tiles(kind, seed=1)
    unit = Stalled(compiled_engine(TINY), {late: every(97)})
    check_program(unit, TINY, program)
    check_program(Stalled(compiled_engine(TINY), {late: every(97), "o": every(31)}), TINY, program)


def malformed(kind, seed):
    """A pass with up to three malformed rows of any sort."""
    layer, tensor = random_case(
        kind, (2, 6, 5), (20, 9), kernel=3, padding=1, wide=0.3, ones=kind is Pass.WG, seed=seed
    )
    rng = np.random.default_rng(seed)
    pointers = tensor.pointers.astype(int)
    rows = [tensor.words[a:b] for a, b in itertools.pairwise(pointers)]
    for at in rng.integers(len(rows), size=int(rng.integers(1, 4))):
        rows[at] = mutate(rows[at], rng)
    ends = np.cumsum([0, *map(len, rows)])
    bad = dataclasses.replace(tensor, words=np.concatenate(rows), pointers=ends.astype(np.uint32))
    return plan(dataclasses.replace(layer, sparse=SparseInput.of(bad)), bad, TINY)


@KINDS
def test_malformed_rows(kind):
    unit, causes = compiled_engine(TINY), 0
    for seed in range(15):
        pattern = list(STALL_PATTERNS)[seed % 4]
        causes |= check_program(unit, TINY, malformed(kind, seed), pattern, seed + 1)[0].errors
        check_program(unit, TINY, short_tiles(kind, seed))  # as if nothing had been
    assert causes.bit_count() >= 4


@KINDS
def test_rows_that_do_not_fit_the_bank(kind):
    """What is left of a row whose words do not fit is empty, in the hardware as in the model."""
    for seed in range(2):
        layer, tensor = random_case(
            kind, (1, 7, 6), (60, 60), kernel=3, padding=1, zeros=0.1, wide=0.9, seed=seed, bias=7
        )
        program = plan(layer, tensor, dataclasses.replace(TINY, words=8192))
        got, _ = check_program(compiled_engine(TINY), TINY, program, "random", seed + 1)
        assert got.full
        got, _ = check_program(compiled_engine(TINY), TINY, short_tiles(kind, seed))
        assert not got.full


@KINDS
def test_start_in_any_cycle(kind):
    """A pass that is cut off anywhere leaves nothing behind, whatever pass comes next."""
    unit, rng = compiled_engine(TINY), np.random.default_rng(3)
    layer, tensor = random_case(kind, (1, 5, 5), (9, 12), kernel=3, padding=1, wide=0.2, seed=2)
    cut = plan(layer, tensor, TINY)
    following = [short_tiles(other) for other in Pass]
    for n, cycles in enumerate([0, 1, 2, 3, *rng.integers(4, 900, 12)]):
        begin_pass(unit, cut, int(cycles))
        check_program(unit, TINY, following[n % 3], "random" if n % 2 else "none", n + 1)


COUNT = "core_dealer_core_undrained"
BUGS = {
    "dealt while results are inside": (r"(assign core_dealer_core_held = )[^;]*;", r"\g<1>1'b0;"),
    "a bank's results count once": (
        rf"({COUNT}0 <= )([^;]*)(;[^;]*{COUNT}1 <= )([^;]*);",
        r"\1{2'd0, |\2}\3{2'd0, |\4};",
    ),
    "X bank read after its last walk": (r"(assign core_claim = )[^;]*;", r"\g<1>2'd0;"),
}


@pytest.mark.full
@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_seen(bug):
    unit, seen = sabotaged_engine(TINY, *BUGS[bug]), 0
    programs = [short_tiles(kind) for kind in Pass] + [short_walks(kind, 0.8) for kind in (Pass.FP, Pass.BP)]
    for program in programs:
        for seed, pattern in enumerate(STALL_PATTERNS):
            try:
                check_program(unit, TINY, program, pattern, seed + 1, idle_limit=20_000)
            except (AssertionError, StreamError):
                seen += 1
    assert seen

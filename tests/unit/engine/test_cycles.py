"""The cycle model against the hardware; `check_program` compares them wherever no stream waits."""

import dataclasses

import pytest
from hypothesis import assume, given, settings

from lnpu.engine.config import EngineError, Pass
from lnpu.presets import engine_config, load, preset_path
from lnpu_sim.engine.cycles import collector, dealer, feed, predict
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.play import CAUSES
from support.engine import cases, configs, random_case
from support.engine_play import check_program, compiled_engine

TINY = engine_config(load(preset_path("tiny")))


def layers():
    """Programs that fill every queue of the engine at some time."""
    shapes = [
        {"size": (1, 5, 5), "channels": (40, 24), "zeros": 0.1, "wide": 0.9},
        {"size": (2, 7, 7), "channels": (20, 6), "zeros": 0.9},
        {"size": (2, 9, 9), "channels": (17, 33), "zeros": 0.5, "wide": 0.05, "stride": 2},
    ]
    for kind in Pass:
        for shape in shapes:
            yield plan(*random_case(kind, kernel=3, padding=1, seed=2, **shape), TINY)


@settings(max_examples=30, deadline=None)
@given(cases)
def test_random_layers(case):
    try:
        program = plan(*case, TINY)
    except EngineError:  # more rows a pixel than the smallest X buffer holds
        assume(False)
    check_program(compiled_engine(TINY), TINY, program)


@settings(max_examples=10, deadline=None)
@given(cases, configs)
def test_any_geometry_ends(case, config):
    """What geometry changes in the hardware is compared where hardware of many geometries is compiled
    (`tests/integration/test_engine.py`); here, that the causes add up everywhere."""
    try:
        program = plan(*case, config)
    except EngineError:
        assume(False)
    counts = predict(program, config)
    assert sum(counts[cause] for cause in CAUSES) == config.lines * counts["cycles"]
    assert counts["lead"] + counts["cycles"] <= counts["total"]


@pytest.mark.parametrize(
    ("module", "constant", "depth"),
    [
        (feed, "BLOCKS", 15),
        (feed, "WORDS", 7),
        (dealer, "DEPTH", 3),
        (collector, "DEPTH", 1),
    ],
    ids=["feed-blocks", "feed-words", "lookups", "requests"],
)
def test_every_queue_counts(module, constant, depth, monkeypatch):
    """Shorter queues are another machine."""
    monkeypatch.setattr(module, constant, depth)
    unit, programs = compiled_engine(TINY), list(layers())
    seen = 0
    for program in programs:
        try:
            check_program(unit, TINY, program)
        except AssertionError:
            seen += 1
    assert seen


def test_results_of_a_bank_are_counted(monkeypatch):
    monkeypatch.setattr(dealer, "RESULTS", 1)
    layer, tensor = random_case(Pass.FP, (2, 7, 7), (3, 40), kernel=1, zeros=0.8, seed=5)
    with pytest.raises(AssertionError):
        check_program(compiled_engine(TINY), TINY, plan(layer, tensor, TINY))


def test_a_program_that_hangs_is_told():
    program = next(layers())
    loads = {name: values[:1] for name, values in program.loads.items()}
    with pytest.raises(EngineError, match=r"hang in cycle \d+: \d+ of \d+ drains left"):
        predict(dataclasses.replace(program, loads=loads), TINY, idle_limit=2000)

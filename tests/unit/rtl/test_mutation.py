"""Mutation: a full stimulus kills what can be killed, a weak one does not."""

import numpy as np
import pytest

from lnpu_sim.rtl import STALL_PATTERNS
from support import units
from support.mutation import Fate, mutate

# One operand bit is doubled in a redundant way, so that some mutants are equivalent.
REDUNDANT = units.MULTIPLIER.replace(
    "o_d <= i_a * i_b;", "o_d <= (i_a * i_b) | ((i_a * i_b) & {16{i_a[0]}});"
)


def full(unit):
    unit["o_ready"] = 0
    unit.eval()
    assert unit["i_ready"] == 1, "an empty register must accept while its sink is stalled"
    a, b = np.random.default_rng(2).integers(0, 256, (2, 3000))
    for source, sink in STALL_PATTERNS.values():
        result = unit.run_stream({"i_a": a, "i_b": b}, ["o_d"], source_stall=source, sink_stall=sink)
        assert np.array_equal(result["o_d"], a * b), "wrong product"


def weak(unit):
    a, b = np.random.default_rng(2).integers(0, 16, (2, 50))
    assert np.array_equal(unit.run_stream({"i_a": a, "i_b": b}, ["o_d"])["o_d"], a * b), "wrong product"


@pytest.fixture
def multiplier(tmp_path):
    file = tmp_path / "mul8.v"
    file.write_text(REDUNDANT)
    return file


def test_full_stimulus_leaves_only_equivalent_mutants(multiplier):
    report = mutate([multiplier], "mul8", full, count=20)
    assert report.score == 100, str(report)
    assert len(report.mutants) == 20
    assert report.of(Fate.EQUIVALENT)
    assert report.of(Fate.KILLED)[0].evidence


def test_weak_stimulus_has_survivors_and_the_report_names_them(multiplier):
    report = mutate([multiplier], "mul8", weak, count=20)
    survivors = report.of(Fate.SURVIVED)
    assert survivors, str(report)
    assert report.score < 100
    assert survivors[0].option("cell") in str(report)


def test_original_must_pass(multiplier):
    def never(unit):
        raise AssertionError("no")

    with pytest.raises(AssertionError, match="rejects the original: no"):
        mutate([multiplier], "mul8", never, count=3)

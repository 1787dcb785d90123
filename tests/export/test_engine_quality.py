"""How good the benches of the engine's blocks are: coverage of the exported text, mutants that they kill."""

import fnmatch
import re

import pytest

from lnpu_sim.rtl import build
from support.coverage import Coverage, Exclusion, read_coverage
from support.engine_quality import TARGETS
from support.mutation import Fate, mutate

BAR = 95
LONG = Exclusion(
    re.compile(r"policy_time\d\[1[5-9]\]"),
    "a line's work in a walk: high bits need more blocks than the bench has",
)
HARMLESS = {
    ("const1", "reads_index ="): "with two groups a sweep is at group 1 whenever it runs and does not start",
    ("inv", "clear_row;"): "the counter goes through all words in another order, as many cycles",
    ("inv", "slot_b;"): "a bit of the Tile address of reads, writes and drains alike: sums have other places",
}
"""Mutants (mode, text of the line they are in) that no solver decides, and why they change nothing."""
PARTS = [(name, part) for name, target in TARGETS.items() for part in target.parts]


def is_there(mutant, text, mode, wire):
    """Whether the mutant has that mode, and its source line that text."""
    line = re.search(r":(\d+)\.", mutant.option("src"))
    return mutant.option("mode") == mode and line is not None and wire in text[int(line[1]) - 1]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Coverage of a bench, run once."""
    known = {}

    def measure(name):
        if name not in known:
            target, path = TARGETS[name], tmp_path_factory.mktemp(name) / "coverage.dat"
            unit = build([target.verilog()], target.top, coverage=True, seed=0)
            target.judge(unit, 2 * target.effort)
            unit.write_coverage(path)
            known[name] = read_coverage([path])
        return known[name]

    return measure


@pytest.mark.full
@pytest.mark.parametrize(("name", "part"), PARTS)
def test_coverage(measured, name, part):
    """Lines and branches of the bench, toggles of the block's own wires."""
    pattern = f"{TARGETS[name].parts[part]}*"
    counts = {
        point: count
        for point, count in measured(name).counts.items()
        if point.kind != "toggle" or fnmatch.fnmatchcase(point.what, pattern)
    }
    coverage = Coverage(counts).without([LONG] if part == "dealer" else [])
    print(coverage.report(0))
    for kind in ("line", "branch", "toggle"):
        (share,) = coverage.percent(kind).values()
        assert share >= BAR, coverage.report(60)


def mutants(name, part, count, effort, tmp_path):
    target = TARGETS[name]
    file = tmp_path / f"{name}.v"
    file.write_text(target.verilog())
    return mutate(
        [file],
        target.top,
        lambda unit: target.judge(unit, effort),
        count=count,
        seed=1,
        depth=6,
        timeout=30,
        part=target.parts[part],
    )


def test_a_few_mutants_of_the_loader_are_killed(tmp_path):
    report = mutants("loads", "loader", 8, 16, tmp_path)
    assert report.score >= 80, str(report)


@pytest.mark.full
@pytest.mark.parametrize(("name", "part"), PARTS)
def test_mutants_are_killed(name, part, tmp_path):
    """At least 95 % of 40 wrong gates of a block that are not proved harmless."""
    report = mutants(name, part, 40, TARGETS[name].effort, tmp_path)
    print(report)
    text = TARGETS[name].verilog().splitlines()
    left = [mutant for mutant in report.mutants if mutant.fate in (Fate.SURVIVED, Fate.UNDECIDED)]
    holes = [mutant for mutant in left if not any(is_there(mutant, text, *key) for key in HARMLESS)]
    killed = len(report.of(Fate.KILLED))
    assert 100 * killed >= BAR * (killed + len(holes)), str(report)

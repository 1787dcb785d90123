"""How good the benches of the engine's blocks are: coverage of the exported text, mutants that they kill."""

import fnmatch

import pytest

from lnpu_sim.rtl import build
from support.coverage import Coverage, read_coverage
from support.engine_quality import TARGETS
from support.mutation import mutate

BAR = 95
PARTS = [(name, part) for name, target in TARGETS.items() for part in target.parts]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Coverage of a bench, run once."""
    known = {}

    def measure(name):
        if name not in known:
            target, path = TARGETS[name], tmp_path_factory.mktemp(name) / "coverage.dat"
            unit = build([target.verilog()], target.top, coverage=True, seed=0)
            target.judge(unit, target.effort)
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
    coverage = Coverage(counts)
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
        timeout=8,
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
    assert report.score >= BAR, str(report)

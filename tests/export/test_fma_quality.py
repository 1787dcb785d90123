"""How good the comparison with the golden model is: coverage of the exported text, mutants that it kills."""

from pathlib import Path

import pytest

from lnpu.numeric.config import FMA_BUILDS
from lnpu_sim.numeric.stimulus import fma_stimulus
from lnpu_sim.rtl import STALL_PATTERNS, build
from lnpu_sim.rtl.verify_fma import check_fma
from support.coverage import read_coverage, read_exclusions
from support.fma import verilog_file
from support.mutation import mutate

BARRED = ("default", "pe", "fp32")
HERE = Path(__file__).parent


def _fills_up(unit, ranks):
    """A stalled unit takes one operation a rank, gaps between them close; then it empties."""
    unit["o_ready"] = 0
    for beat in range(ranks):
        unit["i_valid"] = 1
        unit.eval()
        assert unit["i_ready"] == 1, f"a stalled unit with {beat} of {ranks} operations must accept"
        unit.step()
        unit["i_valid"] = 0
        unit.step(ranks + 1)
    assert (unit["i_ready"], unit["o_valid"]) == (0, 1), "a full unit must stall its source"
    unit["o_ready"] = 1
    unit.step(ranks + 1)
    assert unit["o_valid"] == 0, "more results than operations"


def exercise(config, operations):
    """What judges a unit: handshake, operations under every stall pattern, latency and throughput."""

    def run(unit):
        _fills_up(unit, config.latency)
        result = check_fma(config, "", operations, chunk=operations // 8, unit=unit)
        assert not result.mismatches, result.examples[0]
        inputs = {f"i_{name}": value for name, value in fma_stimulus(config, 100).items()}
        source, sink = STALL_PATTERNS["none"]
        free = unit.run_stream(inputs, ["o_d"], source_stall=source, sink_stall=sink)
        assert (free.latency, free.cycles) == (config.latency, 100 + config.latency), "timing"

    return run


@pytest.mark.parametrize("name", BARRED)
def test_coverage(name, tmp_path):
    """Every line and branch, every toggle apart from wires that are constant by construction."""
    config = FMA_BUILDS[name]
    file = verilog_file(config, tmp_path)
    unit = build([file], "fma", coverage=True, seed=0)
    exercise(config, 160_000)(unit)
    unit.reset()
    unit.write_coverage(tmp_path / "coverage.dat")
    coverage = read_coverage([tmp_path / "coverage.dat"])
    assert coverage.percent("line")["fma.v"] == 100
    assert coverage.percent("toggle")["fma.v"] >= 94
    rest = coverage.without(read_exclusions(HERE / f"fma_{name}_exclude.toml"))
    assert not rest.uncovered(), rest.report()


def test_a_few_mutants_are_killed(tmp_path):
    config = FMA_BUILDS["pe"]
    report = mutate([verilog_file(config, tmp_path)], "fma", exercise(config, 16_000), count=15, timeout=20)
    assert report.score >= 90, str(report)


@pytest.mark.full
@pytest.mark.parametrize("name", BARRED)
def test_mutants_are_killed(name, tmp_path):
    """At least 95 % of 100 wrong gates that are not proved harmless."""
    config = FMA_BUILDS[name]
    file = verilog_file(config, tmp_path)
    report = mutate([file], "fma", exercise(config, 80_000), count=100, seed=1, timeout=30)
    print(report)
    assert report.score >= 95, str(report)

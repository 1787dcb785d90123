"""Coverage of fast streams: what a weak stimulus leaves out is named, and exclusions need reasons."""

import numpy as np
import pytest

from lnpu_sim.rtl import STALL_PATTERNS, build
from support import units
from support.coverage import read_coverage, read_exclusions

SREG = units.STREAM_REGISTER.replace(
    "if (rst) full <= 0;", "if (rst) begin full <= 0; end\n    if (i_a == 16'h1234) data[15] <= 1;"
)


def covered(tmp_path, values, pattern, name):
    unit = build([SREG], "sreg", coverage=True, seed=0)
    source, sink = STALL_PATTERNS[pattern]
    unit.run_stream({"i_a": values}, ["o_d"], source_stall=source, sink_stall=sink)
    unit.reset()
    unit.write_coverage(tmp_path / name)
    return read_coverage([tmp_path / name])


def test_weak_stimulus_is_seen_and_runs_merge(tmp_path):
    weak = covered(tmp_path, np.arange(256) | 0x4000, "none", "weak.dat")
    left = [point.what for point in weak.uncovered()]
    assert "o_d[13]:0->1" in left
    assert "o_d[3]:0->1" not in left
    assert weak.percent("toggle")["source0.v"] < 90
    values = np.random.default_rng(1).integers(0, 1 << 16, 4000)
    strong = covered(tmp_path, values, "random", "strong.dat") + weak
    assert not [point for point in strong.uncovered() if point.kind == "toggle"], strong.report()
    assert "not covered" in weak.report()


def test_exclusions(tmp_path):
    weak = covered(tmp_path, np.arange(256), "none", "weak.dat")
    file = tmp_path / "exclude.toml"
    file.write_text(
        "[[exclude]]\npattern = 'toggle sreg (i_a|o_d|data)\\[(8|9|1\\d)\\]'\nreason = 'high byte unused'\n"
    )
    rest = weak.without(read_exclusions(file))
    assert len(rest.uncovered()) < len(weak.uncovered())
    assert not [point for point in rest.uncovered() if "[12]" in point.what]
    file.write_text("[[exclude]]\npattern = 'o_d.0.'\nreason = 'wrong'\n")
    with pytest.raises(AssertionError, match=r"stale exclusion 'o_d.0.' \(wrong\)"):
        weak.without(read_exclusions(file))
    file.write_text("[[exclude]]\npattern = 'o_d'\n")
    with pytest.raises(ValueError, match=r"exclude\.toml: exclusion 1 needs exactly"):
        read_exclusions(file)

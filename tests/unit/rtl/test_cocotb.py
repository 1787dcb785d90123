"""The cocotb runner and its stream agents."""

from pathlib import Path

import pytest

from lnpu_sim.rtl import STALL_PATTERNS
from support import units
from support.cocotb import run_cocotb

BENCH = Path(__file__).with_name("bench_sreg.py")


def bench(tmp_path, verilog, pattern, **options):
    file = tmp_path / "sreg.v"
    file.write_text(verilog)
    return run_cocotb([file], "sreg", BENCH, settings={"pattern": pattern, "seed": 4}, **options)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_register_under_stalls(tmp_path, pattern):
    run = bench(tmp_path, units.STREAM_REGISTER, pattern)
    assert run.passed == ("passes_every_beat",)


@pytest.mark.parametrize(
    ("bug", "message"),
    [
        ("valid-drops", "valid fell before ready took the beat"),
        ("wrong-bit", "beat 200: 0xbeee, not 0xbeef"),
    ],
)
def test_planted_bug_is_readable(tmp_path, bug, message):
    with pytest.raises(AssertionError) as caught:
        bench(tmp_path, units.BROKEN[bug], "random")
    text = str(caught.value)
    assert message in text
    assert "passes_every_beat" in text
    assert "seed 1" in text


def test_waves_and_coverage(tmp_path):
    run = bench(tmp_path, units.STREAM_REGISTER, "none", waves=True, coverage=True)
    assert "o_valid" in run.waves.read_text()
    assert "v_toggle/sreg" in run.coverage.read_text(errors="replace")


def test_verilog_that_does_not_compile(tmp_path):
    with pytest.raises(AssertionError, match=r"(?s)the build failed.*nonsense"):
        bench(tmp_path, units.STREAM_REGISTER.replace("assign", "nonsense"), "none")

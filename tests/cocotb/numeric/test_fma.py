"""The exported FMA on its ports, cycle by cycle, under every stall pattern."""

from pathlib import Path

import numpy as np
import pytest

from lnpu.numeric.config import FMA_BUILDS
from lnpu_sim.numeric.stimulus import fma_stimulus
from lnpu_sim.rtl import STALL_PATTERNS
from lnpu_sim.rtl.verify_fma import expected
from support.cocotb import run_cocotb
from support.fma import verilog_file

BENCH = Path(__file__).with_name("bench_fma.py")


def run(name, pattern, tmp_path, count=400, wrong=None):
    config = FMA_BUILDS[name]
    stimulus = fma_stimulus(config, count, seed=9)
    d, flags = expected(config, stimulus)
    operations = [
        {f"i_{port}": int(np.asarray(words)[k]) for port, words in stimulus.items()} for k in range(count)
    ]
    results = [{"o_d": int(x), "o_flags": int(f)} for x, f in zip(d, flags, strict=True)]
    if wrong is not None:
        results[wrong]["o_d"] ^= 1
    settings = {
        "pattern": pattern,
        "seed": 5,
        "inputs": list(operations[0]),
        "operations": operations,
        "expected": results,
    }
    return run_cocotb([verilog_file(config, tmp_path)], "fma", BENCH, settings=settings)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("name", ["default", "pe"])
def test_under_stalls(name, pattern, tmp_path):
    passed = run(name, pattern, tmp_path).passed
    assert passed == ("computes_every_operation", "reset_drops_what_is_inside")


def test_a_wrong_bit_is_reported(tmp_path):
    with pytest.raises(AssertionError, match=r"(?s)computes_every_operation.*operation 123: .*i_a"):
        run("default", "none", tmp_path, count=200, wrong=123)

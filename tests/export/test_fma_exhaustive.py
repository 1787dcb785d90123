"""Dual mode with fp16 accumulate for every (a, b, c) of an fp8 format: a C++ campaign with its own oracle."""

from pathlib import Path

import numpy as np
import pytest

from lnpu.numeric.config import FmaConfig, Fp8
from lnpu_sim.rtl import build
from support.fma import fma_unit, verilog

SWEEP = Path(__file__).with_name("fp8_sweep.cpp")
PAIRS, SHARDS = 1 << 15, 8
FORMATS = (Fp8.E4M3, Fp8.E5M2)


def unit_config(fp8):
    return FmaConfig(fp8=fp8, latency=0)


def sweep(unit, fp8, begin, end):
    """Pairs `begin` to `end` under all addends; on a difference an AssertionError with the operands."""
    got, want = np.zeros(2, np.uint32), np.zeros(2, np.uint32)
    case = unit.call("sweep", fp8 is Fp8.E5M2, begin, end, got, want)
    assert case < 0, (
        f"{fp8.value}: lane {case >> 32}, a={case >> 24 & 255:#04x} b={case >> 16 & 255:#04x} "
        f"c={case & 0xFFFF:#06x}: {{d, flags}} of both lanes {got[0]:#010x} {got[1]:#05x}, "
        f"expected {want[0]:#010x} {want[1]:#05x}"
    )


@pytest.mark.parametrize("fp8", FORMATS)
def test_slices(fp8):
    """Zero, subnormals, ones, the largest numbers and special codes of a with some b: 9 million cases."""
    unit = fma_unit(unit_config(fp8), campaign=SWEEP)
    for a in (0x00, 0x01, 0x03, 0x38, 0x55, 0x7B, 0x7C, 0x7E, 0x7F):
        for b in (0x00, 0x80, 0x81, 0x7C, 0xFD, 0x35, 0xBB, 0x7F):
            sweep(unit, fp8, a << 8 | b, (a << 8 | b) + 1)


def test_a_single_wrong_case_is_found():
    buggy = verilog(unit_config(Fp8.E4M3)).replace("module fma(", "module core(") + (
        "module fma(input i_valid, input i_mode, input [15:0] i_a, i_b, input [31:0] i_c, input [8:0] i_s,\n"
        "  input o_ready, output i_ready, output o_valid, output [31:0] o_d, output [9:0] o_flags);\n"
        "  wire [31:0] d;\n"
        "  core core(.*, .o_d(d));\n"
        "  wire wrong = i_a[15:8] == 8'h3C && i_b[15:8] == 8'h9D && i_c[31:16] == 16'h1234;\n"
        "  assign o_d = d ^ {15'b0, wrong, 16'b0};\n"
        "endmodule\n"
    )
    unit = build([buggy], "fma", campaign=SWEEP)
    pair = 0x3C9D
    first = (pair - 6789) * pow(12345, -1, PAIRS) % PAIRS  # where lane 1 meets it
    sweep(unit, Fp8.E4M3, first - 1, first)
    with pytest.raises(AssertionError, match="lane 1, a=0x3c b=0x9d c=0x1234"):
        sweep(unit, Fp8.E4M3, first, first + 1)


@pytest.mark.full
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("fp8", FORMATS)
def test_every_triple(fp8, shard):
    """2^31 evaluations a format stand for 2^32 triples on each lane (see the campaign)."""
    step = PAIRS // SHARDS
    unit = fma_unit(unit_config(fp8), campaign=SWEEP)
    for begin in range(shard * step, (shard + 1) * step, 256):
        sweep(unit, fp8, begin, begin + 256)

"""In dual mode nothing of one lane reaches the other; proved for every input on the exported Verilog."""

import dataclasses

import pytest
from amaranth.hdl import Module

from lnpu.export.fma import fma_verilog
from lnpu.numeric import factors
from lnpu.numeric.config import FMA_BUILDS, Dual, FmaConfig, Fp8
from lnpu.numeric.multiply import SplitMultiplier
from support.fma import verilog
from support.lanes import can_happen, differs

OTHER_LANE_CHANGES = "valid && i_mode && other[0] != other[1]"


def with_latency(name, latency):
    return dataclasses.replace(FMA_BUILDS[name], latency=latency)


@pytest.mark.parametrize("lane", [0, 1])
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(with_latency("default", 0), id="default"),
        pytest.param(FMA_BUILDS["pe"], id="pe"),
        pytest.param(with_latency("fp32", 0), id="fp32", marks=pytest.mark.full),
    ],
)
def test_lanes_are_independent(config, lane):
    """Same operands in this lane, any in the other one: same result and flags. (`pe` with its two ranks.)"""
    assert not differs(verilog(config), config, lane)


@pytest.mark.parametrize("lane", [0, 1])
@pytest.mark.parametrize("config", [with_latency("default", 0), with_latency("pe", 1)], ids=["default", "pe"])
def test_cover_the_other_lane_does_change(config, lane):
    """Without this, the proof above could be about units that do nothing."""
    assert differs(verilog(config), config, lane, OTHER_LANE_CHANGES)


class Ungated(SplitMultiplier):
    """The products that dual mode must gate off stay in."""

    def elaborate(self, platform):
        m = Module()
        if self.dual is Dual.FP8XFP8:
            full = self.a * self.b
        else:
            full = self.a[:7] * self.b1 + ((self.a[7:] * self.b) << 7)
        m.d.comb += [self.p.eq(full), self.p1.eq(full[: len(self.p1)])]
        return m


@pytest.mark.parametrize("config", [with_latency("default", 0), with_latency("pe", 1)], ids=["default", "pe"])
def test_a_leaking_multiplier_is_found(config, monkeypatch):
    monkeypatch.setattr(factors, "SplitMultiplier", Ungated)
    text = fma_verilog(config)
    assert text != verilog(config)
    assert differs(text, config, 0)


SIGNS = """
module signs(input [15:0] i_a, i_b, input [31:0] i_c, input [8:0] i_s, input [1:0] lane, output bad);
  wire [31:0] d0, d1; wire [9:0] f0, f1;
  wire [15:0] flip = {{lane[1], 7'b0, lane[0], 7'b0}};
  fma one(.i_valid(1'b1), .o_ready(1'b1), .i_mode(1'b1), .i_a(i_a), .i_b(i_b), .i_c(i_c), .i_s(i_s),
    .o_d(d0), .o_flags(f0));
  fma two(.i_valid(1'b1), .o_ready(1'b1), .i_mode(1'b1), .i_a(i_a ^ flip), .i_b(i_b ^ {other}), .i_c(i_c),
    .i_s(i_s), .o_d(d1), .o_flags(f1));
  assign bad = d0 != d1 || f0 != f1;
endmodule
"""


@pytest.mark.parametrize("fp8", [Fp8.E4M3, Fp8.E5M2])
def test_only_the_product_of_the_signs_counts(fp8):
    """Flipping the signs of a and b together changes nothing: the campaign over all triples relies on it."""
    config = FmaConfig(fp8=fp8, latency=0)
    assert not can_happen(verilog(config), SIGNS.format(other="flip"), "signs", 0)
    assert can_happen(verilog(config), SIGNS.format(other="(flip & 16'h8000)"), "signs", 0)

"""Proofs on the registers' exported Verilog: answers stay until they are taken and belong to a request."""

import re

import pytest

from lnpu.regs import compile_registers
from lnpu.regs.slave import Registers
from support.codec_formal import exported, violation, wrapper
from support.formal import combinational_path

RULES = {
    "write": """
  reg waits = 0; reg [1:0] was = 0;
  always @(posedge clk) begin waits <= !rst && s_axil_bvalid && !s_axil_bready; was <= s_axil_bresp; end
  always @* if (waits) assert (s_axil_bvalid && s_axil_bresp == was);
""",
    "read": """
  reg waits = 0; reg [33:0] was = 0;
  wire [33:0] now = {s_axil_rdata, s_axil_rresp};
  always @(posedge clk) begin waits <= !rst && s_axil_rvalid && !s_axil_rready; was <= now; end
  always @* if (waits) assert (s_axil_rvalid && now == was);
""",
    "answers": """
  reg [1:0] aw = 0, w = 0, ar = 0;
  wire b = s_axil_bvalid && s_axil_bready, r = s_axil_rvalid && s_axil_rready;
  always @(posedge clk) begin
    aw <= rst ? 0 : aw + (s_axil_awvalid && s_axil_awready) - b;
    w <= rst ? 0 : w + (s_axil_wvalid && s_axil_wready) - b;
    ar <= rst ? 0 : ar + (s_axil_arvalid && s_axil_arready) - r;
  end
  always @* if (!first && !rst) begin
    if (s_axil_bvalid) assert (aw != 0 && w != 0);
    if (s_axil_rvalid) assert (ar != 0);
    assert (aw <= 2 && w <= 2 && ar <= 1);
  end
""",
}


@pytest.fixture(scope="module")
def unit():
    return exported(Registers(compile_registers()), "registers")


@pytest.mark.parametrize("rule", RULES)
def test_rules_hold(unit, rule):
    verilog, ports = unit
    assert violation(verilog, wrapper("registers", ports, RULES[rule]), timeout=60) is None


@pytest.mark.parametrize(
    ("rule", "register"),
    [("write", "s_axil_bvalid"), ("read", "s_axil_rvalid"), ("answers", "s_axil_rvalid")],
)
def test_broken_registers_are_caught(unit, rule, register):
    verilog, ports = unit
    # An answer without a request; an answer that falls.
    change = "s_axil_arvalid |" if rule == "answers" else "s_axil_araddr[3] &"
    verilog, count = re.subn(f"{register} <= ", f"{register} <= {change} ", verilog)
    assert count >= 1
    assert violation(verilog, wrapper("registers", ports, RULES[rule]), bound=10) is not None


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("bready", "bvalid"),
        ("rready", "rvalid"),
        ("awvalid", "awready"),
        ("arvalid", "arready"),
        ("araddr", "rdata"),
    ],
)
def test_outputs_come_from_registers(unit, tmp_path, source, output):
    path = tmp_path / "registers.v"
    path.write_text(unit[0])
    assert combinational_path([path], "registers", f"s_axil_{source}", f"s_axil_{output}") is None

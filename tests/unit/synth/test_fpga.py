"""FPGA resources: counts of small designs, depth, the register wrapper, place and route."""

import pytest

from lnpu.synth import Family, SynthError, fpga
from lnpu.synth import nextpnr as nextpnr_module
from lnpu.synth.depth import depth
from lnpu.synth.netlist import Instance, Netlist, Port
from lnpu.synth.nextpnr import WRAPPER, wrapper

XOR = "module x(input clk, input [3:0] a, output reg y); always @(posedge clk) y <= ^a; endmodule"
MAC = """
module mac(input clk, input [15:0] a, b, output reg [31:0] q);
  always @(posedge clk) q <= q + a * b;
endmodule"""
RAM = """
module ram(input clk, we, input [9:0] a, input [17:0] d, output reg [17:0] q);
  reg [17:0] m [0:1023];
  always @(posedge clk) begin if (we) m[a] <= d; q <= m[a]; end
endmodule"""


def test_ecp5_counts(verilog):
    report = fpga([verilog(XOR)], "x")
    assert (report.lut4, report.ff, report.depth, report.carry, report.dsp) == (1, 1, 1, 0, 0)
    report = fpga([verilog(MAC)], "mac")
    assert (report.lut4, report.carry, report.ff, report.dsp) == (32, 16, 32, 1)  # a carry cell is two tables
    assert report.depth == 2  # multiplier, then a carry chain
    assert (report.fmax_mhz, report.seeds, report.io_registers) == (None, (), False)
    assert fpga([verilog(RAM)], "ram").bram == 1
    assert fpga([verilog(MAC)], "mac", dsp=False).dsp == 0


def test_ice40_counts(verilog):
    report = fpga([verilog(XOR)], "x", Family.ICE40)
    assert (report.lut4, report.ff, report.depth) == (1, 1, 1)
    assert fpga([verilog(MAC)], "mac", Family.ICE40).dsp == 1


def test_place_and_route(verilog):
    report = fpga([verilog(XOR)], "x", pnr=True, seeds=2)
    assert [s.seed for s in report.seeds] == [1, 2]
    frequencies = [s.fmax_mhz for s in report.seeds]
    assert report.fmax_mhz == pytest.approx(sum(frequencies) / 2)
    # From the wrapper's registers through the table: without the wrapper there is no path at all.
    assert report.io_registers
    assert 100 < report.fmax_mhz < 2000


def test_arguments(verilog, monkeypatch):
    path = verilog(XOR)
    with pytest.raises(SynthError, match="works for ecp5 only, not for ice40"):
        fpga([path], "x", Family.ICE40, pnr=True)
    with pytest.raises(SynthError, match="`--seeds` must be 1 to 100, not 0"):
        fpga([path], "x", seeds=0)
    monkeypatch.setattr(nextpnr_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SynthError, match="`--pnr` needs the Python package"):
        fpga([path], "x", pnr=True)


def cell(name, kind, outputs, parameters=None, **pins):
    return Instance(name, kind, {p: (b,) for p, b in pins.items()}, frozenset(outputs), parameters or {})


def test_depth_of_a_carry_chain_is_one_level():
    carry = [
        cell("c0", "CCU2C", ("S0", "S1", "COUT"), A0=2, A1=3, CIN="0", S0=10, S1=11, COUT=12),
        cell("c1", "CCU2C", ("S0", "S1", "COUT"), A0=4, A1=5, CIN=12, S0=13, S1=14, COUT=15),
    ]
    assert depth(Netlist("n", [], carry, {})) == 1
    lut = cell("l", "LUT4", ("Z",), A=14, Z=20)
    assert depth(Netlist("n", [], [*carry, lut], {})) == 2
    # The low sum bit may feed the high operand of the same cell: no loop, one level more.
    own = cell("c", "CCU2C", ("S0", "S1", "COUT"), A0=2, A1=30, CIN="0", S0=31, S1=32, COUT=33)
    back = cell("l", "LUT4", ("Z",), A=31, Z=30)
    assert depth(Netlist("n", [], [own, back], {})) == 3


def test_depth_stops_at_registers():
    chain = [
        cell("a", "LUT4", ("Z",), A=2, Z=3),
        cell("f", "TRELLIS_FF", ("Q",), DI=3, CLK=9, Q=4),
        cell("b", "LUT4", ("Z",), A=4, Z=5),
        cell("m", "PFUMX", ("Z",), ALUT=5, BLUT=5, C0=4, Z=6),
        cell("w", "TRELLIS_DPR16X4", ("DO",), RAD=6, DI=7, DO=7),  # read of the word that it writes: no loop
    ]
    assert depth(Netlist("n", [], chain, {})) == 2
    mac = cell("d", "SB_MAC16", ("O",), {"TOPOUTPUT_SELECT": "01"}, A=5, O=8)
    assert depth(Netlist("n", [], [chain[2], mac], {})) == 1
    mac = cell("d", "SB_MAC16", ("O",), {"TOPOUTPUT_SELECT": "11"}, A=5, O=8)
    assert depth(Netlist("n", [], [chain[2], mac], {})) == 2


def test_combinational_loops_are_found():
    loop = [cell("a", "LUT4", ("Z",), A=2, Z=3), cell("b", "LUT4", ("Z",), A=3, Z=2)]
    with pytest.raises(SynthError, match="combinational loop"):
        depth(Netlist("n", [], loop, {}))


def test_wrapper_registers_every_port(verilog):
    block = verilog("module add(input [3:0] a, b, output [4:0] s); assign s = a + b; endmodule", "add.v")
    ports = [
        Port("a", "input", (2, 3, 4, 5)),
        Port("b", "input", (6, 7, 8, 9)),
        Port("s", "output", (10,) * 5),
    ]
    text = wrapper(Netlist("add", ports, [], {}))
    assert text is not None
    report = fpga([block, verilog(text, "wrapper.v")], WRAPPER)
    assert report.ff == 4 + 4 + 5
    assert report.lut4 >= fpga([block], "add").lut4


def test_wrapper_refuses_what_it_cannot_clock():
    ports = [Port("ck", "input", (2,)), Port("d", "input", (3, 4)), Port("q", "output", (5,))]
    flip_flop = cell("f", "TRELLIS_FF", ("Q",), CLK=2, DI=3, Q=5)
    text = wrapper(Netlist("n", ports, [flip_flop], {}))
    assert text is not None
    assert ".\\ck (clk)" in text
    assert "input [1:0] i1, output [0:0] o2" in text
    second = cell("g", "TRELLIS_FF", ("Q",), CLK=3, DI=3, Q=6)
    assert wrapper(Netlist("n", ports, [flip_flop, second], {})) is None
    derived = cell("f", "TRELLIS_FF", ("Q",), CLK=9, DI=3, Q=5)
    assert wrapper(Netlist("n", ports, [derived], {})) is None

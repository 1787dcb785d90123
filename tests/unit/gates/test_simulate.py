"""Gate-level simulation: energies by hand, glitches as another simulator sees them, planted faults."""

import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pytest

from lnpu_sim.gates import KINDS, Gates
from lnpu_sim.rtl import RtlError
from support.power_lib import CLOCK_FJ, DFF_FJ, GATE_CLOCK_FJ, GATE_FJ, PIN_FF, PIN_FJ, VOLTS

TOGGLE = """
module top (input clk, input rst, output reg q);
  always @(posedge clk) q <= rst ? 1'b0 : ~q;
endmodule
"""
GATED = """
module top (input clk, input rst, input en, input [7:0] d, output reg [7:0] q);
  always @(posedge clk) if (en) q <= d;
endmodule
"""
MIXED = """
module child (input clk, input [7:0] a, input [7:0] b, output [7:0] s, output [7:0] through, output one);
  reg [7:0] r;
  always @(posedge clk) r <= a + b;
  assign s = r ^ a;
  assign through = b;
  assign one = 1'b1;
endmodule
module top (input clk, input rst, input [7:0] a, input [7:0] b, input en, output reg [15:0] y, output [7:0] m,
            output [7:0] t, output [8:0] c, output k);
  wire [7:0] s, u;
  child one (.clk(clk), .a(a), .b(b), .s(s), .through(t), .one(k));
  child two (.clk(clk), .a(s), .b(t), .s(u), .through(), .one());
  always @(posedge clk) if (rst) y <= 0; else if (en) y <= y + s * u;
  reg [7:0] words [63:0];
  reg [7:0] r;
  integer i;
  initial for (i = 0; i < 64; i = i + 1) words[i] = 0;
  always @(posedge clk) begin
    if (en) words[a[5:0]] <= b;
    if (b[0]) r <= words[b[5:0]];
  end
  assign m = r;
  assign c = a + b;
endmodule
"""


def half(farads):
    return 0.5 * farads * VOLTS**2


def test_energy_of_a_toggle(mapped):
    """One register and one inverter: every number of a cycle by hand."""
    design, circuit, unit = mapped(TOGGLE, clock_gates=False)
    gates = Gates(unit, circuit)
    unit.reset()
    unit.step(3)
    gates.sample(1, 1)
    unit.step(100)
    seen = gates.activity()
    energy = dict(zip(KINDS, seen.energy_fj.sum(0) / 100, strict=True))
    clock = sum(CLOCK_FJ) + 2 * half(PIN_FF)
    assert energy["clock"] == pytest.approx(clock)
    types = sorted(design.netlist.count().items())
    sinks = [
        pin
        for i in design.netlist.instances
        for pin in i.pins
        if i.pins[pin] == design.netlist.ports[-1].bits
    ]
    behind = len(sinks) - 1  # the register's own output is one of them
    load = 3.0 + behind * PIN_FF
    edges = sum(DFF_FJ) / 2 + half(load) + behind * sum(PIN_FJ) / 2
    assert energy["registers"] == pytest.approx(edges), types
    assert energy["sram"] == energy["inputs"] == 0
    assert seen.sampled == seen.cycles == 100
    assert seen.clocked == 1


def test_clock_gates(mapped):
    """Registers without enable have no clock; the gate's own clock pin goes on."""
    design, circuit, unit = mapped(GATED)
    assert design.netlist.count()["ICG"] == 1
    gates = Gates(unit, circuit)
    unit["en"] = 0
    unit.reset()
    spent = []
    for en in (0, 1):
        unit["en"] = en
        unit.step()
        gates.sample(1, 1)
        unit.step(10)
        seen = gates.activity()
        assert seen.clocked == en
        spent.append(seen.energy_fj[:, KINDS.index("clock")].sum() / 10)
    idle = sum(GATE_CLOCK_FJ) + 2 * half(PIN_FF)
    assert spent[0] == pytest.approx(idle)
    assert spent[1] == pytest.approx(idle + sum(GATE_FJ) + 8 * (sum(CLOCK_FJ) + 2 * half(PIN_FF)))


def play(unit, cycles=60, seed=1):
    rng = np.random.default_rng(seed)
    for _ in range(cycles):
        for name, high in (("a", 256), ("b", 256), ("en", 2)):
            unit[name] = int(rng.integers(high))
        unit.step()


def test_lockstep(mapped):
    """Modules, a memory, wires through a module, constants: every output as the Verilog's in every cycle."""
    design, circuit, unit = mapped(MIXED)
    assert design.blocks == ("top", "child")
    assert design.copies == (1, 2)
    assert [m.kind.capacity for m in design.memories] == [512]
    gates = Gates(unit, circuit)
    unit.reset()
    gates.sample(3, 2)
    play(unit)
    seen = gates.activity()
    assert (seen.cycles, seen.sampled) == (60, 40)
    assert seen.accesses[0, 0] > 10 < seen.accesses[0, 1]
    assert seen.transitions > seen.changes > 0
    assert 0 < seen.standard_error < 0.2


def test_a_wrong_gate_is_seen(mapped):
    _, circuit, unit = mapped(MIXED)
    gates = np.copy(circuit.gates)
    gates["table"][len(gates) // 2] ^= np.uint64(0xFFFF_FFFF_FFFF_FFFF)
    broken = Gates(unit, dataclasses.replace(circuit, gates=gates))
    unit.reset()
    broken.sample(7, 1)
    play(unit)
    with pytest.raises(
        RtlError, match=r"differences between netlist and Verilog, the first in cycle \d+ at \w+"
    ):
        broken.activity()


def test_other_ports_are_refused(mapped):
    _, circuit, unit = mapped(MIXED)
    ports = {**circuit.ports, "more": [1]}
    with pytest.raises(RtlError, match="ports of the netlist and of the module differ: more"):
        Gates(unit, dataclasses.replace(circuit, ports=ports))


def test_sample_is_checked(mapped):
    _, circuit, unit = mapped(MIXED)
    with pytest.raises(ValueError, match="`window` must be 1 to 4, not 5"):
        Gates(unit, circuit).sample(4, 5)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs iverilog")
def test_glitches_as_iverilog_sees_them(mapped, tmp_path):
    """The same netlist with the same delays in another simulator: the same number of transitions."""
    text = """
module top (input clk, input rst, input [5:0] a, input [5:0] b, output [11:0] y);
  assign y = a * b;
endmodule
"""
    _, circuit, unit = mapped(text)
    rng = np.random.default_rng(1)
    # Delays of their own: two simulators may order what happens at the same time differently.
    delays = rng.integers(100, 900, (len(circuit.gates), 2))
    own = np.copy(circuit.gates)
    own["delay"] = delays[:, None, :]
    values = rng.integers(0, 64, (40, 2))
    gates = Gates(unit, dataclasses.replace(circuit, gates=own))
    unit["a"] = unit["b"] = 0
    unit.step(2)
    gates.sample(1, 1)
    for a, b in values:
        unit["a"], unit["b"] = int(a), int(b)
        unit.step()
    ours = gates.activity()

    lines = []
    for gate, (fall, rise) in zip(circuit.gates, delays, strict=True):
        pins = [f"n{net}" for net in gate["net"][: gate["pins"]]]
        rows = 1 << len(pins)
        table = f"{rows}'d{int(gate['table'])}"
        lines.append(f"wire [{rows - 1}:0] t{gate['out']} = {table};")
        lines.append(
            f"assign #({rise}, {fall}) n{gate['out']} = t{gate['out']}[{{{', '.join(pins[::-1])}}}];"
        )
    wires = [f"n{net}" for net in circuit.gates["out"]]
    inputs = [f"n{net}" for name in "ab" for net in circuit.ports[name]]
    count = "".join(f"always @({net}) if (on) count = count + 1;\n" for net in (*wires, *inputs))
    drive = "".join(
        f"{{{', '.join(reversed(inputs))}}} = 12'd{int(b) << 6 | int(a)}; #50000;\n" for a, b in values
    )
    bench = f"""`timescale 1ps/1ps
module bench; integer count = 0; reg on = 0;
reg {", ".join(f"{net} = 0" for net in inputs)};
wire {", ".join(wires)};
{chr(10).join(lines)}
{count}
initial begin #50000 on = 1;
{drive}
$display("count %0d", count); end
endmodule
"""
    (tmp_path / "bench.v").write_text(bench)
    subprocess.run(["iverilog", "-g2012", "-o", "bench", "bench.v"], cwd=tmp_path, check=True)
    shown = subprocess.run(["vvp", "bench"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    # What happens in the same picosecond may be ordered differently.
    assert ours.transitions == pytest.approx(int(re.search(r"count (\d+)", shown)[1]), rel=0.002)
    assert ours.transitions > 1.2 * ours.changes  # a multiplier glitches

"""Mapping end to end on the tiny library: the netlist computes, the figures add up, errors are clear."""

import itertools
import json

import pytest

from lnpu.synth import Recipe, SynthError, asic
from lnpu.synth import yosys as yosys_module
from lnpu.synth.conditions import Conditions
from lnpu.synth.mapping import Mapper, MappingPoint
from lnpu.synth.yosys import check_sources

MULTIPLIER = (
    "module mul(input [3:0] a, b, output [7:0] p, output one); assign p = a * b; assign one = 1; endmodule"
)
COUNTER = """
module counter(input clk, rst, en, input [3:0] step, output reg [7:0] q);
  reg [7:0] unused;
  initial q = 8'h5a;
  always @(posedge clk) if (rst) q <= 0; else if (en) q <= q + step;
  always @(posedge clk) unused <= q;
endmodule"""


def evaluate(netlist, library, inputs):
    """Value of every output port by the cells' truth tables."""
    values = {"0": 0, "1": 1}
    for port in netlist.ports:
        if port.direction == "input":
            values |= {bit: inputs[port.name] >> i & 1 for i, bit in enumerate(port.bits)}
    pending = list(netlist.instances)
    while pending:
        ready = [i for i in pending if all(i.pins[p.name][0] in values for p in library.cells[i.type].inputs)]
        assert ready
        for instance in ready:
            pin, function = library.cells[instance.type].single
            row = sum(values[instance.pins[name][0]] << k for k, name in enumerate(function.inputs))
            values[instance.pins[pin.name][0]] = function.table >> row & 1
        pending = [i for i in pending if i not in ready]
    outputs = [p for p in netlist.ports if p.direction == "output"]
    return {p.name: sum(values[bit] << i for i, bit in enumerate(p.bits)) for p in outputs}


@pytest.mark.parametrize("booth", [False, True])
@pytest.mark.parametrize("recipe", list(Recipe))
def test_the_mapped_netlist_computes(tiny, verilog, tmp_path, recipe, booth):
    files = check_sources([verilog(MULTIPLIER)], "mul")
    netlist, text = Mapper(files, "mul", tiny, Conditions.of(tiny), tmp_path).map(MappingPoint(recipe, booth))
    assert {i.type for i in netlist.instances} <= {c.name for c in tiny.cells.values() if tiny.usable(c)}
    assert "module mul" in text.read_text()
    for a, b in itertools.product(range(16), repeat=2):
        assert evaluate(netlist, tiny, {"a": a, "b": b}) == {"p": a * b, "one": 1}, (a, b)


def test_figures_of_a_counter(tiny, verilog):
    report = asic([verilog(COUNTER)], "counter", tiny)
    assert report.ff == 8  # the unread register is gone
    assert report.area_sequential_um2 == 8 * 8
    assert report.area_um2 == pytest.approx(sum(use.area_um2 for use in report.by_cell.values()))
    assert report.area_um2 == pytest.approx(report.area_sequential_um2 + report.area_combinational_um2)
    assert report.cells == sum(use.count for use in report.by_cell.values())
    assert report.kge == pytest.approx(report.area_um2 / 2 / 1000)
    assert report.fmax_mhz == pytest.approx(1000 / report.delay_ns)
    assert report.critical_path[-1]["arrival_ns"] + report.setup_ns == pytest.approx(report.delay_ns)
    assert report.start.startswith(("register q[", "input "))
    assert report.end.startswith("register q[")
    assert (report.recipe, report.booth, report.meets_period, len(report.points)) == ("area", False, None, 1)


def test_sweep_keeps_the_best(tiny, verilog):
    seen = []
    report = asic(
        [verilog(MULTIPLIER)],
        "mul",
        tiny,
        sweep=True,
        period_ns=2.0,
        booth=False,
        progress=lambda done, total, what: seen.append((done, total, what)),
    )
    assert seen == [(0, 4, "area"), (1, 4, "area 2 ns"), (2, 4, "delay"), (3, 4, "delay 2 ns")]
    assert len(report.points) == 4
    assert report.min_area.area_um2 == min(p.area_um2 for p in report.points)
    assert report.min_delay.delay_ns == min(p.delay_ns for p in report.points)
    meeting = [p for p in report.points if p.delay_ns <= 2.0]
    assert report.at_period == min(meeting, key=lambda p: p.area_um2)
    assert (report.area_um2, report.delay_ns) == (report.at_period.area_um2, report.at_period.delay_ns)
    json.dumps(report.as_dict())


def test_booth_is_another_multiplier(tiny, verilog):
    wide = verilog("module m(input [7:0] a, b, output [15:0] p); assign p = a * b; endmodule")
    plain, booth = (asic([wide], "m", tiny, booth=style) for style in (False, True))
    assert (plain.booth, booth.booth) == (False, True)
    assert plain.by_cell != booth.by_cell


def test_a_period_that_nothing_meets(tiny, verilog):
    report = asic([verilog(MULTIPLIER)], "mul", tiny, period_ns=0.01)
    assert (report.meets_period, report.at_period, report.recipe) == (False, None, "delay")


@pytest.mark.parametrize(
    ("text", "top", "message"),
    [
        (
            "module a(input x, output y); assign y = x; endmodule",
            "b",
            r"`--top` b: no such module .*define a\)",
        ),
        ("this is prose\n", "a", "is not a Verilog file: it defines no module"),
        ("module a(input x, output y); assign y = ; endmodule", "a", r"top\.v:1: syntax error"),
        (
            "module a(input x, output y); nix u(x, y); endmodule",
            "a",
            r"Module `\\nix'.* is not part of the design",
        ),
        (
            "module a(input e, d, output reg q); always @* if (e) q = d; endmodule",
            "a",
            "D latches are not supported",
        ),
        (
            "module a(input e, d, output y); assign y = e ? d : 1'bz; endmodule",
            "a",
            r"library tiny has no cell for TBUF \(three-state",
        ),
        (
            "(* blackbox *) module box(input x, output y); endmodule\n"
            "module a(input x, output y); box b(x, y); endmodule",
            "a",
            r"library tiny has no cell for box \(",
        ),
        ("module a(input x, output y); assign y = ~(x & y); endmodule", "a", "combinational loop"),
    ],
)
def test_wrong_designs(tiny, verilog, text, top, message):
    with pytest.raises(SynthError, match=message) as error:
        asic([verilog(text)], top, tiny)
    assert "\n" not in str(error.value)


def test_old_comments_and_binary_files(tiny, tmp_path):
    path = tmp_path / "a.v"
    path.write_bytes(b"// caf\xe9\nmodule a(input x, output y); assign y = ~x; endmodule")
    assert asic([path], "a", tiny).cells == 1
    path.write_bytes(b"module a \0\xff")
    with pytest.raises(SynthError, match="it is not text"):
        asic([path], "a", tiny)


def test_missing_inputs(tiny, tmp_path, verilog, monkeypatch):
    with pytest.raises(SynthError, match=r"absent\.v cannot be read: No such file"):
        asic([tmp_path / "absent.v"], "a", tiny)
    with pytest.raises(SynthError, match="at least one Verilog file"):
        asic([], "a", tiny)
    with pytest.raises(SynthError, match="must be above 0 ns, not -1"):
        asic([verilog(MULTIPLIER)], "mul", tiny, period_ns=-1)
    monkeypatch.setattr(yosys_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SynthError, match="`pyosys` is needed: pip install"):
        asic([verilog(MULTIPLIER)], "mul", tiny)

"""Proofs on the Collector's exported Verilog: lines and assignment table do anything that they may."""

import re

import pytest

from lnpu.engine.collector import Collector
from lnpu.engine.config import EngineConfig
from lnpu.export.verilog import to_verilog
from support.codec_formal import violation, wrapper
from support.engine_drains import collector_ports

CONFIG = EngineConfig(lines=2, pes=2, group=1, tile_entries=2, row_entries=2)


class ShortCollector(Collector):
    """Fewer requests ahead: what is proved counts them, and the search grows with every state."""

    depth = 2


TABLE = """
  // The table: the same address gives the same line.
  reg [15:0] at = 0; reg held = 0; reg line = 0;
  always @(posedge clk) begin at <= {table_at_bank, table_at_pixel}; line <= table_line; end
  reg [15:0] before = 0;
  always @(posedge clk) before <= at;
  always @* if (at == before) assume (table_line == line);
  // Lines that give words of one entry end it together.
  always @* if (words_0_ready && words_1_ready) assume (words_0_last == words_1_last);
"""

RULES = {
    # An offered result stays.
    "result": """
  reg waits = 0; reg [68:0] was = 0;
  always @(posedge clk) begin waits <= !rst && o_valid && !o_ready; was <= {o_lanes, o_last}; end
  always @* if (waits) assert (o_valid && was == {o_lanes, o_last});
""",
    # So does a request.
    "request": """
  reg waits = 0; reg [15:0] was = 0;
  always @(posedge clk) begin
    waits <= !rst && drain_0_valid && !drain_0_ready; was <= {drain_0_address, drain_0_groups};
  end
  always @* if (waits) assert (drain_0_valid && was == {drain_0_address, drain_0_groups});
""",
    # Words are taken only from a line that was asked, and no more of them than it was asked for.
    "asked": """
  reg [4:0] open = 0;
  wire asks = drain_0_valid && drain_0_ready, ends = words_0_valid && words_0_ready && words_0_last;
  always @(posedge clk) open <= rst ? 0 : open + asks - ends;
  always @* if (!rst) begin
    if (words_0_valid && words_0_ready) assert (open != 0);
    assert (open <= 2);
  end
""",
    # A bank is reported as drained only after it was claimed, once.
    "drained": """
  reg [1:0] claimed = 0;
  wire takes = commands_valid && commands_ready && commands_last && (!commands_tile || commands_lines[0]);
  wire [1:0] mask = 2'b1 << commands_bank;
  wire [1:0] pulses = drained[1:0];
  always @(posedge clk) claimed <= rst ? 0 : (claimed & ~pulses) | (takes ? mask : 0);
  always @* if (!rst) begin
    assert ((pulses & ~claimed) == 0);
    if (takes) assert ((claimed & mask) == 0);
  end
""",
}

COVERS = ["o_valid && o_last && !o_ready", "drained[0]", "drained[3]", "drain_0_valid && drain_1_valid"]


def harness(ports, body):
    return wrapper("unit", ports, TABLE + body)


@pytest.fixture(scope="module")
def unit():
    collector = ShortCollector(CONFIG)
    ports = collector_ports(collector)
    widths = {name: (len(signal), out) for name, (signal, out) in ports.items()}
    return to_verilog(collector, "unit", ports), widths


@pytest.mark.parametrize("rule", RULES)
def test_rules_hold(unit, rule):
    verilog, ports = unit
    assert violation(verilog, harness(ports, RULES[rule]), timeout=60) is None


@pytest.mark.parametrize("cover", COVERS)
def test_situations_are_reached(unit, cover):
    verilog, ports = unit
    body = f"always @* if (!rst) assert (!({cover}));"
    assert violation(verilog, harness(ports, body), bound=12) is not None


@pytest.mark.parametrize(
    ("rule", "wire", "broken"),
    [
        ("result", "core_room", "1"),
        ("request", "drain_0_valid", "core_active & words_0_valid"),
        ("asked", "core_take", "words_0_valid"),
        ("drained", "core_claims_free", "1"),
    ],
)
def test_broken_collector_is_caught(unit, rule, wire, broken):
    verilog, ports = unit
    verilog, count = re.subn(rf"assign {wire} = .*;", f"assign {wire} = {broken};", verilog)
    assert count == 1
    assert violation(verilog, harness(ports, RULES[rule]), bound=14) is not None

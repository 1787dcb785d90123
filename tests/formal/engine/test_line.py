"""Proofs on the line's exported Verilog: no sum is read before it is written, none is lost, no slot hangs.

The rules stand inside the unit's text, beside the ports of its memories. One address of a file, chosen
freely, is followed from the read that brings its sums into the PEs to the write that puts them back. Slots
are anything.
"""

import re

import pytest

from lnpu.engine.config import EngineConfig
from support.codec_formal import exported, violation, wrapper
from support.engine_line import LineBench

CONFIG = EngineConfig(lines=1, pes=2, group=1, tile_entries=2, row_entries=2, vector=4)
LINE = "core_line_core_"
BOUND = 24
"""Cycles: 6 of reset and clear, 9 of the first load and slot, and time for three runs at one address."""

MANNERS = """
  // A pass keeps its mode; addresses lie in their bank; offers stay; Row addresses are those of pixels.
  reg wg_was = 0, started = 0, slot_waits = 0, drain_waits = 0; reg [99:0] slot_was = 0, drain_was = 0;
  wire [99:0] slot = {slots_work, slots_dual, slots_lane, slots_code, slots_tile, slots_tile_bank, slots_row,
    slots_row_bank, slots_end, slots_marks_release, slots_marks_last,
    slots_marks_tile_bank, slots_marks_row_bank};
  wire [99:0] drain = {drains_bank, drains_last, drains_ask_address, drains_ask_groups};
  always @(posedge clk) begin
    wg_was <= wg; started <= 1; slot_was <= slot; drain_was <= drain;
    slot_waits <= !rst && !start && slots_valid && !slots_ready;
    drain_waits <= !rst && !start && drains_valid && !drains_ready;
  end
  // An entry is asked for once.
  reg asked = 0; reg [2:0] asked_at;
  always @(posedge clk) if (rst || start) asked <= 0; else if (drains_valid && drains_ready) begin
    asked <= !drains_last; asked_at <= drains_ask_address;
  end
  always @* if (asked && drains_valid) assume (drains_ask_address != asked_at);
  always @* begin
    if (started) assume (start || wg == wg_was);
    if (slot_waits) assume (start || (slots_valid && slot == slot_was));
    if (drain_waits) assume (start || (drains_valid && drain == drain_was));
    assume (slots_tile[1] == slots_tile_bank && slots_row[2] == slots_row_bank);
    assume (wg || !slots_row[0]);
    assume (wg ? !drains_ask_address[2] && drains_ask_address[1] == drains_bank
      : drains_ask_address[2] == drains_bank && !drains_ask_address[0]);
  end
"""

FILES = {
    # mode, read, its address, write, its address
    "tile": (
        "wg",
        f"{LINE}control_read",
        f"{LINE}control_tile",
        f"({LINE}event_d[3] || {LINE}event_e[4])",
        f"{LINE}group0_write_addr",
    ),
    "row": (
        "!wg",
        # A flush sweeps too, but nobody takes what it reads.
        f"({LINE}drain_88 || {LINE}event_c[2] || (!{LINE}event_c[3] && {LINE}event_d[2]))",
        f"{LINE}row_file_signature_addr",
        f"{LINE}row_file_write_en",
        f"{LINE}row_file_write_addr",
    ),
}


def rules(file, check):
    mode, read, read_at, write, write_at = FILES[file]
    return f"""
  (* anyconst *) reg [2:0] mark_;
  reg away_ = 0;                     // the sums of this address are in the PEs, or on their way
  reg [1:0] reads_ = 0;              // the address was read so often
  wire read_ = {mode} && {read} && {read_at} == mark_;
  wire other_ = {mode} && {read} && {read_at} != mark_;
  wire write_ = {mode} && {write} && {write_at} == mark_;
  reg due_ = 0;                      // their place in the PEs was given away
  reg [4:0] wait_ = 0;
  always @(posedge clk) begin
    away_ <= !rst && !start && (read_ || (away_ && !write_));
    due_ <= !rst && !start && {mode} && {read} && away_;
    if (read_ && reads_ != 3) reads_ <= reads_ + 1;
    if (rst || start) reads_ <= 0;
    wait_ <= rst || start || !({LINE}lost_pixel || {LINE}lost_drain) ? 0 : wait_ + 1;
  end
  always @* if (!rst && !start) begin {check} end
"""


CHECKS = {
    # A word is read only when the sums that belong there are back.
    "fresh": "if (read_) assert (!away_);",
    # Sums whose place in the PEs is given away are written in the next cycle, a drained entry's zero too.
    "kept": "if (due_) assert (write_ || !away_);",
    # A slot whose banks are there waits only so long, whatever the slots before it were.
    "progress": "assert (wait_ <= 5);",
}
COVERS = [
    ("tile", "read_ && reads_ == 3"),
    ("row", "read_ && reads_ == 2"),
    ("tile", "due_ && write_"),
    ("tile", "read_ && slots_valid && slots_tile == mark_"),
    ("row", "wait_ == 2"),
]


def with_rules(verilog, file, check):
    """The unit's text with the rules inside."""
    assert verilog.count("endmodule") == 1
    # A wire that the exporter does not name must be an error, not a free input.
    return "`default_nettype none\n" + verilog.replace("endmodule", rules(file, check) + "endmodule")


@pytest.fixture(scope="module")
def unit():
    verilog, ports = exported(LineBench(CONFIG), "unit")
    return verilog, wrapper("unit", ports, MANNERS)


@pytest.mark.parametrize(
    ("file", "rule"), [("tile", "fresh"), ("row", "fresh"), ("tile", "kept"), ("row", "progress")]
)
def test_rules_hold(unit, file, rule):
    verilog, harness = unit
    assert violation(with_rules(verilog, file, CHECKS[rule]), harness, bound=BOUND) is None


@pytest.mark.parametrize(("file", "cover"), COVERS)
def test_situations_are_reached(unit, file, cover):
    verilog, harness = unit
    assert violation(with_rules(verilog, file, f"assert (!({cover}));"), harness, bound=BOUND) is not None


@pytest.mark.parametrize(
    ("file", "rule", "wire", "broken"),
    [
        ("tile", "fresh", "visits_near", "0"),  # the interlock at distance 2
        ("row", "fresh", "visits_far", "1"),  # visits closer than a sweep
        ("tile", "kept", "event_d", None),
        ("row", "progress", "visits_far", "0"),
    ],
)
def test_broken_line_is_caught(unit, file, rule, wire, broken):
    verilog, harness = unit
    if broken is None:  # a store that gets lost
        verilog, count = re.subn(rf"{LINE}event_d <= (\w+);", rf"{LINE}event_d <= \1 & 5'h17;", verilog)
    else:
        verilog, count = re.subn(rf"(assign {LINE}{wire} = )[^;]*;", rf"\g<1>{broken};", verilog)
    assert count == 1
    assert violation(with_rules(verilog, file, CHECKS[rule]), harness, bound=BOUND) is not None

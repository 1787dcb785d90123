"""Proofs on the Feed's exported Verilog: every element of a block becomes its slots, once and in order.

One element of one block is followed, both chosen freely. A word of the X buffer holds its own address, so
a slot shows from where it came. Queues are shortened so that they fill up within the bound.
"""

import re

import pytest

from lnpu.engine import block_queue, fetch
from lnpu.engine.config import EngineConfig
from lnpu.engine.feed import Feed
from support.codec_formal import exported, violation, wrapper

CONFIG = EngineConfig(lines=1, pes=1, group=1, blocks=2, words=64, units=2, tile_entries=2, row_entries=2)
BOUNDS = {"element": 9, "marks": 10, "conservation": 12, "progress": 17}
"""Cycles: the first is reset, a slot follows its block by 5; the rest is time for more blocks and stalls."""

SCENE = """
  // What the dealer promises: up to 3 fp8 and 2 fp16 elements, at least one of them; a constant 1 alone.
  wire pad = blocks_span_n8[0] && blocks_span_n16 != 0;
  reg waits = 0; reg [99:0] was;
  wire [99:0] block = {blocks_span_start, blocks_span_n8, blocks_span_n16, blocks_units, blocks_one,
    blocks_tile,
    blocks_row, blocks_both, blocks_x_bank, blocks_tile_bank, blocks_row_bank, blocks_end, blocks_x_free,
    blocks_release, blocks_last};
  wire clear = rst || start;
  always @(posedge clk) begin waits <= !clear && blocks_valid && !blocks_ready; was <= block; end
  always @* begin
    if (waits) assume (blocks_valid && block == was);
    assume (blocks_span_n8 <= 3 && blocks_span_n16 <= 2);
    assume (blocks_end == (blocks_span_n8 == 0 && blocks_span_n16 == 0));
    if (blocks_one) assume (blocks_span_n8 + blocks_span_n16 == 1);
    assume (blocks_units == (blocks_one ? 0 : blocks_span_n8 + pad + 2 * blocks_span_n16));
  end
  reg [15:0] one_was; reg started = 0;
  always @(posedge clk) begin one_was <= one_code; started <= 1; end
  always @* if (started) assume (one_code == one_was);
  // A word holds its address: index 0, codes of even and odd units.
  reg [6:0] at = 0;
  always @(posedge clk) if (fetch_valid && fetch_ready) at <= {fetch_bank, fetch_word};
  always @* assume (data == {at, 1'b1, 6'd0, at, 1'b0, 6'd0});

  wire put = blocks_valid && blocks_ready;
  wire got = slots_valid && slots_ready && slots_work;
  wire [3:0] size = blocks_end ? 0 : blocks_span_n8 + (blocks_both ? 2 : 1) * blocks_span_n16;
  reg [7:0] left = 0, ends = 0;               // slots and ends that were ordered and have not come
  wire ended = slots_valid && slots_ready && slots_end;
  always @(posedge clk) begin
    left <= clear ? 0 : left + (put ? size : 0) - got;
    ends <= clear ? 0 : ends + (put && blocks_end) - ended;
  end

  // The followed element: number `pick` of the block's slots, behind `ahead` slots.
  wire mark = $anyseq; wire [3:0] pick = $anyseq;
  reg follows = 0; reg [7:0] ahead; reg [6:0] word; reg odd, wide, second, one; reg [1:0] tile, row;
  wire is_wide = pick >= blocks_span_n8;
  wire [3:0] rest = pick - blocks_span_n8;
  wire [3:0] place = is_wide ? blocks_span_n8 + pad + 2 * (blocks_both ? rest >> 1 : rest) : pick;
  wire begins = put && !blocks_end && mark && pick < size && !follows;
  wire mine = follows && ahead == 0 && slots_valid && slots_work;
  always @(posedge clk) if (clear) follows <= 0; else if (begins) begin
    follows <= 1; ahead <= left - got + pick;
    word <= {blocks_x_bank, blocks_span_start} + (place >> 1);
    word[6] <= blocks_x_bank;
    odd <= place[0]; wide <= is_wide; second <= is_wide && blocks_both && rest[0]; one <= blocks_one;
    tile <= blocks_tile; row <= blocks_row;
  end else if (got) begin
    ahead <= ahead - 1;
    if (ahead == 0) follows <= 0;
  end
  // The followed end: its marks come with or before the first slot behind it, and after all before it.
  reg seeks = 0; reg [7:0] before, others; reg release_, last_;
  wire meets = seeks && others == 0 && slots_valid && slots_end;
  always @(posedge clk) if (clear) seeks <= 0;
  else if (put && blocks_end && mark && !seeks) begin
    seeks <= 1; before <= left - got; others <= ends - ended;
    release_ <= blocks_release; last_ <= blocks_last;
  end else begin
    if (got) before <= before - 1;
    if (ended) others <= others - 1;
    if (ended && others == 0) seeks <= 0;
  end
  // Cycles in which the environment holds nothing back.
  wire open = slots_ready && (fetch_ready || !fetch_valid);
  reg [4:0] dry = 0, shut = 0;
  always @(posedge clk) begin
    dry <= clear || slots_valid || (left == 0 && ends == 0) ? 0 : dry + open;
    shut <= clear || blocks_ready ? 0 : shut + open;
  end
"""

RULES = {
    # The element that a slot must hold is in it.
    "element": """if (mine) begin
      assert (slots_dual == !wide && slots_lane == second && slots_row == row && slots_tile == tile);
      assert (slots_code == (one ? one_code : wide ? {word, 1'b1, word, 1'b0} : {8'd0, word, odd}));
    end""",
    # No slot or mark is invented; when the feed says that it is empty, none was lost.
    "conservation": """begin
      if (slots_valid && slots_work) assert (left != 0);
      if (slots_valid && slots_end) assert (ends != 0);
      if (idle && !put) assert (left == 0 && ends == 0);
    end""",
    "marks": """begin
      if (meets) assert (before == 0 && slots_marks_release == release_ && slots_marks_last == last_);
      if (seeks && others == 0 && got && before == 0) assert (slots_end);
    end""",
    # Whatever stalled before: after so many open cycles a slot comes, and a block is taken.
    "progress": "assert (dry <= 5 && shut <= 12);",
}
COVERS = ["mine && second && !one", "mine && odd", "meets && slots_work", "shut == 8", "dry == 5"]


def harness(ports, check):
    return wrapper("unit", ports, f"{SCENE}  always @* if (!clear) {check}\n")


@pytest.fixture(scope="module")
def unit():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_queue, "DEPTH", 2)
        patch.setattr(fetch, "DEPTH", 4)
        return exported(Feed(CONFIG), "unit")


@pytest.mark.parametrize("rule", RULES)
def test_rules_hold(unit, rule):
    verilog, ports = unit
    assert violation(verilog, harness(ports, RULES[rule]), bound=BOUNDS[rule]) is None


@pytest.mark.parametrize("cover", COVERS)
def test_situations_are_reached(unit, cover):
    verilog, ports = unit
    assert violation(verilog, harness(ports, f"assert (!({cover}));"), bound=13) is not None


@pytest.mark.parametrize(
    ("rule", "wire", "broken"),
    [
        ("element", "fetch_i_ready", "1"),  # a block over one whose words are not fetched
        ("conservation", "unpack_moves", "core_core_unpack_issue"),  # lane 1 is left out
        ("marks", "unpack_free", "1"),  # a slot over one that waits
        ("progress", "fetch_i_ready", "slots_valid"),  # each waits for the other
    ],
)
def test_broken_feed_is_caught(unit, rule, wire, broken):
    verilog, ports = unit
    verilog, count = re.subn(rf"(assign core_core_{wire} = )[^;]*;", rf"\g<1>{broken};", verilog)
    assert count == 1
    assert violation(verilog, harness(ports, RULES[rule]), bound=BOUNDS[rule]) is not None

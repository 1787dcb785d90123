"""Proofs on exported Verilog: every element that goes into a transposing buffer, or into the assembler of Row
operands, comes out once and in its place, for every order of events.

One element of one tile (pixel), chosen freely, is followed; of its 16 bits one, as all are treated alike.
Each proof travels with a cover (the element is delivered) and planted bugs that the same harness catches.
"""

import re

import pytest
from amaranth.hdl import Value

from lnpu.buffer.scheme import Scheme
from lnpu.buffer.transposer import make_transposer
from lnpu.engine.config import EngineConfig
from lnpu.engine.operands import RowAssembler
from lnpu.export.verilog import to_verilog
from support.codec_formal import exported, violation, wrapper
from support.engine_loads import LoaderBench, bench_ports


def transposer_harness(ports, size, latency, checks, row=0, column=0):
    """Follows element `row` of column `column` of a tile, which `mark` chooses when it begins."""
    here = f"read_index == {row}" if latency == 0 else f"was_index == {row}"
    return wrapper(
        "unit",
        ports,
        f"""
  // What the interface promises to the buffer: columns and rows in ascending order, 1 to `size` of them.
  reg [5:0] writes = 0, reads = 0;
  always @* begin
    assume (i_axis == 1 && read_axis == 0 && i_index == writes && read_index == reads);
    assume (i_last || writes != {size - 1});
    assume (read_last || reads != {size - 1});
  end
  wire put = !rst && i_valid && i_ready, get = !rst && read_valid && read_ready;
  wire mark = $anyseq;
  reg [1:0] inside = 0;                    // complete tiles that are not read to their end
  reg follows = 0, known = 0, value = 0, complete = 0;
  reg [1:0] ahead = 0;                     // tiles to be read before the followed one
  reg [2:0] idle = 0;
  reg due = 0, late = 0; reg [5:0] was_index = 0;
  wire leaves = get && read_last;
  wire mine = follows && complete && ahead == 0;
  always @(posedge clk) if (rst) begin
    writes <= 0; reads <= 0; inside <= 0; follows <= 0; known <= 0; complete <= 0; idle <= 0; due <= 0;
  end else begin
    if (put) writes <= i_last ? 0 : writes + 1;
    if (get) reads <= read_last ? 0 : reads + 1;
    inside <= inside + (put && i_last) - leaves;
    if (put && writes == 0 && mark && !follows) begin
      follows <= 1; known <= 0; complete <= i_last; ahead <= inside - leaves;
    end else if (follows) begin
      if (put && i_last) complete <= 1;
      if (leaves && ahead != 0) ahead <= ahead - 1;
      if (leaves && mine) follows <= 0;
    end
    if (put && writes == {column} && (follows ? !complete : (mark && writes == 0))) begin
      known <= 1; value <= i_elements[{16 * row}];
    end
    idle <= (inside != 0 && read_valid && o_ready && !get) ? idle + 1 : 0;
    if (get) begin
      due <= mine && known; late <= value; was_index <= read_index;
    end else if (o_ready) due <= 0;
  end
  wire compare = {"get && mine && known" if latency == 0 else "due && o_valid && o_ready"};
  wire at_place = compare && ({here});
  wire wanted = {"value" if latency == 0 else "late"};
  always @* if (!rst) begin {checks} end
""",
    )


IN_PLACE = """
    if (at_place) assert (o_elements[{bit}] == wanted);
    if (get) assert (inside != 0);
    assert (inside <= 2);
    assert (idle < 2);
"""


@pytest.mark.parametrize(
    ("scheme", "size"), [(Scheme.SHIFT, 2), (Scheme.SHIFT, 3), (Scheme.REGISTERS, 2)], ids=str
)
def test_transposed_elements_arrive_once_in_place(scheme, size):
    unit = make_transposer(scheme, size)
    latency = unit.latency
    verilog, ports = exported(unit, "unit")
    for row, column in ((0, 0), (0, size - 1), (size - 1, 0), (size - 1, size - 1)):
        harness = transposer_harness(ports, size, latency, IN_PLACE.format(bit=16 * column), row, column)
        assert violation(verilog, harness) is None
    # Two rows of a followed tile are reached, behind another tile.
    cover = transposer_harness(ports, size, latency, "assert (!(at_place && wanted));", size - 1, size - 1)
    assert violation(verilog, cover, bound=16) is not None


@pytest.mark.parametrize(
    ("wire", "broken"),
    [
        ("i_ready", "1"),  # a column into a tile that waits
        ("core_move", "core_complete"),  # a tile over one that leaves
        ("core_shift", "core_leaving & o_ready"),  # a row that nobody read
        ("o_elements", "{2{core_out1[15:0]}}"),
    ],
)
def test_broken_buffer_is_caught(wire, broken):
    verilog, ports = exported(make_transposer(Scheme.SHIFT, 2), "unit")
    verilog, count = re.subn(rf"assign {wire} = .*;", f"assign {wire} = {broken};", verilog)
    assert count == 1
    found = [
        violation(verilog, transposer_harness(ports, 2, 0, IN_PLACE.format(bit=0), row, 0), bound=16)
        for row in range(2)
    ]
    assert found != [None, None]


ROWS = EngineConfig(lines=1, pes=3, group=1, vector=4, row_entries=4)
"""Two chunks a pixel, two words a pixel, and a group without a PE."""


def rows_harness(ports, lane, word, bit, checks):
    """Follows `lane` of a pixel, which belongs to `bit` of `word`; `mark` chooses the pixel as it begins."""
    chunk, element = divmod(lane, ROWS.vector)
    return wrapper(
        "unit",
        ports,
        f"""
  reg [2:0] chunks = 0;
  always @* begin
    assume (i_lines == 1 && i_chunk == chunks);
    assume (i_end || chunks != {ROWS.chunks - 1});
  end
  wire mark = $anyseq;
  wire put = !rst && i_valid && i_ready;
  reg follows = 0, complete = 0, value = 0; reg [1:0] ahead = 0, inside = 0, words = 0;
  reg [{ROWS.row_bits - 1}:0] base;
  wire leaves = valid && words == {ROWS.operand_words - 1};
  wire mine = valid && follows && complete && ahead == 0;
  wire begins = put && chunks == 0 && mark && !follows;
  always @(posedge clk) if (rst) begin
    chunks <= 0; follows <= 0; inside <= 0; words <= 0;
  end else begin
    if (put) chunks <= i_end ? 0 : chunks + 1;
    if (valid) words <= leaves ? 0 : words + 1;
    inside <= inside + (put && i_end) - leaves;
    if (begins) begin
      follows <= 1; complete <= i_end; ahead <= inside - leaves; value <= 0;
    end else if (follows) begin
      if (put && i_end) complete <= 1;
      if (leaves && ahead != 0) ahead <= ahead - 1;
      if (leaves && mine) follows <= 0;
    end
    if (put && chunks == {chunk} && (begins || (follows && !complete))) value <= i_elements[{16 * element}];
    if (put && i_end && (begins || (follows && !complete))) base <= i_word;
  end
  wire at_place = mine && words == {word};
  wire [{ROWS.row_bits - 1}:0] at = base + words;
  always @* if (!rst) begin {checks.format(bit=bit)} end
""",
    )


ROW_RULES = """
    if (at_place) assert (beat_lanes[{bit}] == value);
    if (mine) assert (beat_word == at);
    if (valid) assert (inside != 0);
    assert (inside <= 2);
"""
# Lane: word and position. Group `g` is half `g mod 2` of word `g div 2`; low lane first, then high lane.
PLACES = {0: (0, 0), 1: (0, 2), 2: (1, 0), 3: (0, 1), 4: (0, 3), 5: (1, 1)}


@pytest.mark.parametrize("lane", [0, 2, 3, 4, 5])
def test_row_operands_arrive_once_in_place(lane):
    """Lanes that a pixel's vectors do not reach are zero."""
    verilog, ports = exported(RowAssembler(ROWS), "unit")
    word, position = PLACES[lane]
    assert violation(verilog, rows_harness(ports, lane, word, 16 * position, ROW_RULES)) is None
    cover = rows_harness(ports, lane, word, 0, "assert (!(at_place && value));")
    assert violation(verilog, cover, bound=14) is not None
    broken, count = re.subn(r"assign i_ready = .*;", "assign i_ready = 1;", verilog)
    assert count == 1
    assert violation(broken, rows_harness(ports, lane, word, 16 * position, ROW_RULES), bound=14) is not None


LOADS = EngineConfig(lines=2, pes=1, group=1, vector=2, tile_entries=2, row_entries=2)


def loads_harness(ports, checks):
    """Commands that stay within their bank; anything else is free."""
    return wrapper(
        "unit",
        ports,
        f"""
  always @* begin
    assume (commands_first >> 1 == commands_bank && commands_entries <= 1 - commands_first[0]);
    assume (commands_chunks == 0);
  end
  always @* if (!rst) begin {checks} end
""",
    )


def test_banks_are_written_only_while_wanted():
    """For every order of commands, vectors and releases, straight, transposed and Row."""
    unit = LoaderBench(LOADS)
    text = to_verilog(unit, "unit", bench_ports(unit))
    ports = {name: (len(Value.cast(signal)), out) for name, (signal, out) in bench_ports(unit).items()}
    assert violation(text, loads_harness(ports, "assert (!early);")) is None
    for what in ("pulse_valid && pulse_tile == 4", "pulse_valid && pulse_row == 3"):
        assert violation(text, loads_harness(ports, f"assert (!({what}));"), bound=24) is not None
    broken = re.sub(r"assign (core_loader_claims_free) = .*;", r"assign \1 = 1;", text)
    assert broken != text
    assert violation(broken, loads_harness(ports, "assert (!early);"), bound=16) is not None

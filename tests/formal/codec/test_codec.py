"""Proofs on exported Verilog: stream rules, indices inside the block, entries and blocks conserved.

Each proof travels with a cover (the situation is reached) and a planted bug that the same harness catches.
"""

import pytest

from lnpu.codec.dense import DenseDecoder
from lnpu.codec.encoder import Encoder
from lnpu.codec.parser import SparseParser
from lnpu.codec.slotter import Slotter
from lnpu.codec.sparse import SparseDecoder
from lnpu.formats import FP32
from support.codec_formal import exported, hold_harness, violation, wrapper

UNITS = {
    "sparse": (lambda: SparseDecoder(3), ["o"]),
    "dense": (lambda: DenseDecoder(4), ["o"]),
    "encoder": (lambda: Encoder(FP32, 4), ["o", "meta"]),
}


@pytest.mark.parametrize("name", ["sparse", "dense", pytest.param("encoder", marks=pytest.mark.full)])
def test_offered_beats_stay(name):
    make, streams = UNITS[name]
    verilog, ports = exported(make(), "unit")
    for stream in streams:
        assert violation(verilog, hold_harness("unit", ports, stream)) is None
    if name == "encoder":  # its output is gated combinationally, and the first beat comes after 40 cycles
        return
    # The same harness rejects a unit whose output register is emptied without being asked.
    rank = next(line for line in verilog.splitlines() if "<= " in line and line.strip().startswith("o_valid"))
    broken = verilog.replace(rank, rank.replace("<= ", "<= o_ready & "))
    assert violation(broken, hold_harness("unit", ports, "o"), bound=14) is not None


CONSTANT_LENGTH = """
  reg [6:0] length;
  always @(posedge clk) length <= command_length;
  always @* if (!first) assume (length == command_length);
  always @* assume (command_length <= 64);
"""


def test_index_never_leaves_the_block():
    """For every stream of words, malformed ones too, at every block length."""
    verilog, ports = exported(SparseParser(3), "unit")
    check = "always @* if (!first && o_valid && o_entry) assert (o_index < command_length);"
    assert violation(verilog, wrapper("unit", ports, CONSTANT_LENGTH + check)) is None
    cover = "always @* if (!first && o_valid && o_entry && o_index == 7) assert (0);"
    assert violation(verilog, wrapper("unit", ports, CONSTANT_LENGTH + cover), bound=8) is not None
    too_strict = check.replace("o_index < command_length", "o_index + 1 < command_length")
    assert violation(verilog, wrapper("unit", ports, CONSTANT_LENGTH + too_strict), bound=8) is not None


BLOCKS = """
  always @* assume (command_blocks <= 3 && command_blocks != 0);
  reg [3:0] owed = 0;
  wire started = command_valid && command_ready, ended = o_valid && o_ready && o_last;
  always @(posedge clk) owed <= rst ? 0 : owed + (started ? command_blocks : 0) - ended;
"""


def test_no_block_ends_twice_and_none_is_invented():
    """A block's end is delivered only while the commands so far owe one."""
    verilog, ports = exported(SparseParser(3), "unit")
    check = "always @* if (!first && o_valid && o_last) assert (owed != 0);"
    assert violation(verilog, wrapper("unit", ports, BLOCKS + check)) is None
    cover = "always @* if (!first && ended && owed == 3) assert (0);"
    assert violation(verilog, wrapper("unit", ports, BLOCKS + cover), bound=10) is not None


def slot_harness(ports, k, value_bits, lanes, check):
    """Sums over a vector: entries and elements in, entries and elements out."""
    width = k + value_bits
    fields = [f"o_bits[{n * width + k} +: {value_bits}]" for n in range(lanes)]
    elements = " + ".join(f"(o_count > {n} && {f} != 0)" for n, f in enumerate(fields))
    covered = " + ".join(f"(o_count > {n} ? 7'd1 + o_bits[{n * width} +: {k}] : 7'd0)" for n in range(lanes))
    present = " + ".join(f"{{3'd0, present[{n}]}}" for n in range(lanes))
    codes = "\n".join(
        f"  always @* if (present[{n}]) assume (codes[{n * value_bits} +: {value_bits}] != 0);"
        for n in range(lanes)
    )
    return wrapper(
        "unit",
        ports,
        f"""
  always @* assume (k == {k});
{codes}
  reg [6:0] pending = 0;  // zeros that no entry has covered yet
  wire [3:0] entries = {elements};
  wire [3:0] elements = {present};
  wire [6:0] covered = {covered};
  wire [6:0] after = pending + {lanes} - covered;
  always @(posedge clk) if (rst) pending <= 0; else if (step) pending <= last ? 0 : after;
  {check}
""",
    )


@pytest.mark.parametrize(("k", "value_bits"), [(1, 8), (2, 8), (4, 8), (4, 16), (6, 16)])
def test_entries_in_are_entries_out(k, value_bits):
    """Every element gives one entry, and runs, escapes and the pending run cover every position once."""
    lanes = 4
    verilog, ports = exported(Slotter(lanes, value_bits), "unit")
    conserved = (
        f"always @* if (!first) assert (entries == elements && after < {1 << k} && o_keep <= o_count"
        f" && o_count <= {lanes} && (elements == 0) == (o_keep == 0));"
    )
    assert violation(verilog, slot_harness(ports, k, value_bits, lanes, conserved)) is None
    wrong = conserved.replace("entries == elements", "entries != 3")
    assert violation(verilog, slot_harness(ports, k, value_bits, lanes, wrong), bound=4) is not None

"""Memories as black boxes: found, replaced without changing what the design does, described."""

import numpy as np
import pytest

from lnpu.synth.conditions import Conditions
from lnpu.synth.errors import SynthError
from lnpu.synth.library import Library
from lnpu.synth.sram import Sram, SramModel, sram_verilog
from lnpu_sim.rtl import build
from support.power_lib import liberty

TEXT = """
module top (input clk, input [5:0] ra, input [5:0] rb, input re, input we, input [5:0] wa, input [7:0] d,
            output reg [7:0] a, output reg [7:0] b, output [3:0] low, output [7:0] now);
  reg [7:0] words [0:63];
  reg [3:0] few [0:7];
  reg [7:0] open [0:63];
  reg [3:0] q;
  always @(posedge clk) begin
    if (we) words[wa] <= d;
    if (we) few[wa[2:0]] <= d[3:0];
    if (we) open[wa] <= d;
    if (re) a <= words[ra];
    b <= words[rb];
    q <= few[ra[2:0]];
  end
  assign low = q;
  assign now = open[ra];
endmodule
"""


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "made_up.lib"
    path.write_text(liberty())
    return Library(path)


def test_extraction(library, tmp_path):
    """The large memory with synchronous reads becomes a black box with two read ports; a small one and one
    that is read without a clock become registers. The design does what it did."""
    from lnpu.synth.blocks import map_blocks

    source = tmp_path / "top.v"
    source.write_text(TEXT)
    around = Conditions("BUF", 0.1, 3.0)
    design = map_blocks([source], "top", library, around, tmp_path, period_ns=10)
    assert [memory.kind for memory in design.memories] == [Sram(64, 8, 2)]
    units = build([TEXT], "top", seed=0), build([design.source, design.library_of_memories], "top", seed=0)
    rng = np.random.default_rng(1)
    for _ in range(300):
        drive = {name: int(rng.integers(64)) for name in ("ra", "rb", "wa")}
        drive |= {"re": int(rng.integers(2)), "we": int(rng.integers(2)), "d": int(rng.integers(256))}
        if drive["wa"] in (drive["ra"], drive["rb"]):
            drive["we"] = 0  # what such a read gives is left open
        for unit in units:
            for name, value in drive.items():
                unit[name] = value
            unit.step()
        assert [units[0][name] for name in ("a", "b", "low", "now")] == [
            units[1][name] for name in ("a", "b", "low", "now")
        ]


def test_no_clock_gate(tmp_path):
    from lnpu.synth.blocks import map_blocks

    path, source = tmp_path / "plain.lib", tmp_path / "top.v"
    path.write_text(liberty(clock_gate=False))
    source.write_text(TEXT)
    with pytest.raises(SynthError, match="library made_up: no clock gate"):
        map_blocks([source], "top", Library(path), Conditions("BUF", 0.1, 3.0), tmp_path, period_ns=10)


def test_model():
    model = SramModel(
        area_um2=100,
        area_bit_um2=2,
        bank_words=64,
        read_bit_fj=10,
        read_word_bit_fj=1,
        write_bit_fj=20,
        write_word_bit_fj=2,
        access_pj=3,
        leakage_bit_pw=1000,
    )
    one, two, long = Sram(32, 8), Sram(32, 8, 2), Sram(1024, 8)
    assert (one.address_bits, long.address_bits, Sram(1, 8).address_bits) == (5, 10, 1)
    assert model.area(one) == 100 + 2 * 256
    assert model.area(two) == 2 * model.area(one)
    assert model.read_fj(one) == 3000 + 8 * (10 + 32)
    assert model.read_fj(long) == 3000 + 8 * (10 + 64)  # one bank of 64 words works
    assert model.write_fj(two) == 2 * (3000 + 8 * (20 + 64))
    assert model.leakage_nw(one) == 256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 3", "`colour` is not one of access_ns"),
        ("access_pj = -1", "`access_pj` must be a number of at least 0, not -1"),
        ("bank_words = 0.5", "`bank_words` must be"),
        ("access_pj = ", "cannot be read"),
    ],
)
def test_model_file(tmp_path, text, message):
    path = tmp_path / "sram.toml"
    path.write_text(text)
    with pytest.raises(SynthError, match=message):
        SramModel.load(path)
    with pytest.raises(SynthError, match="cannot be read"):
        SramModel.load(tmp_path / "missing.toml")


def test_model_file_keeps_defaults(tmp_path):
    path = tmp_path / "sram.toml"
    path.write_text("access_pj = 2.5\n")
    assert SramModel.load(path) == SramModel(access_pj=2.5)


def test_black_box():
    text = sram_verilog(Sram(64, 8), behaviour=False)
    assert text.startswith("(* blackbox *)\nmodule lnpu_sram_1r1w_64x8 (")
    assert "words" not in text

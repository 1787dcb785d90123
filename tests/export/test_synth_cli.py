"""`lnpu synth`: output, files, and one clear line for every user error."""

import json
from pathlib import Path

import pytest

LIBERTY = Path(__file__).parents[1] / "data" / "tiny.lib"
COUNTER = """
module counter(input clk, rst, output reg [3:0] q);
  always @(posedge clk) if (rst) q <= 0; else q <= q + 1;
endmodule
"""


@pytest.fixture
def counter(tmp_path):
    path = tmp_path / "counter.v"
    path.write_text(COUNTER)
    return path


def test_json_has_the_documented_keys(lnpu, counter):
    code, out, err = lnpu("synth", counter, "--top", "counter", "--liberty", LIBERTY, "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    documented = Path(__file__).parents[2].joinpath("docs", "synth.md").read_text()
    missing = [key for key in report if f"`{key}`" not in documented]
    assert not missing
    assert (report["kind"], report["top"], report["ff"]) == ("asic", "counter", 4)
    assert report["area_sequential_um2"] == 32


def test_fpga_json_has_the_documented_keys(lnpu, counter):
    code, out, _ = lnpu("synth", counter, "--top", "counter", "--family", "ice40", "--json")
    report = json.loads(out)
    documented = Path(__file__).parents[2].joinpath("docs", "synth.md").read_text()
    assert code == 0
    assert not [key for key in report if f"`{key}`" not in documented]
    assert (report["kind"], report["family"], report["ff"]) == ("fpga", "ice40", 4)


def test_table_and_files(lnpu, counter, tmp_path):
    folder = tmp_path / "out"
    arguments = [
        "--top",
        "counter",
        "--liberty",
        LIBERTY,
        "--sweep",
        "--no-booth",
        "--period",
        "5",
        "-o",
        folder,
    ]
    code, out, err = lnpu("synth", counter, *arguments)
    assert (code, err) == (0, "")  # no progress bar away from a terminal
    assert "4 flip-flops" in out
    assert "5 ns: met" in out
    assert "mappings" in out
    assert {p.name for p in folder.iterdir()} == {
        "netlist.v",
        "report.json",
        "index.html",
        "area.png",
        "sweep.png",
    }


def test_dont_use_is_obeyed(lnpu, counter):
    base = ["synth", counter, "--top", "counter", "--liberty", LIBERTY, "--json"]
    assert "XR2X1" in json.loads(lnpu(*base)[1])["by_cell"]
    assert "XR2X1" not in json.loads(lnpu(*base, "--dont-use", "xr2*", "--dont-use", "clk*")[1])["by_cell"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["counter.v", "--top", "counter"], "give one of `--liberty FILE`"),
        (["counter.v", "--top", "counter", "--liberty", "LIB", "--family", "ecp5"], "give one of"),
        (["absent.v", "--top", "counter", "--liberty", "LIB"], "absent.v cannot be read: No such file"),
        (["counter.v", "--top", "nix", "--liberty", "LIB"], "`--top` nix: no such module"),
        (["counter.v", "--top", "counter", "--liberty", "absent.lib"], "absent.lib cannot be read"),
        (["counter.v", "--top", "counter", "--liberty", "counter.v"], "not a Liberty statement"),
        (["counter.v", "--top", "counter", "--liberty", "LIB", "--period", "0"], "must be above 0 ns"),
        (["counter.v", "--top", "counter", "--liberty", "LIB", "--dont-use", "dff*"], "no usable flip-flop"),
        (
            ["counter.v", "--top", "counter", "--liberty", "LIB", "--driving-cell", "NIX"],
            "driving cell 'NIX'",
        ),
        (["counter.v", "--top", "counter", "--family", "ice40", "--pnr"], "works for ecp5 only"),
        (
            ["counter.v", "--top", "counter", "--liberty", "LIB", "-o", "counter.v"],
            "is a file; a folder is needed",
        ),
        (
            ["counter.v", "--top", "counter", "--family", "ecp5", "--sweep"],
            "`--sweep` works with `--liberty` only",
        ),
        (
            ["counter.v", "--top", "counter", "--liberty", "LIB", "--pnr"],
            "`--pnr` works with `--family` only",
        ),
        (["broken.v", "--top", "x", "--liberty", "LIB"], "syntax error"),
    ],
)
def test_user_errors_are_one_line(lnpu, counter, monkeypatch, arguments, message):
    monkeypatch.chdir(counter.parent)
    Path("broken.v").write_text("module x(input a, output y); assign = a; endmodule")
    before = sorted(Path().iterdir())
    if "-o" not in arguments:
        arguments = [*arguments, "-o", "out"]
    code, out, err = lnpu("synth", *[str(LIBERTY) if a == "LIB" else a for a in arguments])
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
    assert sorted(Path().iterdir()) == before


def test_brackets_in_messages_survive(lnpu, counter, monkeypatch):
    from lnpu.synth import yosys

    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda name: None)
    code, _, err = lnpu("synth", counter, "--top", "counter", "--family", "ecp5")
    assert (code, "pip install pyosys" in err) == (2, True)

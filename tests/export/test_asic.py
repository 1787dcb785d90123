"""`lnpu asic`."""

import json
import re

import pytest

from lnpu.synth.library import Library
from support.power_lib import liberty


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "made_up.lib"
    path.write_text(liberty())
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--period", "0"], "`--period` must be above 0 ns, not 0"),
        (["--samples", "0"], "`--samples` must be 1 to 1000000, not 0"),
        (["--workload", "synthetic:sparsity=2"], "`sparsity` must be 0 to 1, not 2"),
        (["--preset", "huge"], "`preset` must be one of"),
        (["--sram", "missing.toml"], "SRAM file missing.toml cannot be read"),
        (["--workload", "nothing.npz"], "workload nothing.npz: .*No such file"),
    ],
)
def test_errors(lnpu, library, tmp_path, options, message):
    code, out, err = lnpu("asic", "--liberty", library, *options, "-o", tmp_path / "out")
    assert code == 2
    assert not out
    assert re.search(message, err)
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_no_library(lnpu, tmp_path):
    code, _, err = lnpu("asic", "--liberty", tmp_path / "no.lib")
    assert code == 2
    assert "cannot be read" in err


def test_library_without_voltage(lnpu, library, tmp_path):
    library.write_text(library.read_text().replace("nom_voltage : 2.0;", ""))
    code, _, err = lnpu("asic", "--liberty", library, "--workload", "synthetic", "-o", tmp_path / "out")
    assert code == 2
    assert "library made_up does not say its supply voltage" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.full
def test_report(lnpu, library, tmp_path):
    """All three passes: the netlist computes what the Verilog does, and zeros cost little."""
    layer = "height=4,width=8,inputs=16,outputs=8,numerics=fp16"
    words = [f"synthetic:sparsity={zeros},{layer}" for zeros in ("0", "0.9")]
    words += [f"synthetic:pass={kind},{layer}" for kind in ("bp", "wg")]
    options = [option for word in words for option in ("--workload", word)]
    code, out, err = lnpu(
        "asic",
        "--preset",
        "tiny",
        "--liberty",
        library,
        *options,
        "--samples",
        100,
        "--json",
        "-o",
        tmp_path / "o",
    )
    assert code == 0, err
    report = json.loads(out)
    assert report == json.loads((tmp_path / "o" / "report.json").read_text())
    assert {block["name"] for block in report["area"]["blocks"]} >= {
        "lnpu_engine",
        "lnpu_engine_line",
        "lnpu_engine_pe",
    }
    dense, sparse, bp, wg = report["passes"]
    assert dense["pj"] > 2.5 * sparse["pj"]
    assert [found["kind"] for found in (dense, bp, wg)] == ["FP", "BP", "WG"]
    for found in report["passes"]:
        assert found["by_kind"].keys() >= {"combinational", "registers", "clock", "sram", "leakage"}
        assert found["error"] < 0.1
        assert found["glitches"] > 1
        assert found["settled_ns"] <= report["area"]["delay_ns"]
    written = {path.name for path in (tmp_path / "o").iterdir()}
    assert written >= {
        *("index.html", "area.png", "energy.png", "netlist.v", "rtl.v", "sram.v", "sram_boxes.v"),
        *("sram.lib", "constraints.sdc", "config.mk", "config.json"),
    }
    memories = Library(tmp_path / "o" / "sram.lib")
    assert set(memories.cells) == set(json.loads((tmp_path / "o" / "config.json").read_text())["MACROS"])
    assert "create_clock -name clk -period 20 " in (tmp_path / "o" / "constraints.sdc").read_text()
    assert "DESIGN_NAME = lnpu_engine" in (tmp_path / "o" / "config.mk").read_text()

"""`lnpu verilog fma` and `lnpu verify fma`: files, manifest, help, and one line for every user error."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from lnpu.numeric.config import FMA_BUILDS
from support.formal import read_ports

OPTIONS = {
    "default": [],
    "pe": ["--build", "pe"],
    "fp32": ["--acc", "fp32"],
    "no-clock": ["--latency", 0],
    "everything": [
        *("--flavour", "training", "--fp8", "mixed", "--dual", "fp8xfp8", "--share", "mult"),
        *("--acc", "window", "--window", 40, "--latency", 4),
    ],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_files_and_manifest(lnpu, tmp_path, options):
    folder = tmp_path / "a" / "b"
    code, out, err = lnpu("verilog", "fma", *options, "-o", folder)
    assert (code, err) == (0, "")
    assert {p.name for p in folder.iterdir()} == {"fma.v", "fma.f", "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    text = (folder / "fma.v").read_bytes()
    assert manifest["sha256"] == hashlib.sha256(text).hexdigest()
    assert manifest["files"] == (folder / "fma.f").read_text().split() == ["fma.v"]
    ports = {p["name"]: (p["width"], p["direction"] == "output") for p in manifest["ports"]}
    assert ports == read_ports([folder / "fma.v"], manifest["top"])
    assert all(p["doc"] for p in manifest["ports"])
    assert manifest["clock"] == ("clk" if "clk" in ports else None)
    assert (manifest["reset"] or {"name": None})["name"] == ("rst" if "rst" in ports else None)
    assert all(name in out for name in ports)
    for option, value in zip(options[::2], options[1::2], strict=True):
        if option != "--build":
            assert str(manifest["config"][option[2:]]) == str(value)
    assert manifest["latency"] == manifest["config"]["latency"]


def test_named_builds_are_the_table(lnpu, tmp_path):
    for name, config in FMA_BUILDS.items():
        assert lnpu("verilog", "fma", "--build", name, "-o", tmp_path / name)[0] == 0
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert manifest["config"] == config.as_dict()


def test_help_holds_the_width_table(lnpu, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = lnpu("verilog", "fma", "--help")
    assert (code, err) == (0, "")
    text = re.sub(r"[\s│]+", " ", re.sub(r"\x1b\[[0-9;]*m", "", out))
    default = {p.name: p.width for p in FMA_BUILDS["default"].ports}
    for port in FMA_BUILDS["pe"].ports:
        assert f"`{port.name}` {default.get(port.name, '-')} / {port.width}" in text
    assert "i_fmt" in text
    for option in ("--flavour", "--fp8", "--dual", "--acc", "--window", "--share", "--latency", "--build"):
        assert option in text


BAD = [
    (["--acc", "fp17"], "fp17"),
    (["--acc", "e0m10"], "exponent_bits"),
    (["--acc", "e9m9"], "exponent bits must be 5 to 8, not 9"),
    (["--acc", "e4m3"], "IEEE-style"),
    (["--latency", "9"], "`latency` must be 0 to 4, not 9"),
    (["--latency", "-1"], "`latency` must be 0 to 4, not -1"),
    (["--acc", "window", "--latency", "0"], "`latency` must be 1 to 4"),
    (["--latency", "two"], "'--latency'"),
    (["--acc", "window", "--window", "12"], "`window` must be 23 to 64 bits, not 12"),
    (["--window", "12"], "`window`"),
    (["--build", "nix"], "`build` must be one of default, pe, fp32"),
    (["--flavour", "nix"], "`flavour` must be one of ieee, training, not 'nix'"),
    (["--fp8", "e3m4"], "`fp8` must be one of"),
    (["--dual", "fp4"], "`dual` must be one of"),
    (["--share", "half"], "`share` must be one of"),
    (["--nix"], "--nix"),
    (["extra"], "extra"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[" ".join(o) for o, _ in BAD])
@pytest.mark.parametrize("command", ["verilog", "verify"])
def test_bad_options_are_one_line(lnpu, tmp_path, command, options, message):
    code, out, err = lnpu(command, "fma", "-o", tmp_path / "out", *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_missing_and_bad_output(lnpu, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = lnpu("verilog", "fma")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--output" in err
    Path("file").write_text("")
    code, out, err = lnpu("verilog", "fma", "-o", "file")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "file" in err
    code, out, err = lnpu("verify", "fma", "-n", "0", "-o", "out")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "`operations` must be at least 1, not 0" in err
    assert [p.name for p in Path().iterdir()] == ["file"]


@pytest.mark.parametrize("build", ["default", "pe"])
def test_verify(lnpu, tmp_path, build):
    code, out, err = lnpu("verify", "fma", "--build", build, "-n", 20_000, "-o", tmp_path)
    assert (code, err) == (0, "")
    assert re.search(r"operations +20,000\b", out)
    assert re.search(r"mismatches +0\b", out)
    assert (tmp_path / "fma.v").is_file()


def test_verify_reports_a_mismatch(lnpu, tmp_path, monkeypatch):
    """A wrong golden model stands for wrong hardware: exit code 1 and operands that can be replayed."""
    from lnpu_sim.rtl import verify_fma

    right = verify_fma.expected

    def wrong(config, stimulus):
        d, flags = right(config, stimulus)
        d[77] ^= 1
        return d, flags

    monkeypatch.setattr(verify_fma, "expected", wrong)
    code, out, _ = lnpu("verify", "fma", "-n", 2_000, "-o", tmp_path)
    assert code == 1
    assert "MISMATCH" in out
    assert re.search(r"operation 77: a=0x", out)

"""`lnpu generate`: what it writes, for tools and people, and where it refuses to write."""

import hashlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from lnpu.export.generate import DirectoryError, check_target, install
from lnpu.regs.description import digest
from support.generated import TINY, tiny_bundle
from support.lint import lint


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture
def machine(bundle, tmp_path):
    install(bundle.files, tmp_path / "machine")
    return tmp_path / "machine"


def tree(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_manifest_tells_what_is_there(machine):
    files = tree(machine)
    manifest = json.loads(files.pop("manifest.json"))
    assert {row["path"] for row in manifest["files"]} == set(files)
    for row in manifest["files"]:
        data = files[row["path"]]
        assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["config"] == TINY.as_dict()
    assert int(manifest["digest"], 16) == digest(TINY.engine)
    assert manifest["clock"] == {"port": "aclk", "target_mhz": 80, "target_period_ns": 12.5}
    head = re.search(r"^module lnpu\((.*?)\);", files["rtl/lnpu.v"].decode(), re.M | re.S)[1]
    assert sorted(port.strip() for port in head.split(",")) == sorted(
        row["name"] for row in manifest["ports"]
    )
    assert files["lnpu.f"] == b"rtl/lnpu.v\n"
    readme = files["README.md"].decode()
    for row in manifest["ports"]:
        assert f"| `{row['name']}` | {row['direction']} | {row['width']} | " in readme
    named = re.findall(r"`([\w/]+\.(?:v|f|core|xml|html|toml|sdc|h|c|py|json))`", readme)
    assert {"rtl/lnpu.v", "manifest.json", "constraints/lnpu.sdc", "registers.html"} <= set(named)
    every = {*files, "manifest.json", *(name.rsplit("/")[-1] for name in files)}
    assert set(named) <= every, set(named) - every


def test_second_run_gives_the_same_bytes(machine, tmp_path):
    """In another process, with another hash seed, from the configuration that the first one wrote."""
    again = tmp_path / "again"
    subprocess.run(
        [sys.executable, "-m", "lnpu.export.cli", "generate", "--config", machine / "lnpu.toml", "-o", again],
        env={**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo"},
        capture_output=True,
        check=True,
    )
    assert tree(again) == tree(machine)
    assert (again.stat().st_mode & 0o777) == 0o755


def test_lint(machine):
    assert lint([machine / "rtl/lnpu.v"], "lnpu") == ""


def test_repeated_blocks_are_modules(bundle):
    modules = re.findall(r"^module (\w+)", bundle.files["rtl/lnpu.v"].decode(), re.M)
    assert {"lnpu", "lnpu_line", "lnpu_pe", "lnpu_feed"} <= set(modules)
    assert len(modules) == len(set(modules))
    assert not [name for name in modules if name.endswith("_")]


def test_the_zynq_script_names_every_interface(bundle):
    text = bundle.files["constraints/lnpu.zynq.tcl"].decode()
    assert text.count("{") == text.count("}")
    assert text.count("[") == text.count("]")
    for part in ("lnpu_0/s_axil", "lnpu_0/m_axi", "lnpu_0/irq", "FREQMHZ 80.000000", "$argv 0"):
        assert part in text


def test_constraints(bundle):
    """Every port but the clock has a delay, the clock has the period that was asked for."""
    manifest = bundle.manifest
    for kind in ("sdc", "xdc"):
        text = bundle.files[f"constraints/lnpu.{kind}"].decode()
        assert "create_clock -name aclk -period 12.500 [get_ports aclk]\n" in text
        for direction in ("input", "output"):
            (names,) = re.findall(
                rf"^set_{direction}_delay 4.167 -clock aclk \[get_ports {{(.*)}}\]$", text, re.M
            )
            expected = [
                row["name"] + "[*]" * (row["width"] > 1)
                for row in manifest["ports"]
                if row["direction"] == direction and row["name"] != "aclk"
            ]
            assert names.split() == expected
    assert 'FREQUENCY PORT "aclk" 80.000000 MHZ;' in bundle.files["constraints/lnpu.lpf"].decode()
    assert not [
        name for name, data in bundle.files.items() if b"${" in data and name.startswith("constraints")
    ]


def test_register_files(bundle):
    names = set(re.findall(r"uint32_t (\w+);", bundle.files["software/lnpu_registers.h"].decode()))
    names -= {"IRQ_STATUS_RESERVED"}
    page = bundle.files["registers.html"].decode()
    assert all(f"<td>{name}</td>" in page for name in names)
    space = "{http://www.accellera.org/XMLSchema/IPXACT/1685-2014}"
    root = ET.fromstring(bundle.files["lnpu.xml"])
    assert {node.find(f"{space}name").text for node in root.iter(f"{space}register")} == names
    lists = bundle.files["software/lnpu_lists.h"].decode()
    assert set(re.findall(r"X\((\w+)\) ?", lists)) <= names
    assert 'X(1, opcode, "The command\'s operation is unknown.")' in lists


def test_fusesoc_reads_the_core(machine, tmp_path):
    pytest.importorskip("fusesoc")
    (tmp_path / "fusesoc.conf").write_text(f"[main]\nbuild_root = {tmp_path / 'build'}\n")
    program = [sys.executable, "-m", "fusesoc.main", "--config", "fusesoc.conf", "--cores-root", machine]
    for target in ("lint", "vivado"):
        done = subprocess.run(
            [*program, "run", "--target", target, "--setup", "--no-export", "openlnpu:lnpu:lnpu"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_only_own_files_are_replaced(bundle, machine, tmp_path):
    first = tree(machine)
    install(bundle.files, machine)
    assert tree(machine) == first
    fewer = {name: data for name, data in bundle.files.items() if name != "software/lnpu.c"}
    install(fewer, machine)
    assert "software/lnpu.c" not in tree(machine)
    install(bundle.files, machine)
    (machine / "software/mine.c").write_text("int x;\n")
    with pytest.raises(DirectoryError, match=r"mine.c is not from `lnpu generate` \(--force keeps it\)"):
        install(bundle.files, machine)
    install(bundle.files, machine, force=True)
    assert tree(machine) == {**first, "software/mine.c": b"int x;\n"}
    (machine / "software/mine.c").unlink()
    (machine / "constraints/lnpu.xdc").write_text("mine")
    with pytest.raises(DirectoryError, match=r"lnpu.xdc was changed since it was generated"):
        check_target(machine)
    install(bundle.files, machine, force=True)
    assert tree(machine) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["machine"]


def test_a_manifest_of_others_is_no_licence(bundle, tmp_path):
    (tmp_path / "manifest.json").write_text('{"generator": "openlnpu 0", "files": [{"path": "../x"}]}')
    with pytest.raises(DirectoryError, match="`--output` must be empty or written by `lnpu generate`"):
        check_target(tmp_path)
    outside = tmp_path / "x"
    outside.write_text("keep")
    inside = tmp_path / "inside"
    inside.mkdir()
    row = {"path": "../x", "sha256": hashlib.sha256(b"keep").hexdigest()}
    (inside / "manifest.json").write_text(json.dumps({"generator": "openlnpu 0", "files": [row]}))
    install(bundle.files, inside)
    assert outside.read_text() == "keep"


def test_a_full_disk_leaves_nothing(bundle, tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(DirectoryError, match=r"output directory .*: No space left on device"):
        install(bundle.files, tmp_path / "a" / "machine")
    assert not list((tmp_path / "a").iterdir())


BAD = [
    (["--preset", "nano"], "engine: `vector` must be a multiple of 4 in a machine, not 2"),
    (["--preset", "tiny", "--config", "x.toml"], "`--preset` and `--config` exclude each other"),
    (["--preset", "tiny", "--set", "engine.lines=0"], "engine: `lines` must be 1 to 8, not 0"),
    (["--preset", "tiny", "--set", "target.clock_mhz=0"], "target: `clock_mhz` must be 1 to 2000, not 0"),
    (["--preset", "tiny", "--set", "machine.bus=128"], "`machine` is not known; there are engine, target"),
    (["--config", "missing.toml"], "missing.toml: No such file"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message for _, message in BAD])
def test_nothing_is_written_on_an_error(lnpu, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = lnpu("generate", "-o", "out", *options)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert message in err
    assert not list(tmp_path.iterdir())


def test_output_that_cannot_be(lnpu, tmp_path):
    (tmp_path / "file").write_text("")
    for target, message in (
        (tmp_path / "file", "must be a directory"),
        (tmp_path, "must be empty or written by"),
    ):
        code, _, err = lnpu("generate", "--preset", "tiny", "-o", target)
        assert (code, err.count("\n")) == (2, 1)
        assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.full
@pytest.mark.parametrize("preset", ["edge", "lnpu-core"])
def test_large_presets(lnpu, tmp_path, preset):
    code, out, err = lnpu("generate", "--preset", preset, "-o", tmp_path / "out")
    assert code == 0, err
    assert preset != "edge" or "4 lines x 8 PEs" in out
    assert lint([tmp_path / "out/rtl/lnpu.v"], "lnpu") == ""

"""The exported engine: command line, manifest, lint, and repeated blocks that are written once."""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from lnpu.engine.config import EngineConfig, Pass
from lnpu.export.engine import TOP, engine_verilog
from lnpu.presets import PRESETS, engine_config, load, preset_path
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.play import play
from lnpu_sim.rtl import build
from lnpu_sim.rtl.toolchain import find_verilator
from support.engine import random_case
from support.formal import read_ports
from support.yosys import run_yosys

QUICK = ("nano", "tiny")
LINES = {"tiny": 2, "nano": 1, "edge": 4, "lnpu-core": 6}
SMALL = EngineConfig(
    lines=2, pes=2, group=1, tile_entries=40, row_entries=8, blocks=64, words=256, units=4, vector=2
)
"""Every kind of block more than once, and quick to compile."""


@pytest.fixture(scope="module")
def modular():
    return engine_verilog(SMALL)


@pytest.fixture(scope="module")
def flat():
    return engine_verilog(SMALL, share=False)


def modules(text):
    """Module -> modules that it instantiates, with repetitions."""
    bodies = dict(re.findall(r"^module (\w+)\(.*?\);(.*?)^endmodule", text, re.M | re.S))
    return {name: re.findall(rf"^  ({TOP}\w*) \w+ \(", body, re.M) for name, body in bodies.items()}


@pytest.mark.parametrize(
    "preset", [p if p in QUICK else pytest.param(p, marks=pytest.mark.full) for p in PRESETS]
)
def test_files_and_manifest(lnpu, tmp_path, preset):
    folder = tmp_path / "a" / "b"
    code, out, err = lnpu("verilog", "engine", "--preset", preset, "-o", folder)
    assert (code, err) == (0, "")
    assert str(folder) in out
    assert {p.name for p in folder.iterdir()} == {f"{TOP}.v", f"{TOP}.f", "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    text = (folder / f"{TOP}.v").read_bytes()
    assert manifest["sha256"] == hashlib.sha256(text).hexdigest()
    assert manifest["files"] == (folder / f"{TOP}.f").read_text().split() == [f"{TOP}.v"]
    ports = {p["name"]: (p["width"], p["direction"] == "output") for p in manifest["ports"]}
    assert ports == read_ports([folder / f"{TOP}.v"], TOP)
    config = engine_config(load(preset_path(preset)))
    assert manifest["config"]["lines"] == config.lines == LINES[preset]
    choices = {name: getattr(value, "value", value) for name, value in dataclasses.asdict(config).items()}
    assert manifest["config"] == choices
    verilator = find_verilator()
    lint = subprocess.run(
        [str(verilator.binary), "--lint-only", "-Wall", "--top-module", TOP, f"{TOP}.v"],
        cwd=folder,
        env=verilator.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stderr[:2000]


@pytest.mark.parametrize("preset", sorted(set(PRESETS) - set(QUICK)))
def test_larger_presets_elaborate(preset):
    """Down to every leaf; the default run leaves the writing of their Verilog to the full one."""
    from amaranth.hdl import Fragment

    from lnpu.engine.engine import Engine

    assert Fragment.get(Engine(engine_config(load(preset_path(preset)))), None).subfragments


def test_config_file_and_settings(lnpu, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[engine]\nlines = 1\npes = 2\nvector = 2\nblocks = 16\nwords = 64\ntile_entries = 8\n")
    code, _, err = lnpu(
        *("verilog", "engine", "--config", file, "--set", "engine.row_entries=4"),
        *("--set", "engine.decoders=1", "--set", "engine.policy=none", "-o", tmp_path / "out"),
    )
    assert (code, err) == (0, "")
    config = json.loads((tmp_path / "out" / "manifest.json").read_text())["config"]
    chosen = {"lines": 1, "pes": 2, "row_entries": 4, "decoders": 1, "policy": "none"}
    assert {name: config[name] for name in chosen} == chosen
    assert config["units"] == EngineConfig.units


BAD = [
    (["--preset", "nix"], "`preset` must be one of edge, lnpu-core, nano, tiny, not nix"),
    (["--set", "engine.nix=1"], "`engine.nix` is not known; there are lines, pes"),
    (["--set", "engine.lines=9"], "`lines` must be 1 to 8, not 9"),
    (["--set", "engine.words=100"], "`words` must be a power of two, not 100"),
    (["--set", "engine.lines=two"], "`engine.lines` must be an integer, not 'two'"),
    (["--set", "engine.policy=nix"], "`engine.policy` must be one of none, rotate, dynamic, not nix"),
    (["--set", "lines=2"], "a setting must be section.field=value, not lines=2"),
    (["--config", "missing.toml"], "missing.toml: No such file"),
    (["--config", "broken.toml"], "broken.toml"),
    (["--config", "binary.toml"], "binary.toml"),
    (["--config", "scalar.toml"], "`engine` must be a table, not 3"),
    (["--config", "."], "directory"),
    (["--nix"], "--nix"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[" ".join(o) for o, _ in BAD])
def test_bad_options_are_one_line(lnpu, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.toml").write_text("[engine\n")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\0")
    (tmp_path / "scalar.toml").write_text("engine = 3\n")
    before = sorted(tmp_path.iterdir())
    code, out, err = lnpu("verilog", "engine", "-o", tmp_path / "out", *options)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert message in err
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_is_needed(lnpu):
    code, out, err = lnpu("verilog", "engine")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--output" in err


def test_repeated_blocks_are_written_once(modular):
    children = modules(modular)
    assert list(children) == [TOP, *(f"{TOP}_{name}" for name in ("decoder", "feed", "line", "pe"))]
    repeated = {"decoder": SMALL.decoders, "feed": SMALL.lines, "line": SMALL.lines}
    assert sorted(children[TOP]) == [f"{TOP}_{name}" for name, n in repeated.items() for _ in range(n)]
    assert children[f"{TOP}_line"] == [f"{TOP}_pe"] * SMALL.pes
    assert not re.search(r"[A-Za-z0-9]__", modular)


def test_memories_keep_their_attribute(modular, flat):
    assert list(modules(flat)) == [TOP]
    marks = [text.count("(* no_rw_check *) reg [") for text in (modular, flat)]
    # A line has a Tile column of two RAMs for each group and a Row file, a decoder one RAM, the X buffer two.
    line, decoder = 2 * SMALL.groups + 1, 1
    assert marks == [line + decoder + 2, SMALL.lines * line + SMALL.decoders * decoder + 2]


def test_yosys_finds_no_fault(modular, tmp_path):
    (tmp_path / "engine.v").write_text(modular)
    script = f"read_verilog engine.v\nhierarchy -check -top {TOP}\nproc\ncheck -assert\n"
    run_yosys(script, tmp_path, "check")


@pytest.fixture(scope="module")
def units(modular, flat):
    return build([modular], TOP), build([flat], TOP)


@pytest.mark.parametrize("pattern", ["none", "random"])
@pytest.mark.parametrize("kind", Pass)
def test_modular_equals_flat(units, kind, pattern):
    """Same results in the same cycles for the same reasons."""
    layer, tensor = random_case(kind, (2, 6, 5), (20, 12), kernel=3, padding=1, top=30, seed=5)
    program = plan(layer, tensor, SMALL)
    once, flat = (dataclasses.asdict(play(unit, SMALL, program, pattern, idle_limit=5000)) for unit in units)
    for name, value in once.items():
        np.testing.assert_equal(value, flat[name], name)
    assert once["counts"]["total"] > once["counts"]["cycles"] > 0
    np.testing.assert_array_equal(once["beats"], EngineModel(SMALL).run(program).beats)


def test_text_does_not_depend_on_the_hash_seed(modular):
    choices = {name: value for name, value in dataclasses.asdict(SMALL).items() if isinstance(value, int)}
    script = (
        "import sys; from lnpu.export.engine import engine_verilog; from lnpu.engine.config import *; "
        f"sys.stdout.write(engine_verilog(EngineConfig(**{choices})))"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == modular

"""The wheel, in an environment of its own and away from the repository."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, cwd, **environment):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LNPU"))}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**env, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.full
def test_wheel_generates_and_trains(tmp_path):
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path / "dist", ROOT, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").iterdir()
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    programs = tmp_path / "env/bin"
    run(programs / "python", "-m", "pip", "install", f"{wheel}[train]", cwd=tmp_path)
    assert "lnpu 0." in run(programs / "lnpu", "--version", cwd=tmp_path)
    run(programs / "lnpu", "generate", "--preset", "tiny", "-o", "out", cwd=tmp_path)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    names = {row["path"] for row in manifest["files"]}
    assert {"rtl/lnpu.v", "software/lnpu.c", "constraints/lnpu.sdc"} <= names
    assert all((tmp_path / "out" / name).stat().st_size for name in names)
    trained = run(programs / "lnpu", "train", "--device", "model", "--steps", "2", "--json", cwd=tmp_path)
    assert json.loads(trained)["steps"] == 2
    assert "lines = 6" in run(programs / "lnpu", "config", "--preset", "lnpu-core", cwd=tmp_path)

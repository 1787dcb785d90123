"""`lnpu train` on the golden model, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from lnpu.export import cli
from lnpu_host.checkpoint import load_state, write_whole
from lnpu_host.errors import HostError


@pytest.fixture
def train(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lnpu", "train", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_files_and_figures(train, tmp_path):
    folder = tmp_path / "run"
    code, out, err = train("--device", "model", "--steps", 2, "--json", "-o", folder)
    assert (code, err) == (0, "")
    metrics = json.loads(out)
    assert metrics == json.loads((folder / "metrics.json").read_text())
    assert {path.name for path in folder.iterdir()} == {
        *("metrics.json", "index.html", "training.png", "tensors.png", "checkpoint.npz")
    }
    assert (metrics["steps"], metrics["skipped_steps"], metrics["cycles"]) == (2, 0, None)
    assert len(metrics["weights_sha256"]) == 64
    assert metrics["settings"]["device"] == "model"
    assert [row["name"] for row in metrics["tensors"]][:2] == ["conv1 X", "conv1 d"]
    assert all(abs(row["zero"] + row["fp8"] + row["fp16"] - 1) < 1e-9 for row in metrics["tensors"])
    kinds = [(row["layer"], row["kind"]) for row in metrics["passes"]]
    assert kinds[:2] == [("images", "encode"), ("conv1", "FP")]
    assert {row["lists"] for row in metrics["passes"]} == {2}
    page = (folder / "index.html").read_text()
    assert f"{metrics['test_accuracy']:.2%}" in page
    assert "<td>conv2</td><td>BP</td>" in page


def test_resume(train, tmp_path):
    common = ("--numerics", "fp16", "--seed", 1, "--json")
    whole = json.loads(train(*common, "--steps", 60, "-o", tmp_path / "a")[1])
    train(*common, "--steps", 20, "-o", tmp_path / "b")
    again = json.loads(train(*common, "--steps", 60, "--resume", "-o", tmp_path / "b")[1])
    assert again["weights_sha256"] == whole["weights_sha256"]
    assert again["steps"] == 60
    code, _, err = train("--numerics", "fp16", "--seed", 2, "--resume", "-o", tmp_path / "b")
    assert code == 2
    assert "`seed` must be 1, as in the checkpoint, not 2" in err


@pytest.mark.parametrize("numerics", ["fp32", "fp16"])
def test_references_learn(train, tmp_path, numerics):
    code, out, _ = train("--numerics", numerics, "-o", tmp_path)
    assert code == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test_accuracy"] >= 0.93
    assert metrics["settings"]["device"] == "numpy"
    assert f"{metrics['test_accuracy']:.2%} of the test images" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--batch", 0), "`batch` must be 1 to 4096, not 0"),
        (("--epochs", 0), "`epochs` must be at least 1, not 0"),
        (("--steps", -1), "`steps` must be 0 (all) or more, not -1"),
        (("--seed", -1), "`seed` must be 0 or more, not -1"),
        (("--rate", 0), "`rate` must be above 0, not 0.0"),
        (("--share", 1.5), "`share` must be 0 to 1, not 1.5"),
        (("--loss-scale", 3), "`loss_scale` must be a power of two from 1 to 1048576, not 3"),
        (("--preset", "nano"), "`vector` must be a multiple of 4 in a machine, not 2"),
        (("--preset", "huge"), "`preset` must be one of"),
        (("--set", "engine.blocks=4"), "`blocks` must be at least 8 for this layer, not 4"),
        (("--resume",), "checkpoint.npz: No such file or directory"),
        (("--data", "cifar"), "'cifar' is not one of"),
    ],
)
def test_clear_errors(train, tmp_path, arguments, message):
    folder = tmp_path / "run"
    code, _, err = train("--device", "model", "--steps", 1, "-o", folder, *arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(folder.glob("*")) if folder.exists() else True


def test_interrupted(train, tmp_path):
    """Ctrl-C ends behind a whole step and keeps a checkpoint, nothing else."""
    timer = threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    code, _, err = train("--numerics", "fp32", "--epochs", 10000, "-o", tmp_path)
    timer.join()
    assert code == 130
    assert "interrupted" in err
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]
    done = int(load_state(tmp_path / "checkpoint.npz")["done"])
    assert done > 0
    steps = done + 3
    assert train("--numerics", "fp32", "--steps", steps, "--resume", "-o", tmp_path)[0] == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["steps"] == steps


def test_checkpoints_are_whole(tmp_path):
    path = tmp_path / "x.npz"
    write_whole(path, b"none")
    with pytest.raises(HostError, match=r"x\.npz: not a checkpoint"):
        load_state(path)
    np.savez(path, a=np.arange(3))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(HostError, match=r"x\.npz: not a checkpoint"):
        load_state(path)
    with pytest.raises(OSError, match="No such file"):
        write_whole(tmp_path / "no" / "x", b"")
    with pytest.raises(TypeError):
        write_whole(path, "text")
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


def test_host_imports_no_gateware():
    """Everything that a host with a board needs."""
    code = (
        "import sys, importlib, pkgutil, lnpu_host\n"
        "for m in pkgutil.iter_modules(lnpu_host.__path__): importlib.import_module('lnpu_host.' + m.name)\n"
        "print([m for m in ('amaranth', 'pyosys', 'typer') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.full
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_accuracy(train, tmp_path, seed):
    """Three epochs of digits, mixed precision."""
    code, out, _ = train("--device", "model", "--seed", seed, "--json", "-o", tmp_path)
    assert code == 0
    metrics = json.loads(out)
    assert metrics["test_accuracy"] >= 0.93
    assert metrics["skipped_steps"] == 0

"""`lnpu bench`: a trace through the compiled machine."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from lnpu.export.cli import app
from lnpu.export.commands import UserError

KEYS = {"mismatches", "engine", "machine", "utilisation", "bits_per_element", "bytes"}


@pytest.fixture
def trace(tmp_path):
    """Two small layers as a framework leaves them: [N, C, H, W]."""
    rng = np.random.default_rng(0)
    arrays, layers = {}, {}
    for name, inputs, outputs, size, kernel, stride, pad in (
        ("a", 6, 9, 7, 3, 1, 1),
        ("b", 66, 8, 5, 1, 2, 0),
    ):
        out = (size + 2 * pad - kernel) // stride + 1
        x = rng.normal(0, 1, (2, inputs, size, size))
        arrays[f"{name}__X"] = np.maximum(x, 0).astype(np.float32)
        arrays[f"{name}__W"] = rng.normal(0, 0.1, (outputs, inputs, kernel, kernel)).astype(np.float32)
        arrays[f"{name}__D"] = rng.normal(0, 1e-4, (2, outputs, out, out)).astype(np.float32)
        layers[name] = {"stride": stride, "pad": pad, "kernel": kernel}
    np.savez(tmp_path / "trace.npz", **arrays)
    (tmp_path / "meta.json").write_text(json.dumps({"layers": layers}))
    return tmp_path / "trace.npz"


def run(*words):
    result = CliRunner().invoke(app, ["bench", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.mark.parametrize("device", ["rtl", "model"])
def test_figures(trace, device):
    code, text = run(trace, "--preset", "tiny", "--device", device, "--json")
    figures = json.loads(text)
    assert code == 0
    assert set(figures) >= KEYS
    assert figures["mismatches"] == 0
    assert figures["largest_error"] < 1e-4
    assert set(figures["engine"]) == set(figures["machine"]) == {"fp", "bp", "wg", "total"}
    if device == "rtl":
        assert figures["engine"]["total"] > 1.5
        assert 0.5 < figures["utilisation"]["total"] <= 1
        fgmp, dense = (figures["bytes"][kind] for kind in ("fgmp", "dense"))
        assert fgmp["read_x"] < dense["read_x"]
        assert fgmp["write_x"] > 0
    else:
        assert figures["engine"]["total"] is None


def test_table_and_choices(trace):
    code, text = run(trace, "--preset", "tiny", "--layers", "b", "--passes", "fp,wg", "--repeat-batch", "3")
    assert code == 0
    assert "FP" in text
    assert "BP" not in text.split("mismatches")[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layers", "c"], "must be among a, b, not c"),
        (["--passes", "fp,up"], "must be among fp, bp, wg, not up"),
        (["--repeat-batch", "-1"], "`repeat-batch` must be 0 to 256, not -1"),
        (["--latency", "0"], "`latency` must be 1 to 1000 cycles, not 0"),
        (["--preset", "huge"], "`preset` must be one of"),
        (["--set", "engine.words=4"], "words"),
    ],
)
def test_wrong_input(trace, words, message):
    with pytest.raises(UserError, match=message):
        run(trace, "--device", "model", "--preset", "tiny", *words)


def test_missing_trace(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        run(tmp_path / "no.npz", "--device", "model", "--preset", "tiny")

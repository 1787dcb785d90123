"""The page that `lnpu train` writes: how the training went, what it took, where the cycles and bits went."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lnpu.pages import page, png, table

__all__ = ["write_page"]

_BLUE, _RED, _GREY = "#2f6f9f", "#c44", "#ccc"


def write_page(metrics: dict[str, Any], losses: list[float], rights: list[int], folder: Path) -> None:
    """Write `index.html` and its plots into a folder.

    Args:
        metrics: as in metrics.json. losses, rights: loss and right predictions of each step.
    """
    (folder / "training.png").write_bytes(_curves(losses, rights, metrics["settings"]["batch"]))
    plain = [
        "test_accuracy",
        "train_seconds",
        "steps",
        "skipped_steps",
        "cycles",
        "rtl_cycles_per_second",
        "utilisation",
        "loss_scale",
    ]
    sections = [
        f"<p><b>{metrics['test_accuracy']:.2%}</b> of the test images are classified right.</p>",
        "<img src='training.png' alt='loss and accuracy of the steps'>",
        "<h2>Figures</h2>",
        table((), [(name, _text(metrics[name])) for name in plain if metrics.get(name) is not None]),
        table((), _digests(metrics["weights_sha256"])),
    ]
    if metrics.get("tensors"):
        (folder / "tensors.png").write_bytes(_shares(metrics["tensors"]))
        head = ("tensor", "zero", "fp8", "fp16", "bits an element")
        rows = [
            (t["name"], f"{t['zero']:.1%}", f"{t['fp8']:.1%}", f"{t['fp16']:.1%}", f"{t['bits']:.2f}")
            for t in metrics["tensors"]
        ]
        sections += [
            "<h2>Compressed tensors</h2>",
            "<img src='tensors.png' alt='shares of zeros, fp8 and fp16'>",
            table(head, rows),
        ]
    if metrics.get("passes"):
        head = ("layer", "pass", "lists", "cycles a list", "utilisation", "bytes a list")
        rows = [
            (p["layer"], p["kind"], p["lists"], *(_text(p[n]) for n in ("cycles", "utilisation", "bytes")))
            for p in metrics["passes"]
        ]
        sections += ["<h2>Layers and passes</h2>", table(head, rows)]
    if metrics.get("against_dense"):
        rows = metrics["against_dense"]
        (folder / "dense.png").write_bytes(_dense(rows))
        (folder / "slots.png").write_bytes(_slots(rows))
        (folder / "traffic.png").write_bytes(_traffic(rows))
        head = (
            "layer",
            "pass",
            "cycles",
            "dense fp16",
            "speed-up",
            "of the engine",
            "utilisation",
            "bytes",
            "dense",
        )
        names = (
            "cycles",
            "dense_cycles",
            "speed_up",
            "engine_speed_up",
            "utilisation",
            "bytes",
            "dense_bytes",
        )
        cells = [(r["layer"], r["kind"], *(_text(r[name]) for name in names)) for r in rows]
        sections += [
            "<h2>Against dense fp16 on the same machine</h2>",
            "<p>Layers of the last step; ReLU, encoding and decoding included.</p>",
            "<img src='dense.png' alt='cycles of each layer and pass'>",
            table(head, cells),
            "<h3>Where the slots went</h3>",
            "<img src='slots.png' alt='slots issued and lost by cause'>",
            "<h3>Traffic</h3>",
            "<img src='traffic.png' alt='bytes of each layer and pass'>",
        ]
    sections += ["<h2>Settings</h2>", table((), list(metrics["settings"].items()))]
    (folder / "index.html").write_text(page("Training", sections))


def _text(value: float | int | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,.3f}" if abs(value) < 100 and value != int(value) else f"{value:,.0f}"


def _digests(digests: dict[str, str] | str) -> list[tuple[str, str]]:
    if isinstance(digests, str):
        return [("SHA-256 of the weights", digests)]
    return [(f"SHA-256 of the weights, {name}", digest) for name, digest in digests.items()]


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{row['layer']} {row['kind']}" for row in rows]


def _pairs(rows: list[dict[str, Any]], names: tuple[str, str], labels: tuple[str, str], title: str) -> bytes:
    """Two bars a pass."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(rows))
    for offset, name, label, colour in zip((-0.2, 0.2), names, labels, (_GREY, _BLUE), strict=True):
        axes.bar(places + offset, [row[name] for row in rows], 0.4, label=label, color=colour)
    axes.set_xticks(places, _names(rows), rotation=20)
    axes.set_ylabel(title)
    axes.legend()
    return png(figure)


def _dense(rows: list[dict[str, Any]]) -> bytes:
    names, labels = ("dense_cycles", "cycles"), ("dense fp16", "mixed precision, zeros skipped")
    return _pairs(rows, names, labels, "cycles")


def _traffic(rows: list[dict[str, Any]]) -> bytes:
    names, labels = ("dense_bytes", "bytes"), ("dense fp16", "mixed precision, zeros skipped")
    return _pairs(rows, names, labels, "bytes")


def _slots(rows: list[dict[str, Any]]) -> bytes:
    """Shares of line cycles between the first issue and the last."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    bottom = np.zeros(len(rows))
    shares = {"issued": [row["utilisation"] for row in rows]}
    shares |= {cause: [row["lost"][cause] for row in rows] for cause in rows[0]["lost"]}
    for name, values in shares.items():
        axes.bar(_names(rows), values, 0.6, bottom=bottom, label=name)
        bottom += np.array(values)
    axes.tick_params(axis="x", rotation=20)
    axes.set_ylabel("share of line cycles")
    axes.legend(ncols=4, fontsize="small")
    return png(figure)


def _smooth(values: list[float], width: int = 9) -> np.ndarray:
    """Mean of the last `width` values, fewer at the beginning."""
    sums = np.cumsum(np.append(0.0, np.nan_to_num(values)))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _curves(losses: list[float], rights: list[int], batch: int) -> bytes:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, values, name in (
        (left, losses, "loss"),
        (right, [n / batch for n in rights], "accuracy of the batch"),
    ):
        steps = range(1, len(values) + 1)
        axes.plot(steps, values, color=_GREY, linewidth=1)
        axes.plot(steps, _smooth(values), color=_BLUE)
        axes.set_xlabel("step")
        axes.set_ylabel(name)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    return png(figure)


def _shares(tensors: list[dict[str, Any]]) -> bytes:
    figure = Figure(figsize=(9, 0.8 + 0.35 * len(tensors)), layout="constrained")
    axes = figure.add_subplot()
    names = [t["name"] for t in tensors][::-1]
    left = np.zeros(len(tensors))
    for kind, colour in (("fp8", _BLUE), ("fp16", _RED), ("zero", _GREY)):
        values = np.array([t[kind] for t in tensors][::-1])
        axes.barh(names, values, left=left, color=colour, label=kind)
        left += values
    axes.set_xlabel("share of the elements")
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return png(figure)

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
        "weights_sha256",
    ]
    sections = [
        f"<p><b>{metrics['test_accuracy']:.2%}</b> of the test images are classified right.</p>",
        "<img src='training.png' alt='loss and accuracy of the steps'>",
        "<h2>Figures</h2>",
        table((), [(name, _text(metrics[name])) for name in plain if metrics.get(name) is not None]),
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
    sections += ["<h2>Settings</h2>", table((), list(metrics["settings"].items()))]
    (folder / "index.html").write_text(page("Training", sections))


def _text(value: float | int | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,.3f}" if abs(value) < 100 and value != int(value) else f"{value:,.0f}"


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

"""The page that `lnpu verify engine` writes: cycles of each pass, and where they went."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from lnpu.engine.config import Convolution, EngineConfig
from lnpu.pages import page, png, table
from lnpu_sim.engine.check import PassCheck
from lnpu_sim.engine.play import CAUSES

__all__ = ["write_page"]

_COLOURS = ("#2f6f9f", "#77aacd", "#c44", "#d98", "#a75", "#777", "#e2b33c", "#b9c46a", "#999")


def write_page(config: EngineConfig, shape: Convolution, checks: Sequence[PassCheck], folder: Path) -> None:
    """Write `index.html` and `slots.png` into a folder that holds the exported `lnpu_engine.v`."""
    (folder / "slots.png").write_bytes(_slots(checks))
    good = all(check.equal for check in checks)
    rows = [
        (
            check.kind.name,
            check.technique.value,
            f"{check.slots:,}",
            f"{check.cycles:,}",
            f"{check.utilisation:.1%}",
            f"{check.speed_up:.2f}",
            f"{check.played.counts['lead']:,}",
            f"{check.played.counts['total']:,}",
        )
        for check in checks
    ]
    head = ("pass", "input", "slots", "cycles", "utilisation", "speed-up", "first load", "all cycles")
    verdict = "equals its golden model, bit for bit" if good else "DIFFERS from its golden model"
    geometry = [(name, getattr(value, "value", value)) for name, value in dataclasses.asdict(config).items()]
    sections = [
        f"<p>The exported Verilog (<a href='lnpu_engine.v'>lnpu_engine.v</a>) {verdict}.</p>",
        "<h2>Passes</h2>",
        "<p>Cycles count from the first to the last issue; speed-up is over dense fp16 on this engine.</p>",
        table(head, rows),
        "<h2>Where the line cycles went</h2>",
        "<img src='slots.png' alt='line cycles by cause'>",
        "<h2>Layer</h2>",
        table((), list(dataclasses.asdict(shape).items())),
        "<h2>Engine</h2>",
        table((), geometry),
    ]
    (folder / "index.html").write_text(page("Engine: a layer's three passes", sections))


def _slots(checks: Sequence[PassCheck]) -> bytes:
    figure = Figure(figsize=(8, 0.6 + 0.45 * len(checks)), layout="constrained")
    axes = figure.add_subplot()
    names = [f"{check.kind.name}, {check.technique.value}" for check in checks][::-1]
    left = [0.0] * len(checks)
    for cause, colour in zip(CAUSES, _COLOURS, strict=True):
        values = [check.played.counts[cause] for check in checks][::-1]
        if any(values):
            axes.barh(names, values, left=left, color=colour, label=cause)
            left = [a + b for a, b in zip(left, values, strict=True)]
    axes.set_xlabel("line cycles")
    axes.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return png(figure)

"""A report as files: netlist, `report.json`, and a page with the plots."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from lnpu.pages import page, png, table
from lnpu.synth.errors import SynthError
from lnpu.synth.report import AsicReport, FpgaReport
from lnpu.synth.summary import POINT_HEAD, STAGE_HEAD, headline, points, stages

__all__ = ["write"]

_BARS = 20
"""Cell types in the bar chart: the tail adds little area and unreadable labels."""


def write(report: AsicReport | FpgaReport, folder: Path) -> list[Path]:
    """Write `netlist.v`, `report.json`, `index.html` and PNG plots; all of them or none.

    Raises:
        SynthError: the folder cannot be made or written.
    """
    images = {}
    if isinstance(report, AsicReport):
        images["area.png"] = _area(report)
        if len(report.points) > 1:
            images["sweep.png"] = _sweep(report)
    files: dict[str, bytes] = {
        "netlist.v": report.netlist.encode(),
        "report.json": (json.dumps(report.as_dict(), indent=2) + "\n").encode(),
        **images,
        "index.html": _page(report, list(images)).encode(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".lnpu-") as staging:
            for name, data in files.items():
                (Path(staging) / name).write_bytes(data)
            for name in files:
                shutil.move(Path(staging) / name, folder / name)
    except OSError as error:
        raise SynthError(f"`-o` {folder} cannot be written: {error.strerror}") from None
    return [folder / name for name in files]


def _area(report: AsicReport) -> bytes:
    uses = list(report.by_cell.items())[:_BARS][::-1]
    figure = Figure(figsize=(8, 1.2 + 0.28 * max(len(uses), 4)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh([name for name, _ in uses], [use.area_um2 for _, use in uses], color="#3b6ea5")
    axes.bar_label(bars, [f"{use.count}" for _, use in uses], padding=3, fontsize=8)
    axes.set_xlabel("area in um2 (label: number of cells)")
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return png(figure)


def _sweep(report: AsicReport) -> bytes:
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for booth, marker in ((False, "o"), (True, "^")):
        for recipe, colour in (("area", "#3b6ea5"), ("delay", "#c0504d")):
            points = [p for p in report.points if (p.booth, p.recipe) == (booth, recipe)]
            if points:
                label = f"{recipe}-driven{', Booth' if booth else ''}"
                x, y = [p.delay_ns for p in points], [p.kge for p in points]
                axes.scatter(x, y, marker=marker, color=colour, label=label)
    if report.period_ns is not None:
        axes.axvline(report.period_ns, color="grey", linestyle="--", label="period")
    axes.set_xlabel("longest path in ns (no wires)")
    axes.set_ylabel("area in kGE")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    return png(figure)


def _page(report: AsicReport | FpgaReport, images: Sequence[str]) -> str:
    sections = [table((), headline(report))]
    sections += [f'<img src="{name}" alt="{name.removesuffix(".png")} plot">' for name in images]
    if isinstance(report, AsicReport):
        sections += ["<h2>Mappings</h2>", table(POINT_HEAD, points(report))]
        sections += ["<h2>Longest path</h2>", table(STAGE_HEAD, stages(report))]
        uses = [(name, f"{use.count:,}", f"{use.area_um2:,.1f}") for name, use in report.by_cell.items()]
        sections += ["<h2>Cells</h2>", table(("cell", "number", "area um2"), uses)]
    else:
        counts = [(name, f"{n:,}") for name, n in report.by_cell.items()]
        sections += ["<h2>Cells</h2>", table(("cell", "number"), counts)]
        if report.seeds:
            seeds = [(s.seed, "-" if s.fmax_mhz is None else f"{s.fmax_mhz:.1f}") for s in report.seeds]
            sections += ["<h2>Placements</h2>", table(("seed", "Fmax MHz"), seeds)]
    return page(f"{report.top}: synthesis report", sections)

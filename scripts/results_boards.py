"""Regenerate docs/results/boards.md from builds: what each board's bitstream takes and reaches.

make bitstream BOARD=ulx3s-85f        # and others; build/boards/<board>/report.json
python scripts/results_boards.py
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results" / "boards.md"
HEAD = (
    *("board", "FPGA", "lines x PEs", "memory kB", "MHz asked", "MHz reached", "LUT4", "flip-flops"),
    *("block RAMs", "multipliers", "LUT4 an fp16 lane", "GFLOP/s fp16", "fp8"),
)


def share(use: dict[str, int]) -> str:
    """Used, and how much of the device that is."""
    return f"{use['used']:,} ({use['used'] / use['available']:.0%})"


def row(report: dict[str, Any]) -> list[str]:
    """A build as a row."""
    reached, peak = report["fmax_mhz"], report["peak_gflops"]
    return [
        report["board"],
        report["device"],
        f"{report['lines']} x {report['pes']}",
        f"{report['memory_kb']}",
        f"{report['clock_mhz']:g}",
        f"{reached:.1f}" if reached else "-",
        share(report["lut4"]),
        f"{report['ff']:,}",
        share(report["bram"]),
        share(report["dsp"]),
        f"{report['lut4_per_fma']:,.0f}",
        f"{peak['fp16']:.2f}",
        f"{peak['fp8']:.2f}",
    ]


def main(
    builds: Annotated[Path, typer.Option(help="Folder with a build a board.")] = ROOT / "build" / "boards",
) -> None:
    """Write the table."""
    reports = [json.loads(path.read_text()) for path in sorted(builds.glob("*/report.json"))]
    if not reports:
        raise typer.BadParameter(f"{builds} holds no build: make bitstream BOARD=ulx3s-85f")
    rows = [HEAD, ["---"] * len(HEAD), *(row(report) for report in reports)]
    text = "".join("| " + " | ".join(cells) + " |\n" for cells in rows)
    page = PAGE.read_text()
    new, count = re.subn(r"(<!-- boards -->\n).*?(<!-- end boards -->)", rf"\1{text}\2", page, flags=re.S)
    if count != 1:
        raise typer.BadParameter(f"{PAGE} has no table `boards`")
    PAGE.write_text(new)
    print(text)


if __name__ == "__main__":
    typer.run(main)

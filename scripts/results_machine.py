"""Regenerate docs/results/machine.md: real layers through the whole machine, and training on it.

    python scripts/results_machine.py --trace DIR/resnet18_early.npz

The trace is an `.npz` as `lnpu_sim.engine.workload.trace` reads it. Sections whose input is missing are kept
as they are; `--only` regenerates single ones.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results" / "machine.md"
SEEDS = (0, 1, 2)


def lnpu(*words: str) -> str:
    """Standard output of a command."""
    line = [sys.executable, "-m", "lnpu.export.cli", *words]
    return subprocess.run(line, check=True, text=True, stdout=subprocess.PIPE).stdout


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def totals(found: dict[str, dict[str, Any]]) -> str:
    """Speed-ups, utilisation and bytes of each batch."""
    rows = []
    for name, figures in found.items():
        for key in ("engine", "machine", "utilisation"):
            values = figures[key]
            rows.append([name, key, *(f"{values[part]:.2f}" for part in ("fp", "bp", "wg", "total"))])
    return table(["images", "figure", "FP", "BP", "WG", "all"], rows)


def traffic(found: dict[str, dict[str, Any]]) -> str:
    """Bytes by class."""
    rows = []
    for name, figures in found.items():
        fgmp, dense = figures["bytes"]["fgmp"], figures["bytes"]["dense"]
        classes = ("x", "d", "w", "result", "command")
        for one in classes:
            pair = [sum(part.get(f"{way}_{one}", 0) for way in ("read", "write")) for part in (fgmp, dense)]
            rows.append([name, one, *(f"{value:,}" for value in pair), f"{pair[0] / max(1, pair[1]):.2f}"])
        both = [
            sum(part[f"{way}_{one}"] for way in ("read", "write") for one in "xd") for part in (fgmp, dense)
        ]
        rows.append([name, "**x and d**", *(f"{value:,}" for value in both), f"**{both[0] / both[1]:.2f}**"])
    return table(["images", "class", "bytes", "dense fp16", "ratio"], rows)


def layers(figures: dict[str, Any]) -> str:
    """A row a layer and pass."""
    dense = {(r["layer"], r["pass"]): r for r in figures["passes"] if r["numbers"] == "dense"}
    rows = []
    for run in figures["passes"]:
        if run["numbers"] == "fgmp":
            causes = sorted(
                ((share, cause) for cause, share in run["lost"].items() if share >= 0.005), reverse=True
            )
            rows.append(
                [
                    run["layer"],
                    run["pass"].upper(),
                    f"{run['cycles']:,}",
                    f"{dense[run['layer'], run['pass']]['cycles'] / run['cycles']:.2f}",
                    f"{run['utilisation']:.3f}",
                    ", ".join(f"{cause} {share:.1%}" for share, cause in causes) or "none",
                ]
            )
    return table(["layer", "pass", "cycles", "speed-up", "utilisation", "lost"], rows)


def training(data: str, runs: Path) -> str:
    """Accuracy of three seeds on the model, in FGMP, fp16 and fp32; runs whose metrics are there are kept."""
    rows = []
    for numerics in ("fgmp", "fp16", "fp32"):
        shares = []
        for seed in SEEDS:
            run = runs / f"{data}-{numerics}-{seed}"
            metrics = run / "metrics.json"
            if not metrics.is_file():
                words = ("--data", data, "--numerics", numerics, "--seed", str(seed), "-o", str(run))
                lnpu("train", "--device", "model", *words)
            shares.append(json.loads(metrics.read_text())["test_accuracy"])
        rows.append([numerics, *(f"{share:.2%}" for share in shares), f"{sum(shares) / len(shares):.2%}"])
    return table(["numbers", *(f"seed {seed}" for seed in SEEDS), "mean"], rows)


def main(
    trace: Annotated[Path | None, typer.Option(help="Layers of a training step.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="bench, training, mnist5k (half an hour).")] = None,
    runs: Annotated[Path, typer.Option(help="Where trainings go; those that are there are kept.")] = Path(
        "build/results"
    ),
) -> None:
    """Measure and rewrite the page."""
    sections: dict[str, str] = {}
    if trace is not None and (not only or "bench" in only):
        found = {
            "as they are": json.loads(lnpu("bench", str(trace), "--json")),
            "8": json.loads(lnpu("bench", str(trace), "--json", "--repeat-batch", "8")),
        }
        sections["totals"], sections["traffic"] = totals(found), traffic(found)
        sections["layers"] = layers(found["as they are"])
        bits = found["as they are"]["bits_per_element"]
        sections["bits"] = table(["tensor", "bits an element"], [[n, f"{b:.2f}"] for n, b in bits.items()])
    for data, name in (("digits", "training"), ("mnist5k", "mnist5k")):
        if not only or name in only:
            sections[name] = training(data, runs)
    text = PAGE.read_text()
    for name, content in sections.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
        before, rest = text.split(begin)
        text = before + begin + content + end + rest.split(end)[1]
    PAGE.write_text(text)


if __name__ == "__main__":
    typer.run(main)

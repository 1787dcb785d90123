"""Regenerate docs/results/fma.md: area, delay and FPGA resources of FMA configurations.

    python scripts/results_fma.py --liberty sky130_fd_sc_hd__tt_025C_1v80.lib

Every configuration is exported, mapped and placed; what is known about the same Verilog is taken from
build/results/fma.json (so an interrupted run goes on) or from docs/results/fma.json (so a run without the
cell library keeps its figures). The section "What this teaches" is written by people and kept.
"""

import dataclasses
import hashlib
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lnpu.synth import Library, SynthError, asic, fpga

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "results" / "fma.json"
DATA = ROOT / "docs" / "results" / "fma.json"
PAGE = ROOT / "docs" / "results" / "fma.md"
KEPT = "## What this teaches"

IEEE = {"flavour": "ieee", "fp8": "e4m3", "dual": "fp8xfp8", "acc": "fp16", "share": "full", "latency": "3"}
ARRAY = {
    "flavour": "training",
    "fp8": "e4m3",
    "dual": "fp8xfp16",
    "acc": "window",
    "window": "32",
    "share": "full",
    "latency": "2",
}

TRAINING = {**IEEE, "flavour": "training"}

Options = dict[str, str]
Store = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Section:
    """One table: what is held fixed and the (label, changed options) of its rows."""

    title: str
    base: Options
    rows: tuple[tuple[str, Options], ...]

    def options(self, changed: Options) -> Options:
        merged = {**self.base, **changed}
        if merged["acc"] != "window":
            merged.pop("window", None)
        return merged


def _each(name: str, values: str) -> tuple[tuple[str, Options], ...]:
    return tuple((value, {name: value}) for value in values.split())


ACCUMULATE = (
    *_each("acc", "fp16 e8m15 fp32"),
    ("window 32", {"acc": "window", "window": "32"}),
    ("window 40", {"acc": "window", "window": "40"}),
)
SECTIONS = (
    Section("Sharing, IEEE, fp16 accumulate", IEEE, _each("share", "none mult full")),
    Section("Sharing, arithmetic of the array", ARRAY, _each("share", "none mult full")),
    Section(
        "Against an fp16-only unit, training",
        TRAINING,
        (
            ("fp16 only", {"dual": "none"}),
            ("shared", {}),
            ("side by side", {"share": "none"}),
            ("fp16 only, latency 0", {"dual": "none", "latency": "0"}),
            ("shared, latency 0", {"latency": "0"}),
            ("side by side, latency 0", {"share": "none", "latency": "0"}),
            ("fp16 only, window", {"dual": "none", "acc": "window", "window": "32", "latency": "2"}),
            ("shared, window", {"acc": "window", "window": "32", "latency": "2"}),
            ("side by side, window", {"share": "none", "acc": "window", "window": "32", "latency": "2"}),
        ),
    ),
    Section("Dual mode, IEEE, fp16 accumulate", IEEE, _each("dual", "none fp8xfp8 fp8xfp16")),
    Section("Dual mode, arithmetic of the array", ARRAY, _each("dual", "none fp8xfp8 fp8xfp16")),
    Section("Accumulate format, IEEE", IEEE, ACCUMULATE),
    Section("Accumulate format, training, fp8 x fp16", {**ARRAY, "latency": "3"}, ACCUMULATE),
    Section("Flavour, fp16 accumulate", IEEE, _each("flavour", "ieee training")),
    Section("Flavour, fp32 accumulate", {**IEEE, "acc": "fp32"}, _each("flavour", "ieee training")),
    Section("fp8 format, IEEE, fp16 accumulate", IEEE, _each("fp8", "e4m3 e5m2 both mixed")),
    Section("Latency, IEEE, fp16 accumulate", IEEE, _each("latency", "0 1 2 3 4")),
    Section("Latency, arithmetic of the array", ARRAY, _each("latency", "1 2 3 4")),
)


def command(options: Options) -> list[str]:
    """Arguments of `lnpu` after which DIR holds `fma.v`."""
    return ["verilog", "fma", *(part for name, value in options.items() for part in (f"--{name}", value))]


def export(options: Options, folder: Path) -> Path:
    """Run the command that the document names."""
    main = "from lnpu.export.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", main, *command(options), "-o", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SynthError(f"lnpu {shlex.join(command(options))}: {done.stderr.strip() or 'failed'}")
    return folder / "fma.v"


def measure(entry: dict[str, Any], verilog: Path, library: Library | None, seeds: int) -> None:
    """Fill in what an entry lacks."""
    if library and entry.get("asic", {}).get("library") != library.name:
        report = asic([verilog], "fma", library, sweep=True)
        keys = ("library", "min_area", "min_delay", "nand2", "ff")
        entry["asic"] = {key: report.as_dict()[key] for key in keys}
    if entry.get("fpga", {}).get("placements") != seeds:
        report = fpga([verilog], "fma", pnr=True, seeds=seeds)
        keys = ("lut4", "dsp", "ff", "depth", "fmax_mhz")
        entry["fpga"] = {"placements": seeds, **{key: report.as_dict()[key] for key in keys}}


def load(path: Path) -> Store:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def save(path: Path, store: Store) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".tmp")
    staged.write_text(json.dumps(store, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    staged.replace(path)


def page(store: Store, seeds: int, kept: str) -> str:
    """The document."""
    libraries = sorted({entry["asic"]["library"] for entry in store.values() if "asic" in entry})
    nands = sorted({entry["asic"]["nand2"] for entry in store.values() if "asic" in entry})
    lines = [
        "# FMA: area, delay and FPGA resources",
        "",
        "Generated by `make results LIBERTY=FILE`; the raw figures are in [fma.json](fma.json).",
        "",
        "A row is `lnpu verilog fma OPTIONS -o DIR` and then, on the cell library, "
        "`lnpu synth DIR/fma.v --top fma --liberty FILE --sweep`, on the FPGA "
        f"`lnpu synth DIR/fma.v --top fma --family ecp5 --pnr --seeds {seeds}`. "
        "[What the figures mean](../synth.md): areas in kGE (thousands of NAND2), longest paths in ns "
        "without wires; LUT4 with a carry cell as two, Fmax the median of the placements, speed grade 6.",
        "",
    ]
    if libraries:
        lines += [f"Cell library: `{', '.join(libraries)}`, unit `{', '.join(nands)}`.", ""]
    for section in SECTIONS:
        lines += [
            f"## {section.title}",
            "",
            "| | smallest: kGE @ ns | fastest: kGE @ ns | LUT4 | DSP | FF | levels | Fmax MHz | options |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for label, changed in section.rows:
            options = section.options(changed)
            entry = store[shlex.join(command(options))]
            lines.append(f"| {label} | {_cells(entry)} | `{shlex.join(command(options)[2:])}` |")
        lines.append("")
    return "\n".join(lines) + (f"\n{kept}" if kept else "")


def _cells(entry: dict[str, Any]) -> str:
    points = [entry["asic"][key] for key in ("min_area", "min_delay")] if "asic" in entry else [None, None]
    cells = [f"{p['kge']:.2f} @ {p['delay_ns']:.2f}" if p else "-" for p in points]
    f = entry["fpga"]
    fmax = "-" if f["fmax_mhz"] is None else f"{f['fmax_mhz']:.0f}"
    return " | ".join([*cells, f"{f['lut4']:,}", str(f["dsp"]), str(f["ff"]), str(f["depth"]), fmax])


def kept_section(path: Path) -> str:
    """The section that people wrote, from its heading to the next one."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(rf"^{KEPT}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[0].rstrip() + "\n" if found else ""


def main(
    liberty: Annotated[
        Path | None, typer.Option(help="Cell library; without it known figures are kept.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Placements of every configuration.")] = 3,
) -> None:
    """Regenerate docs/results/fma.md."""
    library = Library(liberty) if liberty else None
    cache = {**load(DATA), **load(CACHE)}
    wanted = {}
    for section in SECTIONS:
        for _, changed in section.rows:
            options = section.options(changed)
            wanted[shlex.join(command(options))] = options
    store: Store = {}
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("FMA", total=len(wanted))
        for key, options in wanted.items():
            bar.update(task, description=key.removeprefix("verilog fma "))
            with tempfile.TemporaryDirectory(prefix="lnpu-results-") as folder:
                verilog = export(options, Path(folder))
                digest = hashlib.sha256(verilog.read_bytes()).hexdigest()
                known = cache.get(key, {})
                store[key] = entry = known if known.get("sha256") == digest else {"sha256": digest}
                measure(entry, verilog, library, seeds)
            cache[key] = entry
            save(CACHE, cache)
            bar.advance(task)
    text = page(store, seeds, kept_section(PAGE))
    save(DATA, store)
    PAGE.write_text(text, encoding="utf-8")
    console.print(f"wrote {PAGE.relative_to(ROOT)} and {DATA.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except SynthError as error:
        sys.exit(f"error: {error}")

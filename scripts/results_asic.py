"""Regenerate docs/results/asic.md: area, timing and energy on a cell library, from activity at the gates.

    python scripts/results_asic.py --liberty my_library.lib.gz --trace DIR/resnet18_early.npz

What was measured is kept in build/results/asic, one file a measurement, so that a run that was stopped goes
on; `--fresh` forgets it. The whole takes some hours on one core.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from lnpu.engine.config import Convolution, Pass
from lnpu.presets import engine_config, load, preset_path
from lnpu.synth.area import AreaReport, area_report
from lnpu.synth.library import Library
from lnpu_sim.engine.inputs import Technique
from lnpu_sim.engine.workload import Workload, synthetic, trace
from lnpu_sim.gates import MappedEngine, Numerics, map_engine, measure, waiting

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results" / "asic.md"
KEPT = ROOT / "build" / "results" / "asic"
SHAPES = {"edge": Convolution(16, 16, 64, 64, 3, 1, 1), "lnpu-core": Convolution(24, 4, 64, 64, 3, 1, 1)}
"""The layer of the sweep: 64 to 64 channels, 256 pixels, 64 a line of `edge`; 24 x 4 pixels, 2 a line, of
`lnpu-core`, whose X buffer holds no wider rows."""
ZEROS = (0.0, 0.25, 0.5, 0.75, 0.9)
LAYERS = ("s1b1_c2", "s2b1_c2", "s3b1_c2", "s4b1_c2")
"""Of the training step: one layer of each stage of the network."""
PUBLISHED = (3.48, 25.3)
"""TFLOPS/W at 0 and 90 % that the survey gives for the chip LNPU (fp8)."""

console = Console(stderr=True)


class Bench:
    """A mapped engine; maps it when it is first needed."""

    def __init__(self, preset: str, liberty: Path, period: float) -> None:
        self.preset, self._liberty, self._period = preset, liberty, period
        self._engine: MappedEngine | None = None

    @property
    def engine(self) -> MappedEngine:
        if self._engine is None:
            config = engine_config(load(preset_path(self.preset)))
            console.print(f"mapping {self.preset}")
            self._engine = map_engine(config, Library(self._liberty), period_ns=self._period)
        return self._engine

    def kept(self, name: str, make: Callable[[MappedEngine], Any]) -> Any:
        """A measurement, from the file that keeps it or new."""
        file = KEPT / f"{self.preset}-{self._period:g}-{name}.json"
        if not file.is_file():
            console.print(f"measuring {file.stem}")
            found = make(self.engine)
            KEPT.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(found, indent=2))
        return json.loads(file.read_text())

    def energy(
        self, name: str, work: Callable[[], Workload], kind: Pass, technique: Technique, share: float
    ) -> Any:
        """Energy of a pass."""

        def make(engine: MappedEngine) -> dict[str, Any]:
            found = measure(engine, engine.unit(), work(), kind, technique, share=share)
            record = dataclasses.asdict(found)
            record |= {"kind": kind.name, "technique": technique.name, "pj": found.pj}
            return record | {"pj_per_mac": found.pj_per_mac, "gflops_per_watt": found.flops_per_watt / 1e9}

        return self.kept(name, make)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def area_section(benches: list[Bench]) -> str:
    """Area by block, memories apart, and the longest path."""
    rows, paths = [], []
    for bench in benches:
        found: dict[str, Any] = bench.kept("area", lambda engine: area_of(engine).as_dict())
        for block in found["blocks"]:
            cells = [f"{block['cells']:,}", f"{block['registers']:,}", f"{block['kge']:.1f}"]
            rows.append(
                [bench.preset, block["name"], str(block["copies"]), *cells, f"{block['area_um2'] / 1e6:.3f}"]
            )
        for sram in found["srams"]:
            size = f"{sram['words']} x {sram['bits']}"
            row = [
                bench.preset,
                f"SRAM {size}",
                str(sram["count"]),
                "-",
                "-",
                "-",
                f"{sram['area_um2'] / 1e6:.3f}",
            ]
            rows.append(row)
        paths.append(
            [
                bench.preset,
                f"{found['kge']:.0f}",
                f"{found['area_um2'] / 1e6:.2f}",
                f"{found['sram_bits'] / 8192:.1f}",
                f"{found['sram_area_um2'] / 1e6:.2f}",
                f"{found['delay_ns']:.1f}",
                f"{1000 / found['delay_ns']:.0f}",
                f"{found['start']} to {found['end']}",
            ]
        )
    head = ["preset", "block", "copies", "cells", "registers", "kGE", "mm2, all copies"]
    total = ["preset", "kGE", "cells mm2", "SRAM kB", "SRAM mm2", "longest path ns", "MHz", "from, to"]
    return table(head, rows) + "\n" + table(total, paths)


def area_of(engine: MappedEngine) -> AreaReport:
    """Area of a mapped engine."""
    return area_report(engine.design, engine.library, engine.sram, engine.annotation.timing)


def sweep(bench: Bench, numerics: Numerics, zeros: float, skip: bool = True) -> Any:
    """One point of the sweep."""
    technique = numerics.technique(skip)
    name = f"{numerics.value}-{'skip' if skip else 'issued'}-{round(100 * zeros)}"
    return bench.energy(
        name, lambda: layer(SHAPES[bench.preset], zeros, numerics), Pass.FP, technique, numerics.share
    )


def layer(shape: Convolution, zeros: float, numerics: Numerics) -> Workload:
    """The layer; with long-tailed values for FGMP, so that some of them need fp16."""
    work = synthetic(shape, 1, zeros)
    if numerics is not Numerics.FGMP:
        return work
    tails = np.abs(np.random.default_rng(1).standard_t(2, work.x.shape)) + 0.01
    return dataclasses.replace(work, x=np.where(work.x, tails, 0).astype(np.float32))


def fit(points: list[tuple[float, float]]) -> tuple[float, float]:
    """a and b of E(s) = a + (1 - s) b, least squares, over E(0)."""
    s, e = np.array(points).T
    b, a = np.polyfit(1 - s, e, 1)
    return a / e[0], b / e[0]


def sweep_section(bench: Bench) -> str:
    """Energy over sparsity for each numerics, and the fit."""
    rows, fits = [], []
    for numerics in Numerics:
        points = [sweep(bench, numerics, zeros) for zeros in ZEROS]
        first = points[0]["pj_per_mac"]
        for zeros, point in zip(ZEROS, points, strict=True):
            kinds = point["by_kind"]
            shares = [
                f"{kinds[k] / point['pj']:.0%}" for k in ("combinational", "registers", "clock", "sram")
            ]
            rows.append(
                [
                    numerics.value,
                    f"{zeros:.0%}",
                    f"{point['cycles']:,}",
                    f"{point['utilisation']:.3f}",
                    f"{point['pj_per_mac']:.2f} ± {point['error']:.1%}",
                    f"{point['gflops_per_watt']:.0f}",
                    f"**{first / point['pj_per_mac']:.2f}**",
                    *shares,
                    f"{point['glitches']:.2f}",
                ]
            )
        a, b = fit([(1 - (1 - p["zeros"]) / (1 - points[0]["zeros"]), p["pj_per_mac"]) for p in points])
        fits.append([numerics.value, f"{a:.1%}", f"{b:.1%}", f"{first / points[-1]['pj_per_mac']:.2f}"])
    ratio = PUBLISHED[1] / PUBLISHED[0]
    a = (1 / ratio - 0.1) / 0.9
    fits.append(["LNPU, the survey's two points", f"{a:.1%}", f"{1 - a:.1%}", f"{ratio:.2f}"])
    head = ["numerics", "zeros", "cycles", "slot utilisation", "pJ a MAC", "GFLOP/s a watt", "over 0 %"]
    head += ["gates", "registers", "clock", "SRAM", "transitions a change"]
    return table(head, rows) + "\n" + table(["numerics", "a", "b", "90 % : 0 %"], fits)


def dense_section(bench: Bench) -> str:
    """Skipping against the same netlist with zeros issued, and with zeros issued to gated lanes."""
    idle = bench.kept("waiting", lambda engine: {"pj": waiting(engine, engine.unit())})["pj"]
    rows = []
    for zeros in (0.5, 0.9):
        skipped, issued = (sweep(bench, Numerics.FP16, zeros, skip) for skip in (True, False))
        gated = skipped["pj"] + idle * (issued["cycles"] - skipped["cycles"])
        both = [issued["pj"], gated]
        rows.append(
            [
                f"{zeros:.0%}",
                *(f"{pj / skipped['macs']:.2f}" for pj in (skipped["pj"], *both)),
                *(f"**{pj / skipped['pj']:.2f}**" for pj in both),
                f"{issued['cycles'] / skipped['cycles']:.2f}",
            ]
        )
    head = ["zeros", "pJ a MAC, skipped", "issued", "issued and gated", "issued : skipped", "gated : skipped"]
    return table([*head, "cycles"], rows) + f"\nA cycle in which the engine waits costs {idle:.0f} pJ.\n"


def step_section(bench: Bench, file: Path | None) -> str | None:
    """Energy of a training step of a real trace: skipping with FGMP over dense fp16."""
    if file is None:
        return None
    rows = []
    totals: dict[str, list[float]] = {}
    for name in LAYERS:
        for kind in Pass:
            pair = []
            for technique in (Technique.NEITHER, Technique.BOTH):

                def work(layer: str = name) -> Workload:
                    whole = trace(file, [layer])[0]
                    return dataclasses.replace(whole, x=whole.x[:1], d=whole.d[:1])

                pair.append(bench.energy(f"{name}-{kind.name}-{technique.name}", work, kind, technique, 0.05))
            dense, both = pair
            for key in (kind.name, "all"):
                sums = totals.setdefault(key, [0.0] * 4)
                for n, value in enumerate((dense["pj"], both["pj"], dense["cycles"], both["cycles"])):
                    sums[n] += value
            rows.append(
                [
                    name,
                    kind.name,
                    f"{both['zeros']:.0%}",
                    f"{dense['pj'] / 1e6:.2f}",
                    f"{both['pj'] / 1e6:.2f}",
                    f"**{dense['pj'] / both['pj']:.2f}**",
                    f"{dense['cycles'] / both['cycles']:.2f}",
                ]
            )
    for key in (*(kind.name for kind in Pass), "all"):
        d, b, dc, bc = totals[key]
        rows.append(
            ["sum", key, "", f"{d / 1e6:.2f}", f"{b / 1e6:.2f}", f"**{d / b:.2f}**", f"{dc / bc:.2f}"]
        )
    head = ["layer", "pass", "zeros", "dense fp16 uJ", "FGMP and skipping uJ", "energy ratio", "cycles ratio"]
    return table(head, rows)


def main(
    liberty: Annotated[Path, typer.Option(help="Cell library.")],
    trace_file: Annotated[Path | None, typer.Option("--trace", help="Trace of real layers.")] = None,
    period: Annotated[float, typer.Option(help="Clock period in ns that gates are sized for.")] = 20.0,
    only: Annotated[list[str] | None, typer.Option(help="area, sweep, dense, step, core.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier measurements.")] = False,
) -> None:
    """Measure, and write the tables."""
    if fresh:
        for file in KEPT.glob("*.json"):
            file.unlink()
    edge, core = (Bench(preset, liberty, period) for preset in ("edge", "lnpu-core"))
    sections: dict[str, Callable[[], str | None]] = {
        "sweep": lambda: sweep_section(edge),
        "dense": lambda: dense_section(edge),
        "step": lambda: step_section(edge, trace_file),
        "core": lambda: sweep_section(core),
        "area": lambda: area_section([edge, core]),
    }
    for name, make in sections.items():
        if only and name not in only:
            continue
        text = make()
        if text is None:
            continue
        page = PAGE.read_text(encoding="utf-8")
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)"
        new, count = re.subn(pattern, lambda m, text=text: m[1] + text + m[2], page, flags=re.S)
        if count != 1:
            raise typer.BadParameter(f"{PAGE} has no table `{name}`")
        PAGE.write_text(new, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    typer.run(main)

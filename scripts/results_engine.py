"""Regenerate docs/results/engine.md: what the exported engine does with its slots, and its size.

    python scripts/results_engine.py --trace DIR/resnet18_early.npz --liberty sky130_hd.lib

The trace is an `.npz` as `lnpu_sim.engine.workload.trace` reads it. Sections whose input is missing are kept
as they are; `--only` regenerates single ones.
"""

import dataclasses
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from amaranth.hdl import Elaboratable, Fragment, Module, Shape, Signal, Value
from amaranth.lib import wiring
from rich.console import Console
from rich.progress import Progress

from lnpu.buffer.transposer import make_transposer
from lnpu.engine.collector import Collector
from lnpu.engine.config import Convolution, EngineConfig, Pass, Policy
from lnpu.engine.dealer import Dealer
from lnpu.engine.feed import Feed
from lnpu.engine.line import Line
from lnpu.engine.loader import Loader
from lnpu.engine.row_decoder import RowDecoder
from lnpu.engine.store import XStore
from lnpu.export.codec import flat_ports
from lnpu.export.engine import TOP, engine_verilog
from lnpu.export.pe import export_pe
from lnpu.export.verilog import to_verilog
from lnpu.presets import PRESETS, engine_config, load, preset_path
from lnpu.synth import Library, asic, fpga
from lnpu_sim.engine.inputs import Technique
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.play import CAUSES, Played, play
from lnpu_sim.engine.workload import Pattern, Workload, gemm, pass_of, synthetic, trace
from lnpu_sim.rtl import RtlModule, build

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results" / "engine.md"
EDGE = engine_config(load(preset_path("edge")))
LOST = CAUSES[2:]
PERIOD = 5.0
"""Clock period in ns that gates are sized for."""
SIZES = (17, 31, 32, 33, 96, 160)
console = Console(stderr=True)


def engine(config: EngineConfig) -> RtlModule:
    """The compiled engine."""
    with console.status(f"compiling the engine, policy {config.policy.value}"):
        return build([engine_verilog(config)], TOP)


def run(
    unit: RtlModule, config: EngineConfig, work: Workload, kind: Pass, technique=Technique.BOTH
) -> Played:
    """A pass of a layer; WG with the bias gradient."""
    layer, tensor = pass_of(work, kind, technique, ones=kind is Pass.WG)
    played = play(unit, config, plan(layer, tensor, config))
    assert not played.full
    assert not played.errors
    return played


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def losses(counts: dict[str, int]) -> str:
    """Lost line cycles by cause, in parts of all line cycles."""
    total = max(1, sum(counts[cause] for cause in CAUSES))
    shares = [(counts[cause] / total, cause) for cause in LOST if counts[cause] / total >= 0.0005]
    return ", ".join(f"{cause} {share:.1%}" for share, cause in sorted(shares, reverse=True)) or "none"


def lane_use(work: Workload, kind: Pass, config: EngineConfig) -> float:
    """Used lanes over all lanes of the lane blocks."""
    lanes = work.shape.inputs if kind is Pass.BP else work.shape.outputs
    return lanes / (-(-lanes // config.lanes) * config.lanes)


def pixels_a_line(work: Workload, kind: Pass, config: EngineConfig) -> int:
    """Pixels of the largest tile, by lines."""
    layer, tensor = pass_of(work, kind)
    walks = plan(layer, tensor, config).walks
    return round((int(walks["pixels"].max()) + 1) / (1 if walks["all"].any() else config.lines))


def layers_section(unit: RtlModule, works: list[Workload]) -> str:
    """Utilisation of every layer and pass of the trace."""
    rows = []
    with Progress(console=console) as progress:
        for work in progress.track(works, description="layers"):
            for kind in Pass:
                played = run(unit, EDGE, work, kind)
                k = played.counts
                s = work.shape
                what = f"{s.inputs}-{s.outputs}, {s.kernel}x{s.kernel}" + (
                    f" /{s.stride}" if s.stride > 1 else ""
                )
                rows.append(
                    [
                        work.name,
                        what,
                        kind.name,
                        str(pixels_a_line(work, kind, EDGE)),
                        str(k["issue8"] + k["issue16"]),
                        str(k["cycles"]),
                        f"**{played.utilisation:.4f}**",
                        f"{lane_use(work, kind, EDGE) * played.utilisation:.3f}",
                        str(k["lead"]),
                        str(k["total"] - k["lead"] - k["cycles"]),
                        losses(k),
                    ]
                )
    head = ["layer", "channels", "pass", "pixels a line and tile", "slots", "cycles", "slot utilisation"]
    return table([*head, "lane utilisation", "first load", "last drain", "lost"], rows)


def ablation_section(works: list[Workload]) -> str:
    """Cycles of a training step under each technique, over those of dense fp16."""
    rows = []
    base: dict[Pass, tuple[int, int]] = {}
    cases = [(technique, Policy.DYNAMIC) for technique in (Technique.NEITHER, Technique.SKIP, Technique.FGMP)]
    cases += [(Technique.BOTH, policy) for policy in (Policy.NONE, Policy.ROTATE, Policy.DYNAMIC)]
    with Progress(console=console) as progress:
        for technique, policy in progress.track(cases, description="ablation"):
            config = dataclasses.replace(EDGE, policy=policy)
            unit = engine(config)
            cycles: dict[Pass, tuple[int, int]] = {}
            for kind in Pass:
                counts = [run(unit, config, work, kind, technique).counts for work in works]
                cycles[kind] = (sum(k["cycles"] for k in counts), sum(k["total"] for k in counts))
            base = base or cycles
            values = [str(sum(c for c, _ in cycles.values()))]
            for kind in Pass:
                values.append(f"{base[kind][0] / cycles[kind][0]:.2f}")
            for n in range(2):
                values.append(
                    f"**{sum(c[n] for c in base.values()) / sum(c[n] for c in cycles.values()):.2f}**"
                )
            rows.append([technique.value, policy.value, *values])
    head = [
        "input",
        "balancer",
        "cycles of a step",
        "FP",
        "BP",
        "WG",
        "all",
        "all, with first load and last drain",
    ]
    return table(head, rows)


def sparsity_section(unit: RtlModule) -> str:
    """Utilisation over sparsity; cycles as a line over slots."""
    rows, fits = [], []
    for channels in (64, 16):
        for kind in (Pass.FP, Pass.WG):
            points = []
            for zeros in (0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95):
                work = synthetic(Convolution(16, 16, channels, channels, 3, 1, 1), 2, zeros)
                played = run(unit, EDGE, work, kind)
                k = played.counts
                slots = (k["issue8"] + k["issue16"]) / EDGE.lines
                points.append((slots, k["cycles"]))
                rows.append(
                    [
                        f"{channels}-{channels}, 3x3",
                        kind.name,
                        f"{zeros:.0%}",
                        str(k["cycles"]),
                        f"{played.utilisation:.4f}",
                        losses(k),
                    ]
                )
            x, y = np.array(points[:4]).T  # up to 60 %
            slope, fixed = np.polyfit(x, y, 1)
            error = np.abs(slope * x + fixed - y).max()
            fits.append(
                [
                    f"{channels}-{channels}, 3x3",
                    kind.name,
                    f"{slope:.4f}",
                    f"{fixed:.0f}",
                    f"{fixed / y[0]:.2%}",
                    f"{error:.0f}",
                ]
            )
    first = table(["layer", "pass", "zeros", "cycles", "slot utilisation", "lost"], rows)
    head = ["layer", "pass", "cycles a slot", "fixed cycles", "of the dense layer", "largest deviation"]
    return first + "\nFit of cycles over slots a line, 0 to 60 % zeros:\n\n" + table(head, fits)


def patterns_section(unit: RtlModule) -> str:
    """Zeros spread unevenly, compared at the same number of slots."""
    rows = []
    for kind in (Pass.FP, Pass.WG):
        for pattern in Pattern:
            work = synthetic(Convolution(16, 16, 64, 64, 3, 1, 1), 2, 0.6, pattern)
            played = run(unit, EDGE, work, kind)
            slots = played.counts["issue8"] + played.counts["issue16"]
            per = EDGE.lines * played.counts["cycles"] / slots
            rows.append([kind.name, pattern.value, str(slots), f"{per:.4f}", f"{played.utilisation:.4f}"])
    return table(["pass", "zeros", "slots", "line cycles a slot", "slot utilisation"], rows)


def gemm_section(unit: RtlModule) -> str:
    """Dense fp16 matrix products."""
    rows = []
    for m in (64, 256, 1000):
        for k in SIZES:
            values = [run(unit, EDGE, gemm(m, k, n), Pass.FP, Technique.NEITHER).utilisation for n in SIZES]
            rows.append([str(m), str(k), *(f"{value:.4f}" for value in values)])
    return table(["M", "K", *(f"N = {n}" for n in SIZES)], rows)


def size_section(liberty: Path | None) -> str:
    """LUTs, registers, RAM blocks and gates of the engine and its parts."""
    parts: list[tuple[str, Callable[[], wiring.Component] | None, int]] = [
        ("PE", None, EDGE.lines * EDGE.pes),
        ("line, with its PEs", lambda: Line(EDGE), EDGE.lines),
        ("feed of a line", lambda: Feed(EDGE), EDGE.lines),
        ("dealer", lambda: Dealer(EDGE), 1),
        ("X buffer, with its decoders", lambda: XStore(EDGE), 1),
        ("... of which a decoder", lambda: RowDecoder(EDGE), EDGE.decoders),
        ("loader, with transposer", lambda: Loader(EDGE), 1),
        ("... of which the transposer", lambda: make_transposer(EDGE.transposer, EDGE.vector), 1),
        ("collector", lambda: Collector(EDGE), 1),
    ]
    library = Library(liberty) if liberty else None
    rows = []
    total = dict.fromkeys(("lut4", "lutram", "ff", "bram"), 0)
    gates = 0.0
    with tempfile.TemporaryDirectory() as folder, Progress(console=console) as progress:
        for name, unit, count in progress.track(parts, description="size"):
            top, file = "unit", Path(folder) / "unit.v"
            placed = name.startswith(("PE", "line"))
            if unit is None:
                top = export_pe(Path(folder))["top"]
                file = Path(folder) / f"{top}.v"
            else:
                whole = unit()
                file.write_text(to_verilog(whole, top, flat_ports(whole)))
            report = fpga([file], top, wide_luts=False, pnr=placed)
            numbers = {key: getattr(report, key) for key in total}
            part = not name.startswith((".", "PE"))
            for key, value in numbers.items() if part else ():
                total[key] += count * value
            cells = ["-", "-"]
            if library:
                standing = StandIns()
                if unit is not None:
                    whole = unit()
                    file.write_text(to_verilog(Without(whole, standing), top, flat_ports(whole)))
                mapped = asic([file], top, library, period_ns=PERIOD)
                own = mapped.kge - sum(standing.kge(shape, library, folder) for shape in standing.shapes)
                gates += count * own if part else 0
                cells = [f"{own:.2f}", f"{mapped.delay_ns:.2f}"]
            fmax = f"{report.fmax_mhz:.0f}" if report.fmax_mhz else "-"
            rows.append([name, str(count), *map(str, numbers.values()), str(report.depth), fmax, *cells])
    sums = [f"**{value}**" for value in total.values()]
    rows.append(
        ["**engine**, sum of the parts", "1", *sums, "", "", f"**{gates:.1f}**" if library else "-", ""]
    )
    head = [
        "part",
        "number",
        "LUT4",
        "distributed RAM cells",
        "flip-flops",
        "block RAMs",
        "LUT levels",
        "MHz",
    ]
    return table([*head, "kGE without memories", "ns"], rows)


class StandIns:
    """A platform on which a memory is one word with its read registers; notes the memories."""

    def __init__(self):
        self.shapes: list[tuple[int, tuple[int, ...], int]] = []

    def get_memory(self, memory):
        """What stands for a memory: its ports with one word behind them."""
        m = Module()
        writes, reads = memory.write_ports, memory.read_ports
        width = Shape.cast(memory.shape).width
        lanes = len(writes[0].en)
        self.shapes.append((width, tuple(int(r.domain != "comb") for r in reads), lanes))
        word = Signal(width)
        for port in writes:
            for n in range(lanes):
                part = slice(n * width // lanes, (n + 1) * width // lanes)
                with m.If(port.en[n]):
                    m.d.sync += word[part].eq(Value.cast(port.data)[part])
        for port in reads:
            if port.domain == "comb":
                m.d.comb += Value.cast(port.data).eq(word)
            else:
                with m.If(port.en):
                    m.d.sync += Value.cast(port.data).eq(word)
        return m

    @staticmethod
    def kge(shape: tuple[int, tuple[int, ...], int], library: Library, folder: str) -> float:
        """Gates of a stand-in alone."""
        width, reads, lanes = shape
        unit, ports = Module(), {}
        word = Signal(width)
        data, en = Signal(width), Signal(lanes)
        ports |= {"data": (data, False), "en": (en, False)}
        for n in range(lanes):
            part = slice(n * width // lanes, (n + 1) * width // lanes)
            with unit.If(en[n]):
                unit.d.sync += word[part].eq(data[part])
        for n, clocked in enumerate(reads):
            out, read = Signal(width, name=f"out{n}"), Signal(name=f"read{n}")
            ports |= {f"out{n}": (out, True), f"read{n}": (read, False)}
            if clocked:
                with unit.If(read):
                    unit.d.sync += out.eq(word)
            else:
                unit.d.comb += out.eq(word)
        file = Path(folder) / "word.v"
        file.write_text(to_verilog(unit, "word", ports))
        return asic([file], "word", library).kge


class Without(Elaboratable):
    """A component elaborated on another platform."""

    def __init__(self, component, platform):
        self.component, self.platform = component, platform

    def elaborate(self, platform):
        return Fragment.get(self.component, self.platform)


def memory_section() -> str:
    """Bits of the files and buffers of each preset."""
    rows = []
    for name in PRESETS:
        config = engine_config(load(preset_path(name)))
        parts = {
            "Tile files": config.lines * 2 * config.tile_entries * config.lanes * 32,
            "Row files": config.lines * config.row_words * config.row_lanes * 32,
            "X buffer": 2 * (config.words * config.units * 14 + config.blocks * (config.word_bits + 14)),
            "rows that wait": config.decoders * 512 * 65,
        }
        rows.append(
            [
                name,
                f"{config.lines} x {config.pes}",
                *(f"{bits / 8192:.1f}" for bits in parts.values()),
                f"**{sum(parts.values()) / 8192:.1f}**",
            ]
        )
    return table(
        ["preset", "lines x PEs", "Tile files", "Row files", "X buffer", "rows that wait", "kB in all"], rows
    )


def replace(page: str, name: str, text: str) -> str:
    """The page with the section between its markers replaced."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    assert pattern.search(page), name
    return pattern.sub(lambda match: match[1] + text + match[2], page)


def main(
    trace_file: Annotated[
        Path | None, typer.Option("--trace", help="Layers of a training step (.npz).")
    ] = None,
    liberty: Annotated[Path | None, typer.Option(help="Cell library for the gate counts.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Sections to regenerate.")] = None,
) -> None:
    """Regenerate docs/results/engine.md."""
    works = [work for work in trace(trace_file) if work.name != "fc"] if trace_file else []
    sections = {
        "layers": lambda: layers_section(engine(EDGE), works) if works else None,
        "ablation": lambda: ablation_section(works) if works else None,
        "sparsity": lambda: sparsity_section(engine(EDGE)),
        "patterns": lambda: patterns_section(engine(EDGE)),
        "gemm": lambda: gemm_section(engine(EDGE)),
        "size": lambda: size_section(liberty),
        "memory": memory_section,
    }
    for name, make in sections.items():
        if only and name not in only:
            continue
        text = make()
        if text is not None:
            PAGE.write_text(replace(PAGE.read_text(), name, text))
            console.print(f"{name}: written")


if __name__ == "__main__":
    typer.run(main)

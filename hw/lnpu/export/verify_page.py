"""The page that `lnpu verify fma` writes: what was compared, and how fast operations went through."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lnpu.formats import FP16
from lnpu.numeric.config import FmaConfig
from lnpu.pages import page, png, table
from lnpu_sim.numeric.stimulus import fma_stimulus
from lnpu_sim.rtl.verify_fma import FmaCheck

__all__ = ["write_page"]


def write_page(config: FmaConfig, check: FmaCheck, seed: int, folder: Path) -> None:
    """Write `index.html` and its plots into a folder that holds the exported `fma.v`."""
    (folder / "coverage.png").write_bytes(_exponents(config, seed))
    (folder / "throughput.png").write_bytes(_throughput(check))
    verdict = (
        "equals its golden model, bit for bit" if not check.mismatches else "DIFFERS from its golden model"
    )
    result = [
        ("operations", f"{check.operations:,}"),
        ("mismatches", f"{check.mismatches:,}"),
        ("clock cycles", f"{check.cycles:,}"),
    ]
    ports = [(p.name, p.width, "out" if p.output else "in", p.doc) for p in config.ports]
    sections = [
        f"<p>The exported Verilog (<a href='fma.v'>fma.v</a>) {verdict}.</p>",
        table((), [*config.as_dict().items(), *result]),
        "<h2>Operations compared</h2>",
        "<p>Single mode: how often each pair of product and addend exponents met (fp16 operands).</p>",
        "<img src='coverage.png' alt='exponents of product and addend'>",
        "<h2>Throughput</h2>",
        "<img src='throughput.png' alt='operations a cycle by stall pattern'>",
        "<h2>Ports</h2>",
        table(("port", "bits", "direction", "carries"), ports),
    ]
    if check.examples:
        sections += ["<h2>Mismatches</h2>", table((), [(text,) for text in check.examples])]
    (folder / "index.html").write_text(page("FMA: verification", sections))


def _exponents(config: FmaConfig, seed: int) -> bytes:
    stimulus = fma_stimulus(config, 200_000, seed)
    single = np.asarray(stimulus.get("mode", np.zeros(200_000))) == 0

    def field(words: np.ndarray, bits: int, low: int) -> np.ndarray:
        return (words >> low & ((1 << bits) - 1)).astype(np.int64)

    a, b = (field(np.asarray(stimulus[name]), 5, 10)[single] for name in "ab")
    c = np.asarray(stimulus["c"])
    c = (c if c.ndim == 1 else c[:, 0])[single].astype(np.int64)
    acc = getattr(config.accumulate, "format", None)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    product = a + b - 2 * FP16.bias
    if acc is None:
        top = np.asarray(stimulus["top"])[single]
        other = np.clip(top, -64, 64)
        axes.set_ylabel("exponent of the window's top")
    else:
        other = np.clip(field(c, acc.exponent_bits, acc.mantissa_bits) - acc.bias, -64, 64)
        axes.set_ylabel("exponent of the addend")
    # One bin an exponent.
    edges = [np.arange(x.min(), x.max() + 2) - 0.5 for x in (product, other)]
    _, _, _, mesh = axes.hist2d(product, other, bins=edges, cmap="viridis", norm="log")
    figure.colorbar(mesh, label="operations of 200,000")
    axes.set_xlabel("exponent of the product")
    return png(figure)


def _throughput(check: FmaCheck) -> bytes:
    rows: Sequence[tuple[str, float]] = [
        (name, done / cycles) for name, (done, cycles) in check.patterns.items() if cycles
    ]
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh([name for name, _ in rows][::-1], [rate for _, rate in rows][::-1], color="#3b6ea5")
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set_xlim(0, 1.1)
    axes.set_xlabel("operations a clock cycle")
    axes.spines[["top", "right"]].set_visible(False)
    return png(figure)

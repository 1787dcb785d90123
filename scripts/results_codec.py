"""Regenerate docs/results/codec.md: bits an element on real tensors, decoder bubbles, size of the hardware.

    python scripts/results_codec.py --traces DIR/resnet18_early.npz

The traces are fp32 NCHW arrays `<layer>__X` and `<layer>__D`. Without --traces the tensor tables are kept.
"""

import itertools
import re
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from lnpu.codec.config import RUN_WIDTHS_8, RUN_WIDTHS_16, CodecConfig, FgmpFormat
from lnpu.export.codec import codec_verilog
from lnpu.synth import fpga
from lnpu_host.codec_control import bias_for, next_format
from lnpu_sim.codec.quantise import quantise
from lnpu_sim.codec.sizes import best_run_widths, other_formats
from lnpu_sim.codec.tensor import encode, to_blocks

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results" / "codec.md"
SHARE = 0.05
LOSS_SCALE = 16384
BARS = {"X": 6.9, "D": 10.1}


def best_format(x):
    """Smallest bias that keeps the fp16 share, and the run widths of the smallest size."""
    bias = bias_for(encode(x, FgmpFormat()).descriptor.statistics, SHARE)
    widths = best_run_widths(quantise(x, FgmpFormat(bias)).group)
    return FgmpFormat(bias, widths.k8, widths.k16)


def controlled_format(x):
    """What the driver's rule settles on, starting from the defaults and never seeing a size."""
    fmt = FgmpFormat()
    for _ in range(3):
        d = encode(x, fmt).descriptor
        fmt = next_format(d.statistics, d.geometry, fmt, SHARE)
    return fmt


def bubbles(x, fmt, fold=3):
    """Cycles of the sparse decoder in which escapes deliver no element, as a share of the elements.

    One cycle takes `fold` escapes and the element behind them, or as many as fit in 64 bits.
    """
    group = to_blocks(quantise(x, fmt).group, encode(x, fmt).descriptor.geometry).reshape(
        -1, min(x.shape[-1], 64)
    )
    idle = 0
    for kind, k, width in ((1, fmt.k8, fmt.w8), (2, fmt.k16, fmt.w16)):
        block, column = np.nonzero(group == kind)
        gap = np.diff(column, prepend=0) - 1
        first = np.diff(block, prepend=-1) != 0
        gap[first] = column[first]
        folded = min(fold, 64 // width - 1)
        idle += int(np.maximum(-(-((gap >> k) - folded) // (folded + 1)), 0).sum())
    return idle / max(1, np.count_nonzero(group))


def tensors(file, kind):
    """Name and NHWC tensor of every convolution layer."""
    for key in file.files:
        layer, _, which = key.partition("__")
        if which == kind and layer != "fc":
            scale = LOSS_SCALE if kind == "D" else 1
            yield layer, np.ascontiguousarray(file[key].transpose(0, 2, 3, 1)) * np.float32(scale)


def tensor_section(traces):
    """Tables of bits an element."""
    file = np.load(traces)
    lines, summary = [], []
    for kind, title in (("X", "activations X"), ("D", f"gradients D x {LOSS_SCALE}")):
        total = {"best": 0.0, "rule": 0.0, "elements": 0, "bubbles": 0.0, "nonzero": 0}
        others: dict[str, float] = {}
        lines += [
            f"\n### {title}\n",
            "| layer | C | bias | k8 / k16 | zero | fp16 of non-zeros | bits | bubbles |",
        ]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for layer, x in tensors(file, kind):
            fmt, rule = best_format(x), controlled_format(x)
            best, ruled = encode(x, fmt), encode(x, rule)
            widths = itertools.product(RUN_WIDTHS_8, RUN_WIDTHS_16)
            assert best.size == min(encode(x, FgmpFormat(fmt.bias, *pair)).size for pair in widths)
            s, idle = best.descriptor.statistics, bubbles(x, fmt)
            nonzero = s.fp8 + s.fp16
            for name, value in (("best", best.size), ("rule", ruled.size)):
                total[name] += 8 * value
            total["elements"] += x.size
            total["bubbles"] += idle * nonzero
            total["nonzero"] += nonzero
            q = quantise(x, fmt)
            for name, bits in other_formats(q.codes, q.group).items():
                others[name] = others.get(name, 0) + bits * x.size
            lines.append(
                f"| {layer} | {x.shape[-1]} | {fmt.bias} | {fmt.k8} / {fmt.k16} | {1 - nonzero / x.size:.1%} "
                f"| {s.fp16 / nonzero:.2%} | {best.bits_per_element:.2f} | {idle:.3%} |"
            )
        n = total["elements"]
        summary.append(
            f"| {title} | {total['best'] / n:.2f} | {total['rule'] / n:.2f} | {BARS[kind]} "
            f"| {total['bubbles'] / total['nonzero']:.3%} | "
            + " | ".join(f"{bits / n:.2f}" for bits in others.values())
            + " |"
        )
        names = list(others)
    head = ["| tensors | FGMP | FGMP, driver's rule | bar | bubbles | " + " | ".join(names) + " |"]
    head += ["|" + "---|" * (5 + len(names))]
    return "\n".join([*head, *summary, *lines]) + "\n"


def hardware_section():
    """LUTs and registers of the blocks."""
    lines = ["| block | LUT4 | distributed RAM cells | flip-flops | depth |", "|---|---|---|---|---|"]
    for name, config, label in (
        ("codec-encoder", CodecConfig(), "encoder, 4 lanes of fp32"),
        ("codec-encoder", CodecConfig(lanes=1), "encoder, 1 lane of fp32"),
        ("codec-sparse-decoder", CodecConfig(), "sparse decoder, fold 3"),
        ("codec-sparse-decoder", CodecConfig(fold=1), "sparse decoder, fold 1"),
        ("codec-dense-decoder", CodecConfig(), "dense decoder, 4 lanes"),
        ("codec-dense-decoder", CodecConfig(lanes=1), "dense decoder, 1 lane"),
    ):
        with tempfile.TemporaryDirectory() as work:
            file = Path(work) / "unit.v"
            file.write_text(codec_verilog(name, config))
            report = fpga([file], "lnpu_" + name.replace("-", "_"))
        lines.append(row(label, report))
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines) + "\n"


def row(label, report):
    """One line of the hardware table."""
    return f"| {label} | {report.lut4} | {report.lutram} | {report.ff} | {report.depth} |"


def replaced(page, mark, text):
    """The page with the part between two marks exchanged."""
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end {mark} -->)", re.DOTALL)
    assert pattern.search(page), mark
    return pattern.sub(lambda m: m[1] + text + m[2], page)


def main(
    traces: Annotated[Path | None, typer.Option(help="The .npz of tensors.")] = None,
    hardware: Annotated[bool, typer.Option(help="Map the blocks too.")] = True,
) -> None:
    """Regenerate docs/results/codec.md."""
    page = PAGE.read_text()
    if traces is not None:
        page = replaced(page, "tensors", tensor_section(traces))
    if hardware:
        page = replaced(page, "hardware", hardware_section())
    PAGE.write_text(page)


if __name__ == "__main__":
    typer.run(main)

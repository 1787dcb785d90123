"""The histogram of a compressed tensor as a picture."""

import base64
import html
import io
from typing import Any

from lnpu.export.commands.errors import UserError

__all__ = ["histogram_plot"]


def histogram_plot(report: dict[str, Any], suffix: str) -> bytes:
    """PNG or a self-contained HTML page of a report's histogram.

    Raises:
        UserError: another suffix.
    """
    if suffix not in (".png", ".html"):
        raise UserError(f"--plot: the file must end in .png or .html, not {suffix!r}")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    first_wide, first_small = report["bias"] + 24, max(1, report["bias"] + 8)
    bins = range(1, 32)
    for start, stop, colour, label in (
        (1, first_small, "#8aa0b8", "flushed to zero"),
        (first_small, first_wide, "#2f7d4f", "fp8 group"),
        (first_wide, 32, "#c4472d", "fp16 group"),
    ):
        part = [b for b in bins if start <= b < stop]
        axes.bar(part, [report["histogram"][b] for b in part], color=colour, label=label)
    axes.set_xticks(list(bins)[::3], [f"{1.75 * 2.0 ** (b - 15):.2g}" for b in list(bins)[::3]])
    axes.set_xlabel("magnitude before quantisation, upper edge of the bin")
    axes.set_ylabel("elements")
    axes.set_title(f"{report['histogram'][0]:,} elements are zero or below 2^-14")
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    if suffix == ".png":
        return buffer.getvalue()
    image = base64.b64encode(buffer.getvalue()).decode()
    title = html.escape(f"shape {report['shape']}, {report['bits_per_element']:.2f} bits an element")
    return (
        f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>'
        f'<img alt="histogram" src="data:image/png;base64,{image}">'
    ).encode()

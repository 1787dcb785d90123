"""`lnpu encode`, `lnpu decode`, `lnpu inspect`: compressed tensors as files (`docs/formats.md`)."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from lnpu.codec.config import CodecError, FgmpFormat
from lnpu.codec.descriptor import Statistics
from lnpu.export.commands.errors import UserError
from lnpu.export.commands.files import read_array, write_bytes
from lnpu_host.codec_control import bias_for, wide_elements
from lnpu_sim.codec.container import FgmpFile, pack, unpack
from lnpu_sim.codec.quantise import check_array, quantise
from lnpu_sim.codec.sizes import best_run_widths
from lnpu_sim.codec.tensor import encode as encode_tensor

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(encode)
    app.command()(decode)
    app.command()(inspect)


@contextmanager
def _user_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except CodecError as error:
        raise UserError(f"{path}: {error}") from None
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}") from None


def _load(path: Path) -> FgmpFile:
    with _user_errors(path):
        return unpack(path.read_bytes())


@contextmanager
def _option_errors(name: str) -> Iterator[None]:
    try:
        yield
    except CodecError as error:
        raise UserError(str(error).replace(f"`{name}`", f"--{name}")) from None


def _check_options(scale: float, p: float | None, fields: dict[str, int | None]) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise UserError(f"--scale must be a finite number above 0, not {scale}")
    if p is not None and fields["bias"] is not None:
        raise UserError("give either --p or --bias, not both")
    if p is not None:
        with _option_errors("p"):
            bias_for(Statistics(), p)
    for name, value in fields.items():
        if value is not None:
            with _option_errors(name):
                FgmpFormat(**{name: value})


def _scaled(x: np.ndarray[Any, Any], scale: float) -> np.ndarray[Any, Any]:
    """The product as float32; a finite element stays finite, so that the quantiser saturates it."""
    wide, most = check_array(x).reshape(x.shape), float(np.finfo(np.float32).max)
    with np.errstate(all="ignore"):
        product = (wide.astype(np.float64) * scale).clip(-most, most).astype(np.float32)
    return np.where(np.isfinite(wide), product, wide)


def _bias(x: np.ndarray[Any, Any], p: float) -> int:
    """The bias that reaches the share `p`; says so when none does."""
    s = encode_tensor(x, FgmpFormat()).descriptor.statistics
    bias = bias_for(s, p)
    wide, non_zeros = wide_elements(s, bias), s.fp8 + s.fp16 + s.flushed
    if wide > p * non_zeros:
        typer.echo(
            f"warning: --p {p:g} cannot be reached: {wide / non_zeros:.1%} of the non-zeros are fp16 "
            f"even at the largest bias, {bias}",
            err=True,
        )
    return bias


def _shares(file: FgmpFile) -> str:
    s, total = file.tensor.descriptor.statistics, file.tensor.descriptor.geometry.elements
    return f"zero {1 - (s.fp8 + s.fp16) / total:.1%}, fp8 {s.fp8 / total:.1%}, fp16 {s.fp16 / total:.1%}"


def encode(
    source: Annotated[Path, typer.Argument(metavar="IN.npy", help="float16 or float32, rank 1 to 4 (NHWC).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.", show_default=False)],
    p: Annotated[
        float | None, typer.Option("--p", help="Largest fp16 share of the input's non-zeros. Default: 0.05.")
    ] = None,
    bias: Annotated[int | None, typer.Option(help="Exponent bias, -8 to 7, instead of --p.")] = None,
    k8: Annotated[
        int | None,
        typer.Option(help="fp8 run width: 1, 2, 4. Default: the width that gives the smallest file."),
    ] = None,
    k16: Annotated[
        int | None,
        typer.Option(help="fp16 run width: 4, 6. Default: the width that gives the smallest file."),
    ] = None,
    scale: Annotated[float, typer.Option(help="Multiply first (loss scale); a power of two is exact.")] = 1.0,
) -> None:
    """Compress an array: fp8 and fp16 elements, zeros run-length coded."""
    _check_options(scale, p, {"bias": bias, "k8": k8, "k16": k16})
    with _user_errors(source):
        array = read_array(source)
        x = array if scale == 1.0 else _scaled(array, scale)
        if bias is None:
            bias = _bias(x, 0.05 if p is None else p)
        widths = best_run_widths(quantise(x, FgmpFormat(bias)).group)
        fmt = FgmpFormat(bias, widths.k8 if k8 is None else k8, widths.k16 if k16 is None else k16)
        file = FgmpFile(encode_tensor(x, fmt), array.shape, array.dtype)
    write_bytes(output, pack(file))
    typer.echo(
        f"{output}: {file.tensor.bits_per_element:.2f} bits an element (bias {fmt.bias}, k8 {fmt.k8}, "
        f"k16 {fmt.k16}); {_shares(file)}"
    )


def decode(
    source: Annotated[Path, typer.Argument(metavar="IN.fgmp", help="A compressed tensor.")],
    output: Annotated[Path, typer.Option("-o", "--output", help=".npy file to write.", show_default=False)],
) -> None:
    """Expand a compressed tensor to the quantised array, in the shape and dtype that was encoded."""
    import io

    file = _load(source)
    with _user_errors(source):
        buffer = io.BytesIO()
        np.save(buffer, file.to_array())
    write_bytes(output, buffer.getvalue())
    shape = "x".join(map(str, file.shape))
    bits = f"{file.tensor.bits_per_element:.2f} bits an element"
    typer.echo(f"{output}: {shape} {file.dtype}, from {bits}; {_shares(file)}")


def _report(file: FgmpFile) -> dict[str, Any]:
    from lnpu_sim.codec.sizes import other_formats

    tensor, d = file.tensor, file.tensor.descriptor
    g, f, s = d.geometry, d.format, d.statistics
    q = quantise(file.to_array().astype(np.float32), f)
    headers = 2 * g.count_bits * g.rows * g.w
    body = s.entries8 * f.w8 + s.entries16 * f.w16
    return {
        "shape": list(file.shape),
        "dtype": str(file.dtype),
        "bias": f.bias,
        "k8": f.k8,
        "k16": f.k16,
        "emax": s.exponent - 15 if s.exponent else None,
        "elements": g.elements,
        "zero": g.elements - s.fp8 - s.fp16,
        "fp8": s.fp8,
        "fp16": s.fp16,
        "flushed": s.flushed,
        "saturated": s.saturated,
        "escapes8": s.entries8 - s.fp8,
        "escapes16": s.entries16 - s.fp16,
        "bytes": tensor.size,
        "bits_per_element": tensor.bits_per_element,
        "parts": {
            "fp8 group": s.entries8 * f.w8 / g.elements,
            "fp16 group": s.entries16 * f.w16 / g.elements,
            "headers": headers / g.elements,
            "alignment": (64 * d.data_words - headers - body) / g.elements,
            "pointers and descriptor": 8 * (tensor.size - 8 * d.data_words) / g.elements,
        },
        "other_formats": other_formats(q.codes.reshape(file.shape), q.group.reshape(file.shape)),
        "histogram": list(s.histogram),
    }


def inspect(
    source: Annotated[Path, typer.Argument(metavar="IN.fgmp", help="A compressed tensor.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Write the histogram as .png or .html.", show_default=False)
    ] = None,
) -> None:
    """Counts, bits per element, comparison with other formats, histogram."""
    file = _load(source)
    with _user_errors(source):
        report = _report(file)
    if plot is not None:
        from lnpu.export.commands.codec_plot import histogram_plot

        with _user_errors(plot):
            write_bytes(plot, histogram_plot(report, plot.suffix))
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    console = Console(highlight=False)
    table = Table(title=f"{source}: {report['shape']} {report['dtype']}", title_justify="left")
    table.add_column("")
    table.add_column("elements", justify="right")
    table.add_column("share", justify="right")
    for name in ("zero", "fp8", "fp16", "flushed", "saturated"):
        table.add_row(name, f"{report[name]:,}", f"{report[name] / report['elements']:.2%}")
    console.print(table)
    console.print(f"bias {report['bias']}, k8 {report['k8']}, k16 {report['k16']}, emax {report['emax']}")
    sizes = Table(title="bits an element", title_justify="left")
    sizes.add_column("")
    sizes.add_column("bits", justify="right")
    sizes.add_row("FGMP, everything included", f"{report['bits_per_element']:.2f}", style="bold")
    for part, bits in report["parts"].items():
        sizes.add_row(f"  {part}", f"{bits:.2f}", style="dim")
    for other, bits in report["other_formats"].items():
        sizes.add_row(other, f"{bits:.2f}")
    console.print(sizes)

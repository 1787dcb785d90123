"""`lnpu verilog UNIT -o DIR`: Verilog, manifest and file list of one block."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lnpu.export.commands.errors import output_directory
from lnpu.export.commands.fma_options import with_fma_config
from lnpu.numeric.config import FMA_BUILDS, Dual, FmaConfig

__all__ = ["register"]

units = typer.Typer(no_args_is_help=True, help="Export one block as Verilog.")


def _width_table() -> str:
    """The ports and their widths, for `--help`."""
    default = {p.name: p for p in FMA_BUILDS["default"].ports}
    array = {p.name: p for p in FMA_BUILDS["pe"].ports}
    special = {
        "i_b": "fp16, or two fp8 (fp8xfp8) or two fp16 (fp8xfp16), lane 0 low",
        "i_c": "addend: an accumulator word a lane, lane 0 low",
        "o_d": "result: an accumulator word a lane, lane 0 low",
    }
    rows = ["Ports, bits in the default build / in build pe:", ""]
    for name, port in array.items():
        first = default[name].width if name in default else "-"
        rows.append(f"* `{name}` {first} / {port.width}: {special.get(name, port.doc)}")
    rows.append(
        "* `i_fmt`, with --fp8 both: 1 bit, 0 E4M3, 1 E5M2; with mixed 2 bits, bit 0 for a, bit 1 for b"
    )
    rows.append("* without dual mode: no `i_mode`, `i_fmt`, `i_s`; one accumulator word, 5 flags")
    return "\n".join(rows)


@units.command("fma", epilog=_width_table())
@with_fma_config
def fma_command(
    config: FmaConfig,
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory for the files.")],
) -> None:
    """The configurable fp8/fp16 fused multiply-add: fma.v with top `fma`, manifest.json, fma.f."""
    from lnpu.export.fma import export_fma

    with output_directory(output) as directory:
        export_fma(config, directory)
    _report(config, output)


def _report(config: FmaConfig, output: Path) -> None:
    console = Console(highlight=False)
    dual = "" if config.dual is Dual.NONE else f", dual {config.dual.value} ({config.fp8.value})"
    console.print(
        f"[bold]fma[/bold]: {config.flavour.value}, accumulate {config.accumulate}{dual}, "
        f"share {config.share.value}, latency {config.latency}"
    )
    table = Table("port", "bits", "direction", "carries", box=None, padding=(0, 2, 0, 0))
    for port in config.ports:
        table.add_row(port.name, str(port.width), "out" if port.output else "in", port.doc)
    console.print(table)
    console.print(f"written: {output}/fma.v, manifest.json, fma.f", soft_wrap=True)


@units.command("pe")
def pe_command(
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory for the files.")],
) -> None:
    """The array's processing element as the lines instantiate it: no streams, no stalls, two accumulators."""
    from lnpu.export.pe import export_pe

    with output_directory(output) as directory:
        contents = export_pe(directory)
    console = Console(highlight=False)
    table = Table("port", "bits", "direction", "carries", box=None, padding=(0, 2, 0, 0))
    for port in contents["ports"]:
        table.add_row(port["name"], str(port["width"]), port["direction"][:-3], port["doc"])
    console.print(table)
    console.print(f"written: {output}/pe.v, manifest.json, pe.f", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add `lnpu verilog`."""
    app.add_typer(units, name="verilog")

"""`lnpu verilog codec-encoder | codec-sparse-decoder | codec-dense-decoder -o DIR`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lnpu.codec.config import CodecConfig, CodecError
from lnpu.export.commands.errors import UserError, output_directory
from lnpu.export.commands.verilog import units
from lnpu.formats import FormatError, parse_format

__all__ = ["register"]

Output = Annotated[Path, typer.Option("-o", "--output", help="Directory for the files.", show_default=False)]
Lanes = Annotated[int, typer.Option(help="Elements a cycle: 1, 2 or 4.")]


def _export(name: str, output: Path, **choices: object) -> None:
    from lnpu.export.codec import export_codec

    try:
        config = CodecConfig(**choices)
    except CodecError as error:
        raise UserError(str(error)) from None
    with output_directory(output) as directory:
        manifest = export_codec(name, config, directory)
    console = Console(highlight=False)
    table = Table("port", "bits", "direction", "carries", box=None, padding=(0, 2, 0, 0))
    for port in manifest["ports"]:
        table.add_row(port["name"], str(port["width"]), port["direction"][:-3], port["doc"])
    console.print(table)
    top = manifest["top"]
    console.print(f"written: {output}/{top}.v, manifest.json, {top}.f", soft_wrap=True)


def encoder(
    output: Output,
    lanes: Lanes = 4,
    element: Annotated[str, typer.Option(help="Format of the elements: fp16, fp32, bf16 ...")] = "fp32",
) -> None:
    """Encoder: dense elements to rows, pointers and descriptor of a compressed tensor."""
    try:
        fmt = parse_format(element)
    except FormatError as error:
        raise UserError(str(error)) from None
    _export("codec-encoder", output, lanes=lanes, element=fmt)


def sparse_decoder(
    output: Output,
    fold: Annotated[int, typer.Option(help="Escapes absorbed in a non-zero's cycle: 1 to 3.")] = 3,
) -> None:
    """Sparse decoder: rows to the non-zero elements of each block."""
    _export("codec-sparse-decoder", output, fold=fold)


def dense_decoder(output: Output, lanes: Lanes = 4) -> None:
    """Dense decoder: rows to vectors of fp16 elements."""
    _export("codec-dense-decoder", output, lanes=lanes)


def register(app: typer.Typer) -> None:
    """Add the blocks to `lnpu verilog`."""
    units.command("codec-encoder")(encoder)
    units.command("codec-sparse-decoder")(sparse_decoder)
    units.command("codec-dense-decoder")(dense_decoder)

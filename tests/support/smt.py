"""Combinational Verilog against a claim in SMT-LIB, for instance its theory of floating point."""

import json
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import bitwuzla

from support.yosys import run_yosys

__all__ = ["Refuted", "Unknown", "prove_claim"]


class Refuted(AssertionError):
    """The claim is false; `values` holds the ports of a counterexample."""

    def __init__(self, message: str, values: dict[str, int]):
        super().__init__(message)
        self.values = values


class Unknown(AssertionError):
    """The solver gave up in the given time."""


def prove_claim(
    verilog: Sequence[Path], top: str, claim: str, *, assuming: str = "true", timeout: float = 120.0
) -> None:
    """Prove a claim about a combinational module for all inputs, with bitwuzla.

    Args:
        verilog: source files.
        top: the module; it must hold no register.
        claim: SMT-LIB term of sort Bool. Ports are constants of their names, bit vectors of their widths.
        assuming: what may be assumed of the inputs, likewise.
        timeout: seconds.

    Raises:
        Refuted: with a counterexample.
        Unknown: not decided in time.
        ValueError: the module holds registers.
    """
    with tempfile.TemporaryDirectory(prefix="smt-") as name:
        work = Path(name)
        for path in verilog:
            shutil.copy(path, work / path.name)
        run_yosys(
            f"read_verilog -sv {' '.join(path.name for path in verilog)}\nprep -flatten -top {top}\n"
            "opt -full\ndffunmap\nwrite_smt2 -stbv unit.smt2\nwrite_json unit.json\n",
            work,
            "smt",
        )
        text = (work / "unit.smt2").read_text()
        module = json.loads((work / "unit.json").read_text())["modules"][top]
    if "yosys-smt2-register" in text:
        raise ValueError(f"{top} holds registers: export it with latency 0")
    ports = {port: len(entry["bits"]) for port, entry in module["ports"].items()}
    # Without -bv a bit is a Bool there; here every port is a bit vector.
    defined = [
        f"(define-fun {port} () (_ BitVec {width}) "
        + (f"(|{top}_n {port}| unit))" if width > 1 else f"(ite (|{top}_n {port}| unit) #b1 #b0))")
        for port, width in ports.items()
        if f"|{top}_n {port}|" in text
    ]
    problem = "\n".join(
        [
            "(set-logic ALL)",
            re.sub(r"^;.*$", "", text, flags=re.MULTILINE),
            f"(declare-const unit |{top}_s|)",
            *defined,
            f"(assert {assuming})",
            f"(assert (not {claim}))",
        ]
    )
    manager, options = bitwuzla.TermManager(), bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    parser = bitwuzla.Parser(manager, options)
    end = time.monotonic() + timeout
    parser.configure_terminator(lambda: time.monotonic() > end)
    parser.parse(problem, True, False)
    solver = parser.bitwuzla()
    result = solver.check_sat()
    if result == bitwuzla.Result.UNSAT:
        return
    if result != bitwuzla.Result.SAT:
        raise Unknown(f"{top}: not decided in {timeout:g} s: {claim}")
    values = {
        port: int(solver.get_value(parser.parse_term(port)).value(2), 2)
        for port in ports
        if f"|{top}_n {port}|" in text
    }
    shown = ", ".join(f"{port} = {value:#x}" for port, value in values.items())
    raise Refuted(f"{top}: false for {shown}: {claim}", values)

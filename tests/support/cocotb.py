"""Run a cocotb bench on exported Verilog under Verilator, from pytest.

Environment: `LNPU_WAVES=1` writes `build/waves/<test id>.vcd` (`make waves` sets it).
"""

import contextlib
import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cocotb_tools.config
from cocotb_tools.runner import get_runner

from lnpu_sim.rtl.compile import Recipe
from lnpu_sim.rtl.toolchain import RtlError, cache_root, cached

__all__ = ["BenchRun", "run_cocotb", "test_id"]


@dataclass(frozen=True)
class BenchRun:
    """Where a passed bench left its products.

    Args:
        log: text of the simulation.
        waves: the waveform, or None.
        coverage: Verilator's coverage.dat, or None.
        passed: names of the cocotb tests.
    """

    log: Path
    waves: Path | None
    coverage: Path | None
    passed: tuple[str, ...]


def test_id() -> str:
    """The running pytest test as a file name."""
    current = os.environ.get("PYTEST_CURRENT_TEST", "bench").rsplit(" ", 1)[0]
    return re.sub(r"[^\w.-]+", "-", current.removeprefix("tests/")).strip("-")


test_id.__test__ = False  # pytest collects by name where this is imported


def run_cocotb(
    verilog: Sequence[Path],
    top: str,
    bench: Path,
    *,
    settings: Mapping[str, object] | None = None,
    tests: Sequence[str] | None = None,
    seed: int = 1,
    coverage: bool = False,
    waves: bool | None = None,
    ports_only: bool = False,
) -> BenchRun:
    """Build (cached by content) and run every cocotb test of a bench.

    Args:
        verilog: source files.
        top: top module.
        bench: the Python file with `@cocotb.test` functions; its folder and `tests` are importable.
        settings: JSON-ready values that the bench reads with `support.agents.settings()`.
        tests: names of the tests to run; default all.
        seed: cocotb's random seed.
        coverage: count line and toggle coverage.
        waves: write a waveform; default from `LNPU_WAVES`.
        ports_only: the bench sees nothing but the top module's ports: large units compile much faster.

    Raises:
        AssertionError: the build or a cocotb test failed, or the simulation died; gives the test's name, its
            message and the tail of the log.
    """
    waves = os.environ.get("LNPU_WAVES") == "1" if waves is None else waves
    # The runner's own build compiles Verilator's run time anew for every unit; this one does it once.
    libraries = cocotb_tools.config.libs_dir
    recipe = Recipe(
        options=(
            *("--exe", "--vpi", *([] if ports_only else ["--public-flat-rw"])),
            *("--top-module", top, "--timescale", "1ns/1ps"),
        ),
        main=(cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp",),
        output=top,
        trace="vcd" if waves else None,
        coverage=coverage,
        vpi=True,
        link=(f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator", "-rdynamic"),
    )
    names, texts = [path.name for path in verilog], [path.read_text() for path in verilog]
    if ports_only:
        texts = [_public_ports(text, top) for text in texts]
    root = cache_root("cocotb")
    directory = root / recipe.digest(*names, *texts)

    def make(work: Path) -> None:
        for name, text in zip(names, texts, strict=True):
            (work / name).write_text(text)
        recipe.compile(work, names)

    name = test_id()
    run = root / "runs" / name
    run.mkdir(parents=True, exist_ok=True)
    log, results = run / "simulation.log", run / "results.xml"
    wave_file = cache_root("waves") / f"{name}.vcd"
    for stale in (results, run / "coverage.dat"):
        stale.unlink(missing_ok=True)
    try:
        cached(directory, make)
    except RtlError as error:
        raise AssertionError(f"{top}: the build failed: {error}") from error
    with _importable(bench):
        if waves:
            wave_file.parent.mkdir(parents=True, exist_ok=True)
        failure = None
        try:
            get_runner("verilator").test(
                test_module=bench.stem,
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                testcase=tests,
                seed=seed,
                build_dir=directory,
                test_dir=run,
                results_xml=str(results),
                waves=waves,
                test_args=["--trace-file", str(wave_file)] if waves else [],
                extra_env={"LNPU_BENCH": json.dumps(dict(settings or {})), "COCOTB_ANSI_OUTPUT": "0"},
                timescale=("1ns", "1ps"),
                log_file=log,
            )
        except (RuntimeError, SystemExit) as error:
            failure = str(error)
    passed, failed = _results(results)
    written = f"\nwaveform: {wave_file}" if waves else "\nfor waves: LNPU_WAVES=1, or make waves T=<test>"
    if failed or failure is not None or not passed:
        names = "\n".join(f"  {test}: {message}" for test, message in failed.items())
        reason = names or failure or "no cocotb test was found"
        raise AssertionError(f"{top}, {bench.name}, seed {seed}:\n{reason}\n{_tail(log)}{written}")
    data = run / "coverage.dat"
    return BenchRun(log, wave_file if waves else None, data if coverage else None, passed)


def _public_ports(text: str, top: str) -> str:
    """The source with the ports of one module visible from outside."""
    start = text.find(f"module {top}(")
    if start < 0:
        return text
    end = text.index("endmodule", start)
    port = re.compile(r"^(  (?:input|output) (?:\[[^]]*\] )?\w+);", re.M)
    return text[:start] + port.sub(r"\1 /*verilator public_flat_rw*/;", text[start:end]) + text[end:]


@contextlib.contextmanager
def _importable(bench: Path) -> Iterator[None]:
    # The runner hands sys.path to the simulator's interpreter.
    saved = list(sys.path)
    sys.path[:0] = [str(bench.resolve().parent), str(Path(__file__).resolve().parents[1])]
    try:
        yield
    finally:
        sys.path[:] = saved


def _results(file: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    if not file.is_file():
        return (), {}
    passed, failed = [], {}
    for case in ElementTree.parse(file).iter("testcase"):
        name = case.get("name", "?")
        bad = [child for child in case if child.tag in ("failure", "error")]
        if bad:
            failed[name] = bad[0].get("error_msg") or bad[0].get("message") or bad[0].tag
        elif case.find("skipped") is None:
            passed.append(name)
    return tuple(passed), failed


def _tail(log: Path, lines: int = 30) -> str:
    text = log.read_text(errors="replace").splitlines() if log.is_file() else ["(no log)"]
    return "\n".join(["log:", *(f"  {line}" for line in text[-lines:])])

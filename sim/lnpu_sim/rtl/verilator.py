"""Verilog compiled by Verilator into a shared library and used from Python.

The generated model, a C++ shim (shim.cpp) and an optional campaign are one translation unit; the Verilator
run time is compiled once per set of options. Both are cached by the digest of everything that goes in.
"""

import functools
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from lnpu_sim.rtl.module import RtlModule
from lnpu_sim.rtl.native import PORT_DECLARATION
from lnpu_sim.rtl.toolchain import RtlError, cache_root, cached, digest, find_verilator, require, run

__all__ = ["RtlModule", "build"]

_HERE = Path(__file__).resolve().parent


def build(
    sources: Sequence[str | Path],
    top: str,
    *,
    trace: Literal["vcd", "fst"] | None = None,
    coverage: bool = False,
    campaign: str | Path | None = None,
    defines: Mapping[str, str] | None = None,
    verilator_args: Sequence[str] = (),
    cache: Path | None = None,
    clock: str = "clk",
    reset: str = "rst",
    seed: int = 1,
) -> RtlModule:
    """Compile Verilog and return a fresh instance of its top module.

    Args:
        sources: Verilog files; a string with a newline is Verilog text.
        top: name of the top module.
        trace: make waveforms possible (`RtlModule.trace`); FST needs the lz4 and zlib headers.
        coverage: count line and toggle coverage (`RtlModule.write_coverage`).
        campaign: C++ text or file compiled with the model, entered by `RtlModule.call`; see shim.h.
        defines: Verilog macros.
        verilator_args: further options.
        cache: where builds are kept; default `build/verilator` in a checkout, see `toolchain.cache_root`.
        clock: name of the clock input; a module without it is combinational.
        reset: name of the synchronous, active-high reset; may be absent.
        seed: initial values of registers without one; 0 gives zeros.

    Raises:
        RtlError: a tool is missing, a file does not exist, or the Verilog or C++ does not compile.
    """
    texts = [_text(source) for source in sources]
    campaign_text = "" if campaign is None else _text(campaign)
    options = [
        *("--cc", "--top-module", top, "--prefix", "Vtop", "-O3", "--no-timing", "-Wno-lint", "-Wno-style"),
        *("--x-assign", "unique", "--x-initial", "unique", "--timescale-override", "1ns/1ns"),
        *(f"-D{name}={value}" for name, value in sorted((defines or {}).items())),
        *(["--coverage-line", "--coverage-toggle"] if coverage else []),
        *([f"--trace-{trace}"] if trace else []),
        *verilator_args,
    ]
    flags = _cxx_flags(trace, coverage)
    names = [
        source.name if isinstance(source, Path) else f"source{i}.v"
        for i, source in enumerate(map(_path, sources))
    ]
    shim = [(_HERE / name).read_text() for name in ("shim.h", "shim.cpp")]
    key = digest(
        find_verilator().version, _compiler(), *options, "|", *flags, *names, *texts, *shim, campaign_text
    )
    directory = (cache or cache_root("verilator")) / key

    def make(work: Path) -> None:
        for name, text in zip(names, texts, strict=True):
            (work / name).write_text(text)
        (work / "campaign.h").write_text(campaign_text)
        _compile(work, names, options, flags, trace, coverage, directory.parent)

    return RtlModule(cached(directory, make), clock=clock, reset=reset, seed=seed)


def _path(source: str | Path) -> Path | str:
    return source if isinstance(source, str) and "\n" in source else Path(source)


def _text(source: str | Path) -> str:
    path = _path(source)
    if isinstance(path, str):
        return path
    try:
        return path.read_text()
    except OSError as error:
        raise RtlError(f"cannot read {path}: {error.strerror}") from error


def _cxx() -> str:
    return os.environ.get("CXX") or "g++"


@functools.cache
def _compiler() -> str:
    require(_cxx())
    return run([_cxx(), "--version"]).splitlines()[0]


def _cxx_flags(trace: str | None, coverage: bool) -> list[str]:
    return [
        *("-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden", "-w", "-pthread"),
        # Unique symbols would be shared by all libraries in the process and mix their run times.
        *(["-fno-gnu-unique"] if "clang" not in _compiler() else []),
        f"-DLNPU_TRACE_VCD={int(trace == 'vcd')}",
        f"-DLNPU_TRACE_FST={int(trace == 'fst')}",
        f"-DLNPU_COVERAGE={int(coverage)}",
        f"-DVM_COVERAGE={int(coverage)}",
        f"-DVM_TRACE={int(trace is not None)}",
        f"-DVM_TRACE_VCD={int(trace == 'vcd')}",
        f"-DVM_TRACE_FST={int(trace == 'fst')}",
    ]


def _include_flags() -> list[str]:
    include = find_verilator().root / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}"]


def _runtime(flags: Sequence[str], trace: str | None, coverage: bool, cache: Path) -> list[Path]:
    """Object files of Verilator's run time."""
    parts = ["verilated", "verilated_threads"]
    parts += ["verilated_cov"] if coverage else []
    parts += [f"verilated_{trace}_c"] if trace else []
    if trace == "fst" and not all(_has_header(name) for name in ("lz4.h", "zlib.h")):
        raise RtlError("FST waveforms need headers: apt-get install liblz4-dev zlib1g-dev (or use vcd)")

    def make(work: Path) -> None:
        for part in parts:
            source = find_verilator().root / "include" / f"{part}.cpp"
            # Not on the path of evaluation: a quick compile matters more than its speed.
            run([_cxx(), *flags, "-O1", *_include_flags(), "-c", str(source), "-o", f"{part}.o"], cwd=work)

    key = digest(find_verilator().version, _compiler(), *flags, *parts)
    directory = cached(cache / f"runtime-{key}", make)
    return [directory / f"{part}.o" for part in parts]


@functools.cache
def _has_header(name: str) -> bool:
    try:
        run([_cxx(), "-E", "-x", "c++", "-include", name, "/dev/null", "-o", "/dev/null"])
    except RtlError:
        return False
    return True


def _compile(
    work: Path,
    names: Sequence[str],
    options: Sequence[str],
    flags: Sequence[str],
    trace: str | None,
    coverage: bool,
    cache: Path,
) -> None:
    verilator = find_verilator()
    run([str(verilator.binary), *options, "--Mdir", "obj", *names], cwd=work, env=verilator.environment)
    runtime = _runtime(flags, trace, coverage, cache)
    ports = PORT_DECLARATION.findall((work / "obj" / "Vtop.h").read_text())
    lines = [f"LNPU_PORT({index}, {port[2]})" for index, port in enumerate(ports)]
    (work / "obj" / "ports.inc").write_text("\n".join(lines) + "\n")
    parts = [*sorted(path.name for path in (work / "obj").glob("*.cpp")), "shim.cpp", "campaign.h"]
    (work / "obj" / "all.cc").write_text("".join(f'#include "{part}"\n' for part in parts))
    run(
        [
            *(_cxx(), *flags, *_include_flags(), "-Iobj", "-I.", f"-I{_HERE}", "-shared", "-Wl,-Bsymbolic"),
            *("obj/all.cc", *map(str, runtime), "-o", "model.so"),
            *(["-llz4", "-lz"] if trace == "fst" else []),
        ],
        cwd=work,
    )
    shutil.copy(work / "obj" / "Vtop.h", work / "Vtop.h")
    shutil.rmtree(work / "obj")

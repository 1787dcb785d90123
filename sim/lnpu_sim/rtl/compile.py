"""From Verilog to a binary: Verilator's front end, its run time (compiled once), one C++ translation unit."""

import functools
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lnpu_sim.rtl.toolchain import RtlError, cache_root, cached, digest, find_verilator, require, run

__all__ = ["Recipe", "compiler_version"]


def _cxx() -> str:
    return os.environ.get("CXX") or "g++"


@functools.cache
def compiler_version() -> str:
    """First line of the C++ compiler's `--version` (`$CXX`, else g++).

    Raises:
        RtlError: there is no compiler.
    """
    require(_cxx())
    return run([_cxx(), "--version"]).splitlines()[0]


@functools.cache
def _has_header(name: str) -> bool:
    try:
        run([_cxx(), "-E", "-x", "c++", "-include", name, "/dev/null", "-o", "/dev/null"])
    except RtlError:
        return False
    return True


@dataclass(frozen=True)
class Recipe:
    """How one kind of binary is made of Verilog.

    Args:
        options: of Verilator's front end, without file names.
        main: C++ files compiled after the generated model.
        output: name of the binary; `.so` makes a shared library.
        trace: "vcd", "fst" or None.
        coverage: line and toggle counters.
        vpi: link the VPI part of the run time.
        link: further linker arguments.
    """

    options: tuple[str, ...]
    main: tuple[str | Path, ...]
    output: str
    trace: str | None = None
    coverage: bool = False
    vpi: bool = False
    link: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.trace not in (None, "vcd", "fst"):
            raise RtlError(f"`trace` must be vcd, fst or None, not {self.trace!r}")

    @property
    def front_end(self) -> list[str]:
        """The complete options of Verilator's front end."""
        return [
            # Lint is another tool's task, and a warning about speed is no reason to stop.
            *("--cc", "--prefix", "Vtop", "-O3", "--no-timing", "-Wno-lint", "-Wno-style", "-Wno-fatal"),
            *self.options,
            *(["--coverage-line", "--coverage-toggle"] if self.coverage else []),
            *([f"--trace-{self.trace}"] if self.trace else []),
        ]

    @property
    def flags(self) -> list[str]:
        """Options of the C++ compiler."""
        vcd, fst = self.trace == "vcd", self.trace == "fst"
        return [
            *_base_flags(),
            "-O2",
            f"-DVM_COVERAGE={int(self.coverage)}",
            f"-DVM_TRACE={int(vcd or fst)}",
            f"-DVM_TRACE_VCD={int(vcd)}",
            f"-DVM_TRACE_FST={int(fst)}",
        ]

    def digest(self, *parts: str) -> str:
        """Name of the build of these parts: the recipe, Verilator and the compiler go in too."""
        main = [Path(part).read_text() for part in self.main if Path(part).is_absolute()]
        tools = (find_verilator().version, compiler_version())
        return digest(*tools, *self.front_end, "|", *self.flags, *self.link, self.output, *main, "|", *parts)

    def compile(
        self,
        work: Path,
        verilog: Sequence[str],
        prepare: Callable[[Path], None] | None = None,
    ) -> None:
        """Compile Verilog files that lie in `work`; leaves the binary and `Vtop.h` there.

        Args:
            work: directory of the build.
            verilog: file names in it.
            prepare: called with the directory of the generated C++ before it is compiled.
        """
        verilator = find_verilator()
        front_end = [str(verilator.binary), *self.front_end, "--Mdir", "obj", *verilog]
        run(front_end, cwd=work, env=verilator.environment)
        runtime = self._runtime()
        obj = work / "obj"
        if prepare is not None:
            prepare(obj)
        parts = [*sorted(path.name for path in obj.glob("*.cpp")), *map(str, self.main)]
        (obj / "all.cc").write_text("".join(f'#include "{part}"\n' for part in parts))
        libraries = ["-llz4", "-lz"] if self.trace == "fst" else []
        shared = ["-shared", "-Wl,-Bsymbolic"] if self.output.endswith(".so") else []
        command = [_cxx(), *self.flags, *_includes(), "-Iobj", "-I.", *shared, "obj/all.cc"]
        run([*command, *map(str, runtime), *self.link, *libraries, "-o", self.output], cwd=work)
        shutil.copy(obj / "Vtop.h", work / "Vtop.h")
        shutil.rmtree(obj)

    def _runtime(self) -> list[Path]:
        parts = ["verilated", "verilated_threads"]
        parts += ["verilated_cov"] if self.coverage else []
        parts += ["verilated_vpi"] if self.vpi else []
        parts += [f"verilated_{self.trace}_c"] if self.trace else []
        if self.trace == "fst" and not all(_has_header(name) for name in ("lz4.h", "zlib.h")):
            raise RtlError("FST waveforms need headers: apt-get install liblz4-dev zlib1g-dev (or use vcd)")
        return [_runtime_object(part) for part in parts]


def _runtime_object(part: str) -> Path:
    # Not on the path of evaluation: a quick compile matters more than its speed.
    flags = [*_base_flags(), "-O1"]

    def make(work: Path) -> None:
        source = find_verilator().root / "include" / f"{part}.cpp"
        run([_cxx(), *flags, *_includes(), "-c", str(source), "-o", f"{part}.o"], cwd=work)

    key = digest(find_verilator().version, compiler_version(), *flags, part)
    return cached(cache_root("verilator-runtime") / key, make) / f"{part}.o"


def _base_flags() -> list[str]:
    return [
        *("-std=c++20", "-fPIC", "-w", "-pthread"),
        # Unique symbols would be shared by all libraries in the process and mix their run times.
        *(["-fno-gnu-unique"] if "clang" not in compiler_version() else []),
    ]


def _includes() -> list[str]:
    include = find_verilator().root / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}"]

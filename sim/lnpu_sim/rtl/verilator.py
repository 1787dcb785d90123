"""Verilog compiled by Verilator into a shared library and used from Python.

The generated model, a C++ shim (shim.cpp) and an optional campaign are one translation unit; the Verilator
run time is compiled once per set of options. Both are cached by the digest of everything that goes in.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from lnpu_sim.rtl import waves
from lnpu_sim.rtl.compile import Recipe
from lnpu_sim.rtl.module import RtlModule
from lnpu_sim.rtl.native import PORT_DECLARATION
from lnpu_sim.rtl.toolchain import RtlError, cache_root, cached

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
        trace: make waveforms possible (`RtlModule.trace`); FST needs the lz4 and zlib headers. Where the
            environment says LNPU_WAVES=1, a VCD file is begun at once (`lnpu_sim.rtl.waves`).
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
    record = trace is None and waves.wanted()
    texts = [_text(source) for source in sources]
    campaign_text = "" if campaign is None else _text(campaign)
    recipe = Recipe(
        options=(
            *("--top-module", top, "--x-assign", "unique", "--x-initial", "unique"),
            *("--timescale-override", "1ns/1ns"),
            *(f"-D{name}={value}" for name, value in sorted((defines or {}).items())),
            *verilator_args,
        ),
        main=(_HERE / "shim.cpp", "campaign.h"),
        output="model.so",
        trace="vcd" if record else trace,
        coverage=coverage,
    )
    names = _file_names([_path(source) for source in sources])
    key = recipe.digest((_HERE / "shim.h").read_text(), *names, *texts, campaign_text)
    directory = (cache or cache_root("verilator")) / key

    def make(work: Path) -> None:
        for name, text in zip(names, texts, strict=True):
            (work / name).write_text(text)
        (work / "campaign.h").write_text(campaign_text)
        recipe.compile(work, names, _list_ports)

    unit = RtlModule(cached(directory, make), clock=clock, reset=reset, seed=seed)
    if record:
        waves.record(unit, top)
    return unit


def _list_ports(generated: Path) -> None:
    ports = PORT_DECLARATION.findall((generated / "Vtop.h").read_text())
    lines = [f"LNPU_PORT({index}, {port[2]})\n" for index, port in enumerate(ports)]
    (generated / "ports.inc").write_text("".join(lines))


def _file_names(sources: Sequence[Path | str]) -> list[str]:
    """Names in the build directory: as given where they differ, so that coverage names the user's file."""
    names: list[str] = []
    for index, source in enumerate(sources):
        name = source.name if isinstance(source, Path) else f"source{index}.v"
        names.append(f"{index}_{name}" if name in names else name)
    return names


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

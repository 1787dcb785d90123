"""FPGA resources, depth and clock frequency of Verilog."""

import enum
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from lnpu.synth import nextpnr
from lnpu.synth.asic import Progress
from lnpu.synth.depth import depth
from lnpu.synth.errors import SynthError
from lnpu.synth.netlist import Netlist
from lnpu.synth.report import FpgaReport, SeedResult
from lnpu.synth.yosys import check_sources, read_sources, run

__all__ = ["Family", "fpga"]


class Family(enum.Enum):
    """FPGA families."""

    ECP5 = "ecp5"
    ICE40 = "ice40"


def fpga(
    files: Sequence[Path | str],
    top: str,
    family: Family = Family.ECP5,
    *,
    pnr: bool = False,
    seeds: int = 1,
    dsp: bool = True,
    wide_luts: bool = True,
    io_registers: bool = True,
    progress: Progress | None = None,
) -> FpgaReport:
    """Map a design to an FPGA family and count.

    Args:
        files: Verilog sources.
        top: module to measure.
        family: target.
        pnr: also place and route out of context (ECP5 only).
        seeds: placements, with seeds 1, 2, ...; the report has their median.
        dsp: use multiplier blocks.
        wide_luts: join LUT4s by the slice's multiplexers (ecp5): faster, but more LUTs.
        io_registers: place the block between registers; else paths from inputs and to outputs do not count.
        progress: told about every step.

    Raises:
        SynthError: a file is missing or wrong, a tool is missing, or the design does not fit.
    """
    if pnr and family is not Family.ECP5:
        raise SynthError(f"`--pnr` works for ecp5 only, not for {family.value}")
    if not 1 <= seeds <= 100:
        raise SynthError(f"`--seeds` must be 1 to 100, not {seeds}")
    if pnr:
        nextpnr.check()
    paths = check_sources(files, top)
    total = 1 + (seeds if pnr else 0)
    tell = progress or (lambda done, total, what: None)
    with tempfile.TemporaryDirectory(prefix="lnpu-synth-") as folder:
        work = Path(folder)
        tell(0, total, f"synth_{family.value}")
        netlist, verilog = _map(paths, top, family, dsp, wide_luts, work, "block")
        placements: list[SeedResult] = []
        wrapped = nextpnr.wrapper(netlist) if pnr and io_registers else None
        if wrapped:
            (work / "wrapper.v").write_text(wrapped, encoding="utf-8")
            _map([*paths, work / "wrapper.v"], nextpnr.WRAPPER, family, dsp, wide_luts, work, "wrapped")
        for seed in range(1, seeds + 1) if pnr else ():
            tell(seed, total, f"nextpnr seed {seed}")
            design = work / ("wrapped.json" if wrapped else "block.json")
            placements.append(nextpnr.place_and_route(design, seed))
        return _report(netlist, family, placements, wrapped is not None, verilog)


def _map(
    paths: list[Path], top: str, family: Family, dsp: bool, wide_luts: bool, work: Path, stem: str
) -> tuple[Netlist, str]:
    """The mapped netlist and its Verilog; the tool's JSON stays in `<stem>.json`."""
    if family is Family.ECP5:
        options = ("" if dsp else " -nodsp") + ("" if wide_luts else " -nowidelut")
        command = f"synth_ecp5 -top {top}{options} -json {stem}.json"
    else:
        command = f"synth_ice40 -top {top}{' -dsp' if dsp else ''} -json {stem}.json"
    clean = "proc\nchformal -remove\ndelete t:$print\n"
    script = f"{read_sources(paths)}hierarchy -check -top {top}\n{clean}{command}\n"
    run(f"{script}write_verilog -noattr {stem}.v\n", work, stem)
    return Netlist.load(work / f"{stem}.json", top), (work / f"{stem}.v").read_text(encoding="utf-8")


def _report(
    netlist: Netlist, family: Family, seeds: list[SeedResult], wrapped: bool, verilog: str
) -> FpgaReport:
    count = netlist.count()

    def total(*prefixes: str) -> int:
        return sum(n for name, n in count.items() if name.startswith(prefixes))

    carry = total("CCU2C", "SB_CARRY")
    return FpgaReport(
        top=netlist.top,
        family=family.value,
        lut4=total("LUT4", "SB_LUT4") + (2 * carry if family is Family.ECP5 else 0),
        carry=carry,
        mux={name: count[name] for name in ("PFUMX", "L6MUX21") if name in count},
        lutram=total("TRELLIS_DPR16X4"),
        ff=total("TRELLIS_FF", "SB_DFF"),
        dsp=total("MULT18X18D", "SB_MAC16"),
        bram=total("DP16KD", "PDPW16KD", "SB_RAM40_4K"),
        spram=total("SB_SPRAM256KA"),
        depth=depth(netlist),
        fmax_mhz=_median(s.fmax_mhz for s in seeds),
        io_registers=wrapped,
        seeds=tuple(seeds),
        by_cell=count,
        netlist=verilog,
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None

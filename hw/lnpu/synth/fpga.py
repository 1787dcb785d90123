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
        if family is Family.ECP5:
            command = f"synth_ecp5 -top {top}{'' if dsp else ' -nodsp'} -json design.json"
        else:
            command = f"synth_ice40 -top {top}{' -dsp' if dsp else ''} -json design.json"
        clean = "proc\nchformal -remove\ndelete t:$print\n"
        script = f"{read_sources(paths)}hierarchy -check -top {top}\n{clean}{command}\n"
        run(f"{script}write_verilog -noattr design.v\n", work, "fpga")
        netlist = Netlist.load(work / "design.json", top)
        placements = []
        for seed in range(1, seeds + 1) if pnr else ():
            tell(seed, total, f"nextpnr seed {seed}")
            placements.append(nextpnr.place_and_route(work / "design.json", seed))
        return _report(netlist, family, placements, (work / "design.v").read_text(encoding="utf-8"))


def _report(netlist: Netlist, family: Family, seeds: list[SeedResult], verilog: str) -> FpgaReport:
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
        delay_ns=_median(s.delay_ns for s in seeds),
        seeds=tuple(seeds),
        by_cell=count,
        netlist=verilog,
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None

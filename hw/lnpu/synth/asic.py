"""Area and timing of Verilog on a standard-cell library."""

import dataclasses
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lnpu.synth.cells import Kind
from lnpu.synth.conditions import Conditions
from lnpu.synth.errors import SynthError
from lnpu.synth.library import Library
from lnpu.synth.mapping import Mapper, MappingPoint, Recipe
from lnpu.synth.netlist import Netlist
from lnpu.synth.report import AsicPoint, AsicReport, CellUse
from lnpu.synth.sta import Timing, analyse
from lnpu.synth.yosys import check_sources

__all__ = ["Progress", "asic"]

Progress = Callable[[int, int, str], None]
"""Called before every step with steps done, steps in all, and what comes next."""


@dataclass(frozen=True)
class _Result:
    how: MappingPoint
    netlist: Netlist
    verilog: Path
    timing: Timing
    area: float
    point: AsicPoint


def asic(
    files: Sequence[Path | str],
    top: str,
    liberty: Path | str | Library,
    *,
    period_ns: float | None = None,
    sweep: bool = False,
    booth: bool | None = None,
    recipe: Recipe | None = None,
    conditions: Conditions | None = None,
    progress: Progress | None = None,
) -> AsicReport:
    """Map a design to a library and measure it.

    Args:
        files: Verilog sources.
        top: module to measure.
        liberty: Liberty file (plain or `.gz`), or a library that was read before.
        period_ns: clock period to size for and to compare with.
        sweep: map by several recipes and keep the best; else once.
        booth: Booth multipliers; None: no, and both ways in a sweep.
        recipe: of a single mapping, or the only one of a sweep; None: delay-driven with a period, else
            area-driven (both in a sweep).
        conditions: surroundings of the block; None: those of the library.
        progress: told about every step.

    Returns:
        The figures. In a sweep they describe the smallest mapping that meets the period, without one (or
        when none meets it) the fastest.

    Raises:
        SynthError: a file is missing or wrong, or the library cannot carry the design.
    """
    if period_ns is not None and not period_ns > 0:
        raise SynthError(f"`--period` must be above 0 ns, not {period_ns:g}")
    paths = check_sources(files, top)
    library = liberty if isinstance(liberty, Library) else Library(liberty)
    library.check()
    conditions = conditions or Conditions.of(library)
    tell = progress or (lambda done, total, what: None)
    with tempfile.TemporaryDirectory(prefix="lnpu-synth-") as folder:
        mapper = Mapper(paths, top, library, conditions, Path(folder))
        results: list[_Result] = []

        def measure(plan: list[MappingPoint], total: int) -> None:
            for how in plan:
                tell(len(results), total, str(how))
                results.append(_measure(mapper, how, library, conditions))

        if sweep:
            plan = _plan(recipe, booth, period_ns)
            total = len(plan) * (1 if period_ns else 2)
            measure(plan, total)
            if not period_ns:  # between the extremes, where most of the useful mappings are
                delays = [max(r.timing.delay_ns, 1e-3) for r in results]
                middle = math.sqrt(min(delays) * max(delays))
                measure([dataclasses.replace(how, target_ns=middle) for how in plan], total)
        else:
            default = Recipe.DELAY if period_ns else Recipe.AREA
            measure([MappingPoint(recipe or default, bool(booth), period_ns)], 1)
        return _report(top, library, conditions, period_ns, results)


def _plan(recipe: Recipe | None, booth: bool | None, period_ns: float | None) -> list[MappingPoint]:
    """The mappings of a sweep that do not depend on the outcome of others."""
    recipes = [recipe] if recipe else list(Recipe)
    styles = [False, True] if booth is None else [booth]
    targets = [None, period_ns] if period_ns else [None]
    return [MappingPoint(r, style, target) for style in styles for r in recipes for target in targets]


def _measure(mapper: Mapper, how: MappingPoint, library: Library, conditions: Conditions) -> _Result:
    netlist, verilog = mapper.map(how)
    timing = analyse(netlist, library, conditions)
    area = sum(library.cells[i.type].area for i in netlist.instances)
    kge = area / library.nand2.area / 1000
    point = AsicPoint(how.recipe.value, how.booth, how.target_ns, area, kge, timing.delay_ns)
    return _Result(how, netlist, verilog, timing, area, point)


def _report(
    top: str, library: Library, conditions: Conditions, period_ns: float | None, results: list[_Result]
) -> AsicReport:
    def by_area(result: _Result) -> tuple[float, float]:
        return result.area, result.timing.delay_ns

    smallest = min(results, key=by_area)
    fastest = min(results, key=lambda r: (r.timing.delay_ns, r.area))
    meeting = [r for r in results if period_ns and r.timing.delay_ns <= period_ns]
    at_period = min(meeting, key=by_area) if meeting else None
    chosen = at_period or fastest
    counts = chosen.netlist.count()
    cells = library.cells
    by_cell = {name: CellUse(n, n * cells[name].area) for name, n in counts.items()}
    sequential = sum(
        use.area_um2 for name, use in by_cell.items() if cells[name].kind is not Kind.COMBINATIONAL
    )
    timing = chosen.timing
    return AsicReport(
        top=top,
        library=library.name,
        recipe=chosen.how.recipe.value,
        booth=chosen.how.booth,
        target_ns=chosen.how.target_ns,
        cells=len(chosen.netlist.instances),
        ff=sum(n for name, n in counts.items() if cells[name].kind is Kind.FLIP_FLOP),
        area_um2=chosen.area,
        area_sequential_um2=sequential,
        area_combinational_um2=chosen.area - sequential,
        kge=chosen.point.kge,
        nand2=library.nand2.name,
        nand2_um2=library.nand2.area,
        delay_ns=timing.delay_ns,
        fmax_mhz=1000 / timing.delay_ns if timing.delay_ns > 0 else None,
        period_ns=period_ns,
        meets_period=None if period_ns is None else timing.delay_ns <= period_ns,
        setup_ns=timing.setup_ns,
        start=timing.start,
        end=timing.end,
        critical_path=tuple(dataclasses.asdict(stage) for stage in timing.stages),
        by_cell=dict(sorted(by_cell.items(), key=lambda item: (-item[1].area_um2, item[0]))),
        points=tuple(r.point for r in results),
        min_area=smallest.point,
        min_delay=fastest.point,
        at_period=at_period.point if at_period else None,
        conditions=dataclasses.asdict(conditions),
        netlist=chosen.verilog.read_text(encoding="utf-8"),
    )

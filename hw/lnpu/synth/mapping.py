"""Mapping to a standard-cell library: one front end, several recipes of abc.

One mapping has 10 to 15 % of noise, so figures that are to be compared come from a sweep over recipes.
"""

import enum
from dataclasses import dataclass
from pathlib import Path

from lnpu.synth.conditions import Conditions
from lnpu.synth.errors import SynthError
from lnpu.synth.library import Library
from lnpu.synth.netlist import Netlist
from lnpu.synth.yosys import quoted, read_sources, run

__all__ = ["Mapper", "MappingPoint", "Recipe"]


class Recipe(enum.Enum):
    """What the mapper works for."""

    AREA = "area"
    """Two rounds of logic compression, area-oriented mapping, then sizing to the target."""
    DELAY = "delay"
    """Mapping over structural choices for the least delay, buffers, then sizing to the target."""

    @property
    def script(self) -> tuple[str, ...]:
        """The commands of abc; `{target}` is the delay target in ps."""
        sizing = ("topo", "upsize -D {target}", "dnsize -D {target}")
        if self is Recipe.AREA:
            logic = ("strash", "ifraig", "scorr", "dc2", "dc2", "strash")
            return (*logic, "&get -n", "&dch -f", "&nf -R 10", "&put", "buffer -c -N 16", *sizing)
        logic = ("strash", "ifraig", "scorr", "dc2", "strash", "dch")
        return (*logic, "map -B 0.9 -D {target}", "topo", "buffer -c -N 16", *sizing)


@dataclass(frozen=True)
class MappingPoint:
    """One way to map.

    Args:
        recipe: area- or delay-driven.
        booth: Booth-encoded multipliers.
        target_ns: delay that sizing works for; None: as fast as possible (delay) or no target (area).
    """

    recipe: Recipe
    booth: bool = False
    target_ns: float | None = None

    @property
    def target_ps(self) -> int:
        """The target in ps, as abc takes it."""
        if self.target_ns is not None:
            return max(1, round(self.target_ns * 1000))
        return 1 if self.recipe is Recipe.DELAY else 100_000

    def __str__(self) -> str:
        target = "" if self.target_ns is None else f" {self.target_ns:.3g} ns"
        return f"{self.recipe.value}{', Booth' if self.booth else ''}{target}"


class Mapper:
    """Maps one design in several ways; the front end runs once a multiplier style.

    Args:
        files: absolute paths of Verilog sources.
        top: top module.
        library: the target.
        conditions: what surrounds the block.
        work: directory for intermediate files.
    """

    def __init__(
        self, files: list[Path], top: str, library: Library, conditions: Conditions, work: Path
    ) -> None:
        library.check()
        self._files, self._top, self._library, self._work = files, top, library, work
        self._count = 0
        self._prepared: dict[bool, str] = {}
        (work / "cells.lib").write_text(library.for_mapper(), encoding="utf-8")
        drive = f"set_driving_cell {conditions.driving_cell}\n" if conditions.driving_cell else ""
        (work / "abc.constr").write_text(
            f"{drive}set_load {conditions.load_ff:g} [all_outputs]\n", encoding="utf-8"
        )

    def map(self, point: MappingPoint) -> tuple[Netlist, Path]:
        """The mapped netlist and its Verilog file.

        Raises:
            SynthError: the sources are wrong, or something cannot be mapped to the library.
        """
        prepared = self._prepare(point.booth)
        stem = f"map{self._count}"
        self._count += 1
        commands = "\n".join(point.recipe.script).format(target=point.target_ps)
        (self._work / f"{stem}.abc").write_text(commands + "\n", encoding="utf-8")
        low, high = self._library.ties
        ties = f"hilomap -hicell {' '.join(high)} -locell {' '.join(low)}\n" if low and high else ""
        script = (
            f"read_rtlil {prepared}\n"
            f"abc -liberty cells.lib -constr abc.constr -script {stem}.abc\n"
            "opt_clean -purge\n"
            "setundef -zero\n"
            f"{ties}"
            "opt_clean -purge\n"
            "rename -enumerate\n"
            f"write_verilog -noattr -noexpr -nohex -nodec {stem}.v\n"
            f"write_json {stem}.json\n"
        )
        run(script, self._work, stem)
        netlist = Netlist.load(self._work / f"{stem}.json", self._top)
        left = [t for t in netlist.count() if t not in self._library.cells]
        if left:
            what = ", ".join(t.removeprefix("$_").removesuffix("_") for t in left)
            why = "three-state drivers and black boxes cannot be mapped"
            raise SynthError(f"library {self._library.name} has no cell for {what} ({why})")
        return netlist, self._work / f"{stem}.v"

    def _prepare(self, booth: bool) -> str:
        """Everything before abc: elaboration, coarse synthesis, gates, flip-flops of the library."""
        if booth not in self._prepared:
            stem = "gates_booth" if booth else "gates"
            script = (
                f"{read_sources(self._files)}"
                f"hierarchy -check -top {self._top}\n"
                "proc\nflatten -noscopeinfo\nchformal -remove\ndelete t:$print\ntribuf\nopt_clean\n"
                f"synth -flatten -top {self._top} -run coarse:fine{' -booth' if booth else ''}\n"
                "memory_map\nopt -undriven -fine\n"
                "techmap\nopt -fast -full\nopt -full\nsimplemap\nopt_clean -purge\n"
                f"dfflibmap -liberty {quoted('cells.lib')}\nopt_clean -purge\n"
                f"write_rtlil {stem}.il\n"
            )
            run(script, self._work, stem)
            self._prepared[booth] = f"{stem}.il"
        return self._prepared[booth]

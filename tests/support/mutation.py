"""Mutation testing: does the test notice when one gate of the design is wrong?

Yosys picks N mutations, all of them go into one netlist behind a selector input, Verilator compiles that
once, and the test's own stimulus runs once a mutant. Survivors are compared with the original by formal
equivalence, because a mutant that computes the same function cannot be noticed by any test.
"""

import enum
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lnpu_sim.rtl import RtlModule, StreamError, build
from support.yosys import YosysFailure, YosysTimeout, run_yosys

__all__ = ["Fate", "Mutant", "MutationReport", "mutate"]

_SELECTOR = "mutsel"


class Fate(enum.Enum):
    """What became of a mutant."""

    KILLED = "killed"
    """The stimulus noticed it."""
    EQUIVALENT = "equivalent"
    """Proved to compute the same as the original."""
    SURVIVED = "survived"
    """A different result was found by the solver, but not by the stimulus: the test has a hole."""
    UNDECIDED = "undecided"
    """Not noticed, not proved equivalent, no difference found within the bounds."""


@dataclass(frozen=True)
class Mutant:
    """One change: the cell's port bit that is wrong, how, and where it comes from."""

    index: int
    command: str
    fate: Fate
    evidence: str

    def option(self, name: str) -> str:
        """A parameter of the mutation (`mode`, `cell`, `port`, `portbit`, `src`), or an empty string."""
        match = re.search(rf"-{name} (\S+)", self.command)
        return match[1] if match else ""

    def __str__(self) -> str:
        where = f"{self.option('cell')} {self.option('port')}[{self.option('portbit')}]"
        wire = f"{self.option('wire')}[{self.option('wirebit')}]".replace("\\", "")
        head = f"#{self.index} {self.fate.value}: {self.option('mode')} {where}"
        return f"{head} ({wire}, {self.option('src')}) {self.evidence}".rstrip()


@dataclass(frozen=True)
class MutationReport:
    """All mutants with their fates."""

    mutants: tuple[Mutant, ...]

    def of(self, fate: Fate) -> list[Mutant]:
        """The mutants with that fate."""
        return [mutant for mutant in self.mutants if mutant.fate is fate]

    @property
    def score(self) -> float:
        """Killed in percent of those not proved equivalent (undecided ones count against the test)."""
        judged = len(self.mutants) - len(self.of(Fate.EQUIVALENT))
        return 100.0 * len(self.of(Fate.KILLED)) / judged if judged else 100.0

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.of(fate))} {fate.value}" for fate in Fate)
        left = [*self.of(Fate.SURVIVED), *self.of(Fate.UNDECIDED)]
        return "\n".join(
            [f"{len(self.mutants)} mutants: {counts}; score {self.score:.1f} %", *map(str, left)]
        )


def mutate(
    sources: Sequence[Path],
    top: str,
    stimulus: Callable[[RtlModule], None],
    *,
    count: int = 50,
    seed: int = 1,
    depth: int = 8,
    timeout: float = 60.0,
    part: str = "",
) -> MutationReport:
    """Judge a stimulus by the mutants that it kills.

    Args:
        sources: Verilog files.
        top: top module; clock `clk`, reset `rst`.
        stimulus: drives a unit after reset and raises AssertionError (or StreamError) when something is
            wrong; must be deterministic and accept the original.
        count: mutants.
        seed: which ones; the same seed gives the same mutants.
        depth: clock cycles after reset in which the solver looks for a difference of a survivor.
        timeout: seconds a proof.
        part: only cells that drive a wire whose name begins so; "" takes all cells.

    Raises:
        AssertionError: the stimulus rejects the unmutated design.
    """
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        work = Path(name)
        for path in sources:  # copied, so that reports name files without their directories
            (work / path.name).write_text(path.read_text())
        read = " ".join(f'"{path.name}"' for path in sources)
        width = count.bit_length() + 1
        cells = f" {top}/w:{part}* %ci1 {top}/c:* %i" if part else ""
        run_yosys(
            f"read_verilog -sv {read}\nhierarchy -top {top}\nproc\nflatten\nopt\nmemory -nomap\n"
            "opt_clean -purge\n"
            f"write_rtlil prepared.il\n"
            f"mutate -list {count} -seed {seed} -ctrl {_SELECTOR} {width} 1 -o mutations.txt{cells}\n",
            work,
            "prepare",
        )
        commands = [line for line in (work / "mutations.txt").read_text().splitlines() if line.strip()]
        # Without `pmuxtree` a wrong select of a parallel multiplexer would end the simulation and the run.
        run_yosys(
            "read_rtlil prepared.il\nscript mutations.txt\nopt_clean\npmuxtree\n"
            "write_verilog -noattr mutated.v\n",
            work,
            "apply",
        )
        unit = build([work / "mutated.v"], top)
        reason = _kills(unit, stimulus, 0)
        assert reason is None, f"the stimulus rejects the original: {reason}"
        mutants = []
        for index, command in enumerate(commands, 1):
            killed = _kills(unit, stimulus, index)
            if killed is not None:
                fate, evidence = Fate.KILLED, killed
            else:
                fate, evidence = _compare(work, top, index, command, depth, timeout)
            mutants.append(Mutant(index, command, fate, evidence))
        return MutationReport(tuple(mutants))


def _kills(unit: RtlModule, stimulus: Callable[[RtlModule], None], index: int) -> str | None:
    with RtlModule(unit.directory) as instance:
        instance[_SELECTOR] = index
        instance.reset()
        try:
            stimulus(instance)
        except (AssertionError, StreamError) as error:
            return str(error).strip().split("\n")[0] or type(error).__name__
    return None


def _compare(work: Path, top: str, index: int, command: str, depth: int, timeout: float) -> tuple[Fate, str]:
    plain = re.sub(rf"-ctrl {_SELECTOR} \S+ \S+", "", command)
    pair = f"read_rtlil prepared.il\nrename {top} gold\nread_rtlil prepared.il\n{plain}\nrename {top} gate\n"
    try:
        run_yosys(
            f"{pair}equiv_make gold gate pair\nhierarchy -top pair\nopt_clean -purge\nopt_merge\n"
            "equiv_simple -seq 2\nequiv_induct -seq 4\nequiv_status -assert\n",
            work,
            f"equivalence{index}",
            timeout,
        )
        return Fate.EQUIVALENT, ""
    except (YosysFailure, YosysTimeout):
        pass
    # Bounded search from reset; registers start unknown on both sides, so only defined differences count.
    try:
        run_yosys(
            f"{pair}miter -equiv -ignore_gold_x -flatten gold gate pair\nhierarchy -top pair\n"
            "memory_map\nopt -full\n"
            f"sat -verify -prove trigger 0 -enable_undef -set-def-inputs {_reset(work, top)}"
            f"-seq 2 -maxsteps {depth + 2} -tempinduct-baseonly -tempinduct pair\n",
            work,
            f"search{index}",
            timeout,
        )
    except YosysTimeout:
        return Fate.UNDECIDED, f"no proof and no difference in {timeout:g} s"
    except YosysFailure as error:
        if "proof did fail" in str(error):
            return Fate.SURVIVED, f"differs within {depth} cycles of reset"
        raise
    return Fate.UNDECIDED, f"no difference within {depth} cycles of reset"


def _reset(work: Path, top: str) -> str:
    prepared = (work / "prepared.il").read_text()
    if not re.search(r"wire input \d+ \\rst$", prepared, re.MULTILINE):
        return ""
    return "-set-at 1 in_rst 1 -set-at 2 in_rst 0 "

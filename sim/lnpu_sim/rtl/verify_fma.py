"""Exported FMA against its golden model: many operations, every stall pattern."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lnpu.numeric.config import FmaConfig
from lnpu_sim.numeric.fma import FmaModel
from lnpu_sim.numeric.stimulus import fma_stimulus
from lnpu_sim.numeric.window import WindowModel
from lnpu_sim.rtl.streams import STALL_PATTERNS
from lnpu_sim.rtl.verilator import RtlModule, build

__all__ = ["FmaCheck", "check_fma", "expected", "play"]


@dataclass(frozen=True)
class FmaCheck:
    """Outcome of a comparison.

    Args:
        operations: how many were compared; mismatches: how many differ.
        cycles: clock cycles of the hardware.
        patterns: stall pattern -> (operations, clock cycles).
        examples: the first differing operations, readable.
    """

    operations: int
    mismatches: int
    cycles: int
    patterns: dict[str, tuple[int, int]]
    examples: tuple[str, ...]


def _join(words: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`(n, words)` of 64 bits as Python integers; one-dimensional arrays pass."""
    if words.ndim == 1:
        return words
    return sum(
        (words[:, k].astype(object) << (64 * k) for k in range(words.shape[1])),
        np.zeros(len(words), dtype=object),
    )


def expected(config: FmaConfig, stimulus: dict[str, Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """`o_d` and `o_flags` of the golden model for operands as `fma_stimulus` gives them."""
    words = {name: _join(np.asarray(value)) for name, value in stimulus.items()}
    words.setdefault("mode", np.zeros(len(words["a"]), dtype=np.int64))
    return WindowModel(config).run(**words) if config.windowed else FmaModel(config).compute(**words)


def play(
    unit: RtlModule, stimulus: dict[str, Any], pattern: str = "none", seed: int = 1
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], int]:
    """Plays operations through a compiled unit; returns `o_d`, `o_flags` and the number of cycles."""
    source, sink = STALL_PATTERNS[pattern]
    inputs = {f"i_{name}": value for name, value in stimulus.items()}
    result = unit.run_stream(inputs, ["o_d", "o_flags"], source_stall=source, sink_stall=sink, seed=seed)
    return _join(result["o_d"]), _join(result["o_flags"]), result.cycles


def check_fma(
    config: FmaConfig,
    verilog: str | Path,
    operations: int,
    *,
    patterns: Sequence[str] = tuple(STALL_PATTERNS),
    seed: int = 1,
    chunk: int = 100_000,
    progress: Callable[[int], None] = lambda done: None,
    unit: RtlModule | None = None,
) -> FmaCheck:
    """Compare exported Verilog (top `fma`) with the golden model, bit for bit.

    Args:
        config: what the Verilog was generated from.
        verilog: file or text.
        operations: how many, in chunks that take turns with the stall patterns.
        patterns: names of `STALL_PATTERNS`.
        seed: of operands and stalls.
        chunk: operations a run; progress: called with the number done after each.
        unit: an already compiled unit.
    """
    unit = unit or build([verilog], "fma")
    done = mismatches = cycles = 0
    by_pattern = dict.fromkeys(patterns, (0, 0))
    examples: list[str] = []
    turn = 0
    while done < operations:
        n = min(chunk, operations - done)
        stimulus = fma_stimulus(config, n, seed + turn)
        pattern = patterns[turn % len(patterns)]
        d, flags, spent = play(unit, stimulus, pattern, seed + turn)
        d_want, flags_want = expected(config, stimulus)
        wrong = np.flatnonzero((d != d_want) | (flags != flags_want))
        mismatches += len(wrong)
        for k in wrong[: max(0, 5 - len(examples))]:
            operands = ", ".join(f"{name}={_hex(value[k])}" for name, value in stimulus.items())
            examples.append(
                f"seed {seed + turn}, {pattern}, operation {k}: {operands}: "
                f"d {int(d[k]):x} not {int(d_want[k]):x}, flags {int(flags[k]):x} not {int(flags_want[k]):x}"
            )
        done, turn = done + n, turn + 1
        cycles += spent
        count, time = by_pattern[pattern]
        by_pattern[pattern] = (count + n, time + spent)
        progress(done)
    return FmaCheck(done, mismatches, cycles, by_pattern, tuple(examples))


def _hex(value: Any) -> str:
    words = np.atleast_1d(np.asarray(value))
    if words.dtype.kind == "i":
        return f"{int(words[0]):#x}"
    return "0x" + "".join(f"{int(w):016x}" for w in words[::-1]).lstrip("0").rjust(1, "0")

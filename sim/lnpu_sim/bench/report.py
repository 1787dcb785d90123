"""What measurements amount to: speed-ups over dense fp16 on the same machine, utilisation, bytes."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from lnpu.engine.config import Pass
from lnpu_sim.bench.run import Measured
from lnpu_sim.engine.inputs import Technique

__all__ = ["LOST", "lost", "moved", "summary"]

LOST = ("PIXEL", "TILE", "DRAIN", "BACKPRESSURE", "STARVED", "FILL", "TAIL")
"""Causes of a lost slot, as the counters name them."""
DENSE, CODED = Technique.NEITHER, Technique.BOTH
DENSE_BITS = 16


def _issued(run: Measured) -> int:
    return run.counts["COUNT_ISSUE8"] + run.counts["COUNT_ISSUE16"]


def lost(run: Measured) -> dict[str, float]:
    """Share of line cycles lost, by cause."""
    total = _issued(run) + sum(run.counts[f"COUNT_{cause}"] for cause in LOST)
    return {cause.lower(): run.counts[f"COUNT_{cause}"] / max(1, total) for cause in LOST}


def _ratio(runs: Sequence[Measured], counter: str) -> float | None:
    cycles = {t: sum(r.counts[counter] for r in runs if r.technique is t) for t in (DENSE, CODED)}
    return cycles[DENSE] / cycles[CODED] if cycles[DENSE] and cycles[CODED] else None


def moved(run: Measured) -> dict[str, int]:
    """Bytes of a pass by register.

    Dense fp16 is charged 16 bits for an element of a sparse input, not the entry (with its run) that the
    machine reads, and for y and d, not fp32 behind ReLU or mask.
    """
    sparse = "READ_D" if run.kind is Pass.BP else "READ_X"
    found = {name: n for name, n in run.counts.items() if name.startswith(("READ_", "WRITE_"))}
    if run.technique is DENSE:
        found[sparse] = round(found[sparse] * DENSE_BITS / run.bits)
        if run.kind is not Pass.WG:
            backward = run.kind is Pass.BP
            elements = run.elements if backward else run.results
            found["WRITE_D" if backward else "WRITE_X"] += elements * DENSE_BITS // 8
            found["WRITE_RESULT"] -= elements * 4
    return found


def _bytes(runs: Sequence[Measured], technique: Technique) -> dict[str, int]:
    """Bytes by tensor class."""
    found: dict[str, int] = defaultdict(int)
    for run in runs:
        if run.technique is technique:
            for name, value in moved(run).items():
                found[name.lower()] += value
    return dict(found)


def _row(run: Measured) -> dict[str, Any]:
    coded = run.technique is CODED
    return {
        "layer": run.layer,
        "pass": run.kind.name.lower(),
        "numbers": "fgmp" if coded else "dense",
        "cycles": run.counts["COUNT_BUSY"],
        "engine_cycles": run.counts["COUNT_CYCLES"],
        "utilisation": 1 - sum(lost(run).values()),
        "lost": {cause: share for cause, share in lost(run).items() if share},
        "bytes": sum(moved(run).values()),
        "bits_per_element": run.bits,
        "error": run.error,
    }


def summary(runs: Sequence[Measured]) -> dict[str, Any]:
    """All figures, ready for JSON.

    `engine`: cycles of dense fp16 over those of mixed precision with zero-skipping, from the first issue to
    the last. `machine`: the same for whole lists. `utilisation`: slots over line cycles between the first
    issue and the last, with mixed precision. `bytes`: by class, `fgmp` and `dense`. `passes`: a row each.
    Figures that the device does not count are None.
    """
    counted = bool(runs) and all(run.counts for run in runs)
    kinds = {kind.name.lower(): [r for r in runs if r.kind is kind] for kind in Pass}
    groups = {**{name: part for name, part in kinds.items() if part}, "total": list(runs)}
    result: dict[str, Any] = {
        "mismatches": sum(run.mismatches for run in runs),
        "largest_error": max((run.error for run in runs), default=0.0),
        "engine": {},
        "machine": {},
        "utilisation": {},
        "lost": {},
        "bits_per_element": {},
        "bytes": {},
    }
    for name, part in groups.items():
        coded = [run for run in part if run.technique is CODED]
        for key, counter in (("engine", "COUNT_CYCLES"), ("machine", "COUNT_BUSY")):
            result[key][name] = _ratio(part, counter) if counted else None
        if not counted or not coded:
            result["utilisation"][name] = None
            continue
        issued = sum(map(_issued, coded))
        causes = {cause.lower(): sum(run.counts[f"COUNT_{cause}"] for run in coded) for cause in LOST}
        total = max(1, issued + sum(causes.values()))
        result["utilisation"][name] = issued / total
        result["lost"][name] = {cause: count / total for cause, count in causes.items()}
    for name, chosen in (("x", (Pass.FP, Pass.WG)), ("d", (Pass.BP,))):
        mine = [run for run in runs if run.technique is CODED and run.kind in chosen]
        elements = sum(run.elements for run in mine)
        if elements:
            result["bits_per_element"][name] = sum(run.bits * run.elements for run in mine) / elements
    if counted:
        result["passes"] = [_row(run) for run in runs]
        result["bytes"] = {"fgmp": _bytes(runs, CODED), "dense": _bytes(runs, DENSE)}
    return result

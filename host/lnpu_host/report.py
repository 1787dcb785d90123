"""What a training on a device took: rows for tables and pages, and figures for files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lnpu_host.runner import Usage
from lnpu_host.tensors import Compressed

__all__ = ["PassRow", "TensorRow", "figures", "pass_rows", "tensor_rows", "utilisation"]

LOST = ("PIXEL", "TILE", "DRAIN", "BACKPRESSURE", "STARVED", "FILL", "TAIL")
"""Causes of a lost slot, as the counters name them."""


@dataclass(frozen=True)
class PassRow:
    """The lists of a layer and pass: how many, cycles and bytes of one on average, utilisation of its slots
    (None: the device does not count, or no slot was issued)."""

    layer: str
    kind: str
    lists: int
    cycles: float | None
    utilisation: float | None
    bytes: float | None


@dataclass(frozen=True)
class TensorRow:
    """A compressed tensor: mean shares of zeros, fp8 and fp16, bits of an element, everything included."""

    name: str
    zero: float
    fp8: float
    fp16: float
    bits: float


def utilisation(used: Usage) -> float | None:
    """Slots issued over line cycles between the first issue and the last of each pass."""
    counters = used.counters
    issued = counters["COUNT_ISSUE8"] + counters["COUNT_ISSUE16"]
    lost = sum(counters[f"COUNT_{cause}"] for cause in LOST)
    return issued / (issued + lost) if issued else None


def pass_rows(usage: Mapping[tuple[str, str], Usage]) -> list[PassRow]:
    """All lists of the training, in the order in which they ran first."""
    rows = []
    for (layer, kind), used in usage.items():
        moved = sum(n for name, n in used.counters.items() if name.startswith(("READ_", "WRITE_")))
        counted = bool(used.counters)
        rows.append(
            PassRow(
                layer,
                kind,
                used.lists,
                used.cycles / used.lists if counted else None,
                utilisation(used),
                moved / used.lists if counted else None,
            )
        )
    return rows


def tensor_rows(tensors: Sequence[Compressed]) -> list[TensorRow]:
    """All compressed tensors, means over the steps."""
    rows = []
    for tensor in tensors:
        seen = tensor.seen
        if seen.steps:
            count = seen.steps * tensor.geometry.elements
            zero = 1 - (seen.fp8 + seen.fp16) / count
            rows.append(
                TensorRow(tensor.name, zero, seen.fp8 / count, seen.fp16 / count, 8 * seen.bytes / count)
            )
    return rows


def figures(
    usage: Mapping[tuple[str, str], Usage], tensors: Sequence[Compressed], loss_scale: int
) -> dict[str, Any]:
    """Cycles in all, cycles a second of the device's time, and the rows; ready for JSON."""
    used = list(usage.values())
    cycles = sum(one.cycles for one in used)
    seconds = sum(one.seconds for one in used)
    every = Usage()
    for one in used:
        every.counters.update(one.counters)
    return {
        "cycles": cycles or None,
        "device_seconds": seconds,
        "rtl_cycles_per_second": cycles / seconds if cycles else None,
        "utilisation": utilisation(every),
        "loss_scale": loss_scale,
        "passes": [asdict(row) for row in pass_rows(usage)],
        "tensors": [asdict(row) for row in tensor_rows(tensors)],
    }

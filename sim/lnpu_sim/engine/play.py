"""Engine programs played through compiled Verilog (`lnpu.export.engine`)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.program import EngineProgram
from lnpu_sim.rtl import STALL_PATTERNS, RtlModule, Sink, Source

__all__ = ["CAUSES", "Played", "pack", "play", "unpack"]

Ints = NDArray[np.int64]

CAUSES = ("issue8", "issue16", "pixel", "tile", "drain", "backpressure", "starved", "fill", "tail")
"""What a line does with a cycle; names of the counters."""


def pack(lanes: Ints, bits: int) -> NDArray[np.uint64]:
    """[beats, lanes] as the 64-bit words of a wide port, lane 0 low."""
    shifted = lanes.astype(np.uint64)[:, :, None] >> np.arange(bits, dtype=np.uint64)
    flat = (shifted & np.uint64(1)).astype(np.uint8).reshape(len(lanes), -1)
    size = -(-flat.shape[1] // 64) * 64
    padded = np.zeros((len(lanes), size), np.uint8)
    padded[:, : flat.shape[1]] = flat
    words = np.packbits(padded, axis=1, bitorder="little").view("<u8")
    return words[:, 0] if size == 64 else words


def unpack(words: NDArray[np.uint64], lanes: int, bits: int) -> Ints:
    """The signed lanes of a wide port's words, [beats, lanes]."""
    raw = np.ascontiguousarray(words.reshape(len(words), -1)).astype("<u8").view(np.uint8)
    flat = np.unpackbits(raw, axis=1, bitorder="little", count=lanes * bits).reshape(-1, lanes, bits)
    weights = np.int64(1) << np.arange(bits, dtype=np.int64)
    weights[-1] = -weights[-1]
    return np.asarray(flat.astype(np.int64) @ weights, dtype=np.int64)


@dataclass(frozen=True)
class Played:
    """What a pass delivered and cost.

    Args:
        beats: int64 [beats, row_lanes]; last: bool [beats]. overflow, full, errors: as the ports.
        counts: line cycles by cause (`CAUSES`) from the first to the last issue; `cycles` between these;
            `lead`: cycles before the first; `total`: cycles to the last drain's end.
    """

    beats: Ints
    last: NDArray[np.bool_]
    overflow: bool
    full: bool
    errors: int
    counts: dict[str, int]

    @property
    def utilisation(self) -> float:
        """Slots issued over line cycles, from the first to the last issue."""
        issued = self.counts["issue8"] + self.counts["issue16"]
        return issued / max(1, sum(self.counts[cause] for cause in CAUSES))


def play(
    unit: RtlModule,
    config: EngineConfig,
    program: EngineProgram,
    pattern: str = "none",
    seed: int = 1,
    idle_limit: int = 200_000,
) -> Played:
    """Run a program on a compiled engine.

    Args:
        unit: `build([engine_verilog(config)], "lnpu_engine")`. pattern: of `STALL_PATTERNS`, on all streams.
        idle_limit: cycles without a transfer on any stream after which the engine counts as hung.

    Raises:
        StreamError: a stream rule was broken, or nothing moved.
    """
    source, sink = STALL_PATTERNS[pattern]
    for port, info in unit.ports.items():
        if port.endswith("_valid") and not info.output:
            unit[port] = 0
    for name, value in program.constants.items():
        unit[f"shape_{name}"] = value
    unit["start"] = 1
    unit.step()
    unit["start"] = 0
    streams: list[tuple[str, dict[str, NDArray[np.int64] | NDArray[np.uint64]]]] = [
        ("walks", dict(program.walks)),
        ("fills", dict(program.fills)),
        ("words", dict(program.words)),
        ("loads", dict(program.loads)),
        ("vectors", {"elements": pack(program.vectors, 16)}),
        ("drains", dict(program.drains)),
    ]
    sources = [
        Source(
            {f"{name}_{field}": values for field, values in data.items()},
            f"{name}_valid",
            f"{name}_ready",
            source,
        )
        for name, data in streams
        if data and len(next(iter(data.values())))
    ]
    result = unit.run_streams(
        sources,
        [Sink(["o_lanes", "o_last"], "o_valid", "o_ready", sink, len(program.places))],
        seed=seed,
        idle_limit=idle_limit,
    )
    for _ in range(4):
        unit.step()
    counts = {name: int(unit[f"counts_{name}"]) for name in (*CAUSES, "cycles", "lead", "total")}
    return Played(
        beats=unpack(result["o_lanes"], config.row_lanes, config.sum_bits),
        last=result["o_last"].astype(bool),
        overflow=bool(unit["overflow"]),
        full=bool(unit["full"]),
        errors=int(unit["errors"]),
        counts=counts,
    )

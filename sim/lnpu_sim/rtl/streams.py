"""Streams played through a compiled unit by the C++ driver: no Python per cycle."""

import ctypes
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lnpu_sim.rtl.native import (
    Field,
    Outcome,
    Port,
    RandomState,
    Run,
    StallState,
    Stream,
    from_storage,
    to_storage,
)
from lnpu_sim.rtl.toolchain import RtlError

if TYPE_CHECKING:
    from lnpu_sim.rtl.module import RtlModule

__all__ = [
    "STALL_PATTERNS",
    "Sink",
    "Source",
    "Stall",
    "StallKind",
    "StreamError",
    "StreamResult",
    "run_streams",
]


class StreamError(Exception):
    """The unit broke a stream rule or stopped moving; the message names the port, cycle and values."""


class StallKind(enum.IntEnum):
    """How willing one end of a stream is to move (mirrors `Stall::kind` in shim.cpp)."""

    NEVER = 0
    """Willing in every cycle."""
    PERIODIC = 1
    """Willing in one of `period` cycles."""
    RANDOM = 2
    """Stretches of 32 cycles, each willing in 1/16, 1/4, 1/2, 7/8 or all of its cycles."""


@dataclass(frozen=True)
class Stall:
    """When one end of a stream is willing to move.

    Args:
        kind: see `StallKind`.
        period: at least 1, used by `PERIODIC`.
    """

    kind: StallKind = StallKind.NEVER
    period: int = 1

    def __post_init__(self) -> None:
        if self.period < 1:
            raise ValueError(f"`period` must be at least 1, not {self.period}")


NEVER = Stall()
SLOW = Stall(StallKind.PERIODIC, 4)
RANDOM = Stall(StallKind.RANDOM)

STALL_PATTERNS: dict[str, tuple[Stall, Stall]] = {
    "none": (NEVER, NEVER),
    "slow-source": (SLOW, NEVER),
    "slow-sink": (NEVER, SLOW),
    "random": (RANDOM, RANDOM),
}
"""The named patterns of every stream test: name -> (source, sink)."""


@dataclass(frozen=True)
class Source:
    """Beats to play into one input stream.

    Args:
        data: port name -> values. Shape `(beats,)` of integers (negative ones for signed ports), or
            `(beats, words)` uint64, least significant word first, for ports over 64 bits.
        valid: name of the valid port, or None when every cycle counts.
        ready: name of the ready port, or None when always ready.
        stall: when a new beat is offered.
    """

    data: Mapping[str, ArrayLike]
    valid: str | None = "i_valid"
    ready: str | None = "i_ready"
    stall: Stall = NEVER


@dataclass(frozen=True)
class Sink:
    """What to collect from one output stream.

    Args:
        fields: payload port names.
        valid: name of the valid port; None: valid in the cycle in which the first source's beat is taken
            (a purely combinational function).
        ready: name of the ready port, or None when the unit cannot be stalled.
        stall: when the sink is ready.
        beats: beats to wait for; one more is an error. None: as many as the first source has. In a run until
            quiet this is the largest number that may come.
    """

    fields: Sequence[str]
    valid: str | None = "o_valid"
    ready: str | None = "o_ready"
    stall: Stall = NEVER
    beats: int | None = None


@dataclass(frozen=True)
class StreamResult:
    """What came out.

    Args:
        data: port name -> `(beats,)` uint64, or `(beats, words)` uint64 for ports over 64 bits.
        cycles: clock cycles from the first beat taken to the last beat delivered, both counted.
        latency: clock cycles from the first input taken to the first output offered; None without output.
    """

    data: dict[str, NDArray[np.uint64]]
    cycles: int
    latency: int | None

    def __getitem__(self, port: str) -> NDArray[np.uint64]:
        return self.data[port]


def _stall(stall: Stall, seed: int) -> StallState:
    # Spread consecutive seeds over the state space; zero is the one state that xorshift cannot leave.
    state = (seed * 0x9E3779B97F4A7C15 + 0x1234567) % 2**64 or 1
    return StallState(stall.kind, stall.period, 0, RandomState(state), 0)


def run_streams(
    module: "RtlModule",
    sources: Sequence[Source],
    sinks: Sequence[Sink],
    *,
    seed: int = 1,
    idle_limit: int = 1000,
    settle: int = 8,
    until_quiet: bool = False,
) -> StreamResult:
    """Play every source and collect every sink; see `RtlModule.run_stream`."""
    keep: list[Any] = []  # arrays whose addresses the structures hold

    def pointer(name: str | None, output: bool) -> int | None:
        return None if name is None else module.address(name, output=output)

    def stream(fields: list[Field], valid: int | None, ready: int | None, stall: StallState) -> Stream:
        array = (Field * max(1, len(fields)))(*fields)
        keep.append(array)
        return Stream(valid=valid, ready=ready, fields=array, n_fields=len(fields), stall=stall)

    c_sources = (Stream * max(1, len(sources)))()
    for index, source in enumerate(sources):
        fields, lengths = [], {}
        for name, values in source.data.items():
            port = module.port(name)
            raw = to_storage(port, values)
            keep.append(raw)
            lengths[name] = len(raw)
            fields.append(
                Field(module.address(name, output=False), raw.ctypes.data, None, port.bits, port.bytes)
            )
        if len(set(lengths.values())) != 1:
            raise RtlError(f"a source needs ports with equally many beats, not {lengths}")
        item = stream(
            fields,
            pointer(source.valid, False),
            pointer(source.ready, True),
            _stall(source.stall, seed + 2 * index),
        )
        item.capacity = next(iter(lengths.values()))
        c_sources[index] = item

    c_sinks = (Stream * max(1, len(sinks)))()
    collected: list[tuple[int, Port, NDArray[np.uint8], NDArray[np.uint8]]] = []
    for index, sink in enumerate(sinks):
        if sink.beats is None and not sources:
            raise RtlError("`beats` of a sink must be given when there is no source")
        beats = int(c_sources[0].capacity) if sink.beats is None else sink.beats
        fields = []
        for name in sink.fields:
            port = module.port(name)
            raw = np.zeros((beats, port.bytes), np.uint8)
            held = np.zeros(port.bytes, np.uint8)
            collected.append((index, port, raw, held))
            address = module.address(name, output=True)
            fields.append(Field(address, raw.ctypes.data, held.ctypes.data, port.bits, port.bytes))
        item = stream(
            fields,
            pointer(sink.valid, True),
            pointer(sink.ready, False),
            _stall(sink.stall, seed + 2 * index + 1),
        )
        item.capacity = beats
        item.expect = 0 if until_quiet else beats
        c_sinks[index] = item

    run = Run(idle_limit=idle_limit, settle=settle, quiet_end=until_quiet, garbage=True)
    run.random = _stall(NEVER, seed + 7919).random
    outcome = Outcome(module.run_native(c_sources, len(sources), c_sinks, len(sinks), run))
    if outcome is not Outcome.DONE:
        raise StreamError(_explain(module, outcome, run, sources, sinks, c_sources, c_sinks, collected))

    data = {port.name: from_storage(port, raw[: c_sinks[i].done]) for i, port, raw, _ in collected}
    taken = [int(c_sources[i].first) for i in range(len(sources)) if c_sources[i].done]
    offered = [int(c_sinks[i].first) for i in range(len(sinks)) if c_sinks[i].seen]
    ends = [int(c_sinks[i].last) for i in range(len(sinks)) if c_sinks[i].done]
    ends += [int(c_sources[i].last) for i in range(len(sources)) if c_sources[i].done]
    begin = min(taken, default=0)
    return StreamResult(
        data,
        cycles=max(ends) - begin + 1 if ends else 0,
        latency=min(offered) - begin if offered else None,
    )


def _explain(
    module: "RtlModule",
    outcome: Outcome,
    run: Run,
    sources: Sequence[Source],
    sinks: Sequence[Sink],
    c_sources: "ctypes.Array[Stream]",
    c_sinks: "ctypes.Array[Stream]",
    collected: "Sequence[tuple[int, Port, NDArray[np.uint8], NDArray[np.uint8]]]",
) -> str:
    if outcome is Outcome.HANG:
        moved = [
            f"{s.valid or next(iter(s.data))} {c.done} of {c.capacity}"
            for s, c in zip(sources, c_sources, strict=False)
        ]
        moved += [
            f"{s.valid or s.fields[0]} {c.done} of {c.expect}" for s, c in zip(sinks, c_sinks, strict=False)
        ]
        return (
            f"hang in cycle {run.cycles}: no transfer for {run.idle_limit} cycles; beats: {', '.join(moved)}"
        )
    sink, beats = sinks[run.stream], c_sinks[run.stream].done
    if outcome is Outcome.VALID_DROPPED:
        return f"cycle {run.cycles}, beat {beats}: {sink.valid} fell before {sink.ready} took the beat"
    if outcome is Outcome.PAYLOAD_CHANGED:
        mine = [(port, held) for index, port, _, held in collected if index == run.stream]
        port, held = mine[run.field]
        before = int.from_bytes(held.tobytes(), "little")
        return (
            f"cycle {run.cycles}, beat {beats}: {port.name} changed from {before:#x} "
            f"to {module[port.name]:#x} while {sink.valid} waited for {sink.ready}"
        )
    if outcome is Outcome.EXTRA_BEAT:
        return f"cycle {run.cycles}: {sink.valid} offers a beat after all {beats} expected ones"
    return f"cycle {run.cycles}: more than {beats} beats on {sink.valid}; raise `beats`"

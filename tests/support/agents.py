"""Stream agents for cocotb benches: source, sink with a rule-checking monitor, and the bench base class."""

import json
import os
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

import cocotb
from lnpu_sim.rtl.streams import NEVER, STALL_PATTERNS, Stall, StallKind

__all__ = ["TB", "Monitor", "Sink", "Source", "settings", "willing"]


def settings() -> dict[str, Any]:
    """What `run_cocotb(settings=...)` was given."""
    return json.loads(os.environ.get("LNPU_BENCH", "{}"))


def willing(stall: Stall, seed: int) -> Iterator[bool]:
    """Cycle by cycle, whether an end with this stall moves; the densities are those of the C++ driver."""
    rng = random.Random(seed)
    cycle = 0
    while True:
        if stall.kind is StallKind.NEVER:
            yield True
        elif stall.kind is StallKind.PERIODIC:
            yield cycle % stall.period == stall.period - 1
        else:
            if cycle % 32 == 0:
                density = rng.choice([1 / 16, 1 / 4, 1 / 2, 7 / 8, 1])
            yield rng.random() < density
        cycle += 1


class Source:
    """Drives beats from a queue into `<prefix>_valid`, `<prefix>_ready` and payload ports.

    Args:
        dut: the simulated unit.
        prefix: of the handshake ports.
        fields: full names of the payload ports.
        stall: when a new beat is offered.
        seed: of stalls and of the payload while valid is low.
    """

    def __init__(self, dut, prefix: str, fields: Sequence[str], stall: Stall = NEVER, seed: int = 1):
        self.clk, self.fields = dut.clk, {name: getattr(dut, name) for name in fields}
        self.valid, self.ready = getattr(dut, f"{prefix}_valid"), getattr(dut, f"{prefix}_ready")
        self.queue: deque[Mapping[str, int]] = deque()
        self._go, self._rng = willing(stall, seed), random.Random(seed + 1)
        self.valid.value = 0
        self._task = cocotb.start_soon(self._drive())

    async def _drive(self):
        while True:
            if self.queue and next(self._go):
                beat = self.queue.popleft()
                self._put(beat, valid=1)
                await RisingEdge(self.clk)
                while not self.ready.value:
                    await RisingEdge(self.clk)
            else:
                # A unit must not look at payload that is not valid.
                noise = {name: self._rng.getrandbits(len(port)) for name, port in self.fields.items()}
                self._put(noise, valid=0)
                await RisingEdge(self.clk)

    def _put(self, beat: Mapping[str, int], valid: int) -> None:
        self.valid.value = valid
        for name, port in self.fields.items():
            port.value = int(beat[name]) % (1 << len(port))


class Monitor:
    """Records the beats of a stream and checks its rules in every cycle.

    An offered beat must stay, with the same payload, until it is taken; else an AssertionError with the port,
    cycle and values fails the cocotb test.
    """

    def __init__(self, dut, prefix: str, fields: Sequence[str]):
        self.dut, self.prefix, self.fields = dut, prefix, {name: getattr(dut, name) for name in fields}
        self.valid, self.ready = getattr(dut, f"{prefix}_valid"), getattr(dut, f"{prefix}_ready")
        self.beats: list[dict[str, int]] = []
        self._task = cocotb.start_soon(self._watch())

    async def _watch(self):
        held, cycle = None, 0
        while True:
            await RisingEdge(self.dut.clk)
            cycle += 1
            if hasattr(self.dut, "rst") and self.dut.rst.value:
                held = None
                continue
            valid, ready = bool(self.valid.value), bool(self.ready.value)
            where = f"cycle {cycle}, beat {len(self.beats)} of {self.prefix}"
            assert valid or held is None, f"{where}: valid fell before ready took the beat"
            if not valid:
                continue
            beat = {name: int(port.value) for name, port in self.fields.items()}
            for name, value in beat.items():
                assert held is None or held[name] == value, (
                    f"{where}: {name} changed from {held[name]:#x} to {value:#x} while it waited"
                )
            held = None if ready else beat
            if ready:
                self.beats.append(beat)


class Sink:
    """Takes beats from an output stream, under a `Monitor` (`beats` is its record)."""

    def __init__(self, dut, prefix: str, fields: Sequence[str], stall: Stall = NEVER, seed: int = 1):
        self.monitor = Monitor(dut, prefix, fields)
        self.clk, self.ready = dut.clk, getattr(dut, f"{prefix}_ready")
        self._go = willing(stall, seed)
        self._task = cocotb.start_soon(self._drive())

    @property
    def beats(self) -> list[dict[str, int]]:
        """What was taken so far."""
        return self.monitor.beats

    async def _drive(self):
        while True:
            self.ready.value = int(next(self._go))
            await RisingEdge(self.clk)


class TB:
    """Clock, reset and agents of one unit with flat ports (`clk`, `rst`, `i_*`, `o_*`).

    Args:
        dut: the simulated unit.
        pattern: name of a stall pattern (`STALL_PATTERNS`).
        seed: of everything random.
        inputs: payload ports of the input stream `i`.
        outputs: payload ports of the output stream `o`.
    """

    def __init__(self, dut, *, inputs: Sequence[str], outputs: Sequence[str], pattern="none", seed=1):
        self.dut, self.seed = dut, seed
        source, sink = STALL_PATTERNS[pattern]
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
        self.source = Source(dut, "i", inputs, source, seed)
        self.sink = Sink(dut, "o", outputs, sink, seed + 1)

    async def reset(self, cycles: int = 2) -> None:
        """Hold reset for some cycles."""
        self.dut.rst.value = 1
        for _ in range(cycles):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0

    async def play(
        self, beats: Sequence[Mapping[str, int]], expect: int | None = None, idle_limit: int = 1000
    ) -> list[dict[str, int]]:
        """Send beats and wait for `expect` (default: as many) results, then 8 cycles for one too many.

        Raises:
            AssertionError: a hang, or more beats than expected.
        """
        start, expect = len(self.sink.beats), len(beats) if expect is None else expect
        self.source.queue.extend(beats)
        idle, seen = 0, start
        while len(self.sink.beats) - start < expect:
            await RisingEdge(self.dut.clk)
            idle = idle + 1 if len(self.sink.beats) == seen else 0
            seen = len(self.sink.beats)
            assert idle <= idle_limit, f"hang: {seen - start} of {expect} beats, then {idle} idle cycles"
        for _ in range(8):
            await RisingEdge(self.dut.clk)
        extra = len(self.sink.beats) - start - expect
        assert extra == 0, f"{extra} beats more than the {expect} expected"
        return self.sink.beats[start:]

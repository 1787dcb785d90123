"""Compiled engines, and ways to play programs on them that `lnpu_sim.engine.play` does not know: single slow
streams, passes that are cut off, hardware with a planted bug."""

import functools
import re

import numpy as np

from lnpu.export.engine import TOP, engine_verilog
from lnpu_sim.engine.cycles import predict
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.play import CAUSES, pack, play
from lnpu_sim.rtl import RtlModule, build


@functools.cache
def compiled_engine(config):
    """An engine of this configuration; builds are kept from run to run."""
    return build([engine_verilog(config)], TOP)


def sabotaged_engine(config, pattern, replacement):
    """An engine with one place of its Verilog changed."""
    verilog, changes = re.subn(pattern, replacement, engine_verilog(config))
    assert changes == 1, f"{pattern}: {changes} places"
    return build([verilog], TOP)


class Stalled:
    """A compiled engine whose named streams (`walks`, `loads`, `o` ...) have stalls of their own."""

    def __init__(self, unit, stalls):
        self._unit, self._stalls = unit, {f"{name}_valid": stall for name, stall in stalls.items()}
        self.ports = unit.ports

    def __getitem__(self, port):
        return self._unit[port]

    def __setitem__(self, port, value):
        self._unit[port] = value

    def step(self, cycles=1):
        self._unit.step(cycles)

    def run_streams(self, sources, sinks, **options):
        found = set()
        for end in (*sources, *sinks):
            if end.valid in self._stalls:
                object.__setattr__(end, "stall", self._stalls[end.valid])
                found.add(end.valid)
        assert found == set(self._stalls)
        return self._unit.run_streams(sources, sinks, **options)


def check_program(unit, config, program, pattern="none", seed=1, idle_limit=200_000):
    """Play a program: every beat and flag as the golden model says and, if no stream waits, every counter as
    the cycle model does. Returns (played, model's result)."""
    want = EngineModel(config).run(program)
    got = play(unit, config, program, pattern, seed, idle_limit)
    np.testing.assert_array_equal(got.beats, want.beats)
    np.testing.assert_array_equal(got.last, want.last)
    assert (got.overflow, got.errors, got.full) == (want.overflow, want.errors, want.full)
    assert sum(got.counts[cause] for cause in CAUSES) == config.lines * got.counts["cycles"]
    assert got.counts["issue8"] + got.counts["issue16"] == want.slots.sum()
    if pattern == "none" and isinstance(unit, RtlModule):
        assert got.counts == predict(program, config)
    return got, want


def begin_pass(unit, program, cycles):
    """The first `cycles` cycles of a pass, all streams offered and results taken; nothing is compared."""
    streams = {
        "walks": program.walks,
        "fills": program.fills,
        "words": program.words,
        "loads": program.loads,
        "vectors": {"elements": pack(program.vectors, 16)},
        "drains": program.drains,
    }
    for name, value in program.constants.items():
        unit[f"shape_{name}"] = value
    unit["start"] = 1
    unit.step()
    unit["start"] = 0
    unit["o_ready"] = 1
    at = dict.fromkeys(streams, 0)
    for _ in range(cycles):
        for name, fields in streams.items():
            there = at[name] < len(next(iter(fields.values())))
            unit[f"{name}_valid"] = int(there)
            for field, values in fields.items() if there else ():
                words = np.atleast_1d(values[at[name]])
                value = sum(int(word) << 64 * n for n, word in enumerate(words))
                unit[f"{name}_{field}"] = value
        unit.eval()
        for name in streams:
            at[name] += unit[f"{name}_valid"] & unit[f"{name}_ready"]
        unit.step()

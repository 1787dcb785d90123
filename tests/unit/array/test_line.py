# amaranth: UnusedElaboratable=no
"""The line's exported Verilog against the line model, bit for bit, under stalls on every stream."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpu.array.config import LineConfig, Pass
from lnpu.array.line import Line
from lnpu.buffer.file import BankedFile
from lnpu_sim.array.planner import plan
from lnpu_sim.array.results import assemble
from lnpu_sim.rtl import STALL_PATTERNS
from lnpu_sim.rtl.verilator import build
from support.array import direct, layers, random_layer, random_program
from support.array_rtl import begin, check_line, compiled_line, line_verilog, play_line

CONFIGS = [LineConfig(4, 36, 8), LineConfig(3, 27, 5), LineConfig(1, 2, 2)]
FILL = Line.latency + 2
"""Cycles from the last slot to its word at the output: the drain's start and the RAM."""


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda c: f"{c.pes}-{c.tile_entries}-{c.row_entries}")
def line(request):
    return compiled_line(request.param), request.param


@pytest.mark.parametrize("wg", [False, True], ids=["row", "tile"])
@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_random_slots(line, pattern, wg):
    unit, config = line
    for seed in range(6):
        # Few addresses: every distance between uses of a sum, from 1 up.
        program = random_program(config, wg, 1500, spread=1 + seed, top=30 - 2 * seed, seed=seed)
        check_line(unit, config, program, pattern, seed)


def test_random_slots_saturate_and_meet_at_every_distance():
    program = random_program(CONFIGS[0], False, 1500, spread=3, top=24, seed=2)
    rows = program.slots["row"][program.slots["work"] == 1]
    for distance in (1, 2, 3):
        assert (rows[distance:] == rows[:-distance]).sum() > 50
    aba = (rows[2:] == rows[:-2]) & (rows[2:] != rows[1:-1])
    assert aba.sum() > 50


@settings(max_examples=25, deadline=None)
@given(layers, st.sampled_from(sorted(STALL_PATTERNS)))
def test_layers(layer, pattern):
    config = CONFIGS[0]
    unit = compiled_line(config)
    programs = plan(layer, config, 2)
    words = []
    for program in programs:
        if len(program.slots):
            check_line(unit, config, program, pattern)
            words.append(play_line(unit, config, program, pattern)[0])
        else:
            words.append(np.zeros((0, config.lanes), np.int64))
    for got, want in zip(assemble(layer, config, programs, words), direct(layer), strict=False):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kind", Pass)
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(1, 1, 0), (3, 1, 1), (3, 2, 1), (5, 1, 2)])
def test_no_cycle_is_lost(kind, kernel, stride, padding):
    """Cycles are slots plus the first load and the last drain, whatever the slots are."""
    config = LineConfig(3, 27, 32)
    unit = compiled_line(config)
    layer = random_layer(
        kind, (1, 8, 8), (16, 8), kernel=kernel, stride=stride, padding=padding, wide=0.2, zeros=0.3, seed=1
    )
    (program,) = plan(layer, config)
    result = check_line(unit, config, program)
    first_load = int(np.flatnonzero(program.loads.last)[0]) + 1
    assert len(program.slots) == program.issued
    assert result.cycles <= first_load + len(program.slots) + FILL + int(program.drains.count[-1])


def test_single_slot_pixels_lose_no_cycle():
    """One non-zero a pixel: every slot starts a run, reads and writes."""
    config = CONFIGS[0]
    unit = compiled_line(config)
    program = random_program(config, False, 2000, spread=8, top=40, seed=1, bank_slots=500, idle=0.0)
    result = check_line(unit, config, program)
    first_load = int(np.flatnonzero(program.loads.last)[0]) + 1
    assert result.cycles <= first_load + len(program.slots) + FILL + int(program.drains.count[-1])


def test_start_abandons_a_pass():
    config = CONFIGS[0]
    unit = compiled_line(config)
    for seed in range(5):
        abandoned = random_program(config, bool(seed & 1), 200, spread=4, top=30, seed=seed)
        begin(unit, abandoned)
        for name in ("slots", "loads"):
            unit[f"{name}_valid"] = 1
        unit["loads_last"] = 1
        unit["slots_last"] = unit["slots_work"] = 1
        unit.step(60 + seed)
        for name in ("slots", "loads"):
            unit[f"{name}_valid"] = 0
        check_line(unit, config, random_program(config, not seed & 1, 300, spread=4, top=30, seed=seed))


def test_nothing_moves_before_start():
    unit = compiled_line(CONFIGS[2])
    unit.reset()
    assert (unit["slots_ready"], unit["loads_ready"], unit["o_valid"]) == (0, 0, 0)


@pytest.mark.parametrize("register", ["core_runs_bypass", "core_runs_load", "core_runs_replace"])
def test_planted_bugs_are_seen(register):
    """Without the bypass, without fetching sums or without writing them back, random slots must fail."""
    verilog, changes = re.subn(rf"(\b{register} <= )\w+;", r"\g<1>1'b0;", line_verilog(CONFIGS[0]))
    assert changes == 1
    unit = build([verilog], "line")
    program = random_program(CONFIGS[0], False, 1500, spread=3, top=30, seed=1)
    with pytest.raises(AssertionError, match="instead of"):
        check_line(unit, CONFIGS[0], program)


def test_file_refuses_a_single_entry():
    with pytest.raises(ValueError, match="`entries` must be at least 2, not 1"):
        BankedFile(1, 32)

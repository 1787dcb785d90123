# amaranth: UnusedElaboratable=no
import dataclasses

import numpy as np
import pytest

from lnpu.engine.config import EngineConfig, EngineError
from lnpu.engine.sweep import Sweep
from lnpu_sim.engine.line import LineModel
from lnpu_sim.rtl import STALL_PATTERNS, StreamError
from support.engine_line import (
    bench_verilog,
    check,
    compiled_bench,
    random_program,
    sabotaged_bench,
    steady_program,
)

# (pes, group, tile_entries, row_entries, vector): one group and many, ragged groups, ragged vectors.
GEOMETRIES = [
    (8, 2, 50, 16, 8),
    (1, 1, 5, 3, 2),
    (2, 1, 6, 4, 4),
    (4, 4, 13, 7, 4),
    (5, 2, 9, 6, 8),
    (16, 4, 20, 9, 16),
]
CONFIGS = [
    EngineConfig(pes=pes, group=group, tile_entries=tile, row_entries=row, vector=vector)
    for pes, group, tile, row, vector in GEOMETRIES
]
EDGE = CONFIGS[0]
SHAPES = [  # (slots of a visit, addresses in use)
    (6.0, 8),
    (1.0, 2),
    (2.0, 3),
    (12.0, 20),
    (1.0, 1),
]


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda c: f"{c.pes}-{c.group}")
def line(request):
    return compiled_bench(request.param), request.param


@pytest.mark.parametrize("wg", [False, True], ids=["row", "tile"])
@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_random_walks(line, wg, pattern):
    unit, config = line
    for seed in range(15):
        visit, spread = SHAPES[seed % len(SHAPES)]
        program = random_program(config, wg, seed, visit=visit, spread=spread, top=30 - 2 * (seed % 7))
        check(unit, config, program, pattern, seed)


def test_random_walks_hold_every_case():
    """Saturation, A-B-A at distance 2, marks on slots and alone, walks without work."""
    seen = {"saturated": 0, "aba": 0, "riding": 0, "alone": 0, "twice": 0}
    for seed in range(15):
        visit, spread = SHAPES[seed % len(SHAPES)]
        program = random_program(EDGE, True, seed, visit=visit, spread=spread, top=30 - 2 * (seed % 7))
        slots = program.slots
        tile = slots["tile"][slots["work"] == 1]
        seen["saturated"] += LineModel(EDGE).run(program)[1]
        seen["aba"] += ((tile[2:] == tile[:-2]) & (tile[2:] != tile[1:-1])).sum()
        seen["riding"] += (slots["end"] & slots["work"]).sum()
        alone = (slots["end"] == 1) & (slots["work"] == 0)
        seen["alone"] += alone.sum()
        seen["twice"] += (alone[1:] & alone[:-1]).sum()
    assert all(count > 10 or (name == "saturated" and count > 2) for name, count in seen.items()), seen


@pytest.mark.parametrize("wg", [False, True], ids=["row", "tile"])
def test_no_slot_is_lost(line, wg):
    """Loads and drains run beside the slots: every cycle issues but for the first load and the clear."""
    unit, config = line
    program = steady_program(config, wg, visit=config.spacing + 2, seed=1)
    counts = check(unit, config, program)
    assert counts["issue8"] + counts["issue16"] == len(program.slots["work"]) - 1
    assert counts["lost_pixel"] == 0, counts
    assert counts["lost_backpressure"] == (2 * config.tile_entries if wg else config.row_words), counts
    assert counts["lost_tile"] <= 2 * config.tile_entries * config.chunks, counts
    # A drained entry of the Tile file takes a slot, but for the last bank's, which has no slots beside it.
    assert counts["lost_drain"] == (3 * config.tile_entries if wg else 0), counts


def test_visits_as_long_as_the_spacing_lose_no_slot(line):
    """They leave no cycle of the Row file to the drain, so sooner or later that has to wait for a bank."""
    unit, config = line
    counts = check(unit, config, steady_program(config, False, visit=config.spacing, seed=1))
    assert counts["lost_pixel"] == 0, counts


@pytest.mark.parametrize("visit", [1, 2, 3])
def test_short_visits_take_their_spacing(visit):
    unit, config = compiled_bench(EDGE), EDGE
    program = steady_program(config, False, visit=visit, seed=2)
    counts = check(unit, config, program)
    visits = (len(program.slots["work"]) - 1) // visit
    lost = (config.spacing - visit) * visits
    # Waits for a bank hide some of it.
    assert 0.8 * lost <= counts["lost_pixel"] <= lost


def test_distance_two_takes_one_cycle():
    unit, config = compiled_bench(EDGE), EDGE
    program = steady_program(config, True, visit=40, seed=3)
    work = program.slots["work"] == 1
    number = np.cumsum(work) - work
    alternate = program.slots["tile_bank"] * config.tile_entries + number % 2
    slots = {**program.slots, "tile": np.where(work, alternate, program.slots["tile"])}
    counts = check(unit, config, dataclasses.replace(program, slots=slots))
    # The wait itself breaks the pattern: from then on every second slot waits at most.
    assert 0.3 * work.sum() < counts["lost_pixel"] <= work.sum()


def test_start_forgets_a_pass():
    unit, config = compiled_bench(EDGE), EDGE
    for seed in range(12):
        for name, port in unit.ports.items():
            if not port.output and name not in ("clk", "rst"):
                unit[name] = (1 << port.bits) - 1 if port.bits < 32 and name != "top" else 0
        for name, value in (
            ("wg", seed & 1),
            ("start", 0),
            ("scale", 0),
            ("slots_tile", 0),
            ("slots_row", 0),
        ):
            unit[name] = value
        for row in range(0, 3 * EDGE.groups, EDGE.groups):
            unit["slots_row"] = row
            unit.step(3 + seed)
        program = random_program(config, not seed & 2, seed)
        check(unit, config, program, seed=seed)


def test_nothing_moves_before_start():
    unit = compiled_bench(EDGE)
    unit.reset()
    ports = ("slots_ready", "loads_ready", "drains_ready", "words_valid")
    assert [unit[port] for port in ports] == [0, 0, 0, 0]
    unit["slots_valid"] = unit["loads_valid"] = unit["drains_valid"] = 1
    unit.step(3)
    assert [unit[port] for port in ports] == [0, 0, 0, 0]


LINE = "core_line_core_"
BUGS = {
    "visits too close": (rf"(assign {LINE}visits_far = )[^;]*;", "1'b1"),
    "sums read while they are written": (rf"(assign {LINE}visits_near = )[^;]*;", "1'b0"),
    "release before the load": (rf"(assign {LINE}banks_unloaded = )[^;]*;", "1'b0"),
    "drained words keep their sums": (rf"({LINE}row_file_drained <= )[^;]*;", "1'b0"),
    "load while groups still read": (rf"({LINE}banks_waiting0 <= )[^;]*;", "0"),
    "drain reads beside visits": (rf"(assign {LINE}drainer_idle = )[^;]*;", "1'b1"),
    "queue overflows": (rf"({LINE}drainer_room <= )[^;]*;", "10"),
}


@pytest.mark.full
@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_seen(bug):
    pattern, value = BUGS[bug]
    config = EngineConfig(pes=5, group=1, tile_entries=9, row_entries=4, vector=4)
    unit = sabotaged_bench(config, pattern, rf"\g<1>{value};")
    seen = 0
    for seed in range(10):
        visit, spread = SHAPES[seed % len(SHAPES)]
        for wg in (False, True):
            program = random_program(config, wg, seed, visit=visit, spread=spread)
            for pattern in STALL_PATTERNS:
                try:
                    check(unit, config, program, pattern, seed)
                except (AssertionError, StreamError):
                    seen += 1
    assert seen > 5


def test_words_that_are_written_are_not_used():
    """The memories of a line say so, and the bench's RAM returns something else in such a cycle."""
    assert bench_verilog(CONFIGS[2]).count("(* no_rw_check *)") == CONFIGS[2].groups * 2 + 1


def test_model_refuses_operands_that_are_not_loaded():
    program = random_program(EDGE, False, 1)
    slots = {**program.slots, "tile": program.slots["tile"] * 0 + EDGE.tile_entries - 1}
    with pytest.raises(EngineError, match="not loaded"):
        LineModel(EDGE).run(dataclasses.replace(program, slots=slots))


def test_sweep_refuses_no_cycles():
    with pytest.raises(ValueError, match="`count` must be at least 1, not 0"):
        Sweep(4, 0)

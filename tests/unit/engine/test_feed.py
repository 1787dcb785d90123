"""Dealer and feeds against the model: which line is told what, whatever stalls."""

import pytest

from lnpu.engine.config import EngineConfig, Pass, Policy
from lnpu_sim.rtl import STALL_PATTERNS
from support.engine_feed import FEED_CONFIGS as CONFIGS
from support.engine_feed import check, compiled_rig, load_pages
from support.engine_walks import dense_case, random_case

KINDS = {
    "mixed": {},
    "few": {"empty": 0.5, "most": 3},
    "fp16": {"wide": 1, "most": 20},
    "fp8": {"wide": 0, "empty": 0},
    "empty": {"empty": 1},
}


def run(config, seed, count, kinds=tuple(Pass), blocks="mixed"):
    unit = compiled_rig(config)
    pages, case, _ = random_case(config, seed, kinds[seed % len(kinds)], count, **KINDS[blocks])
    load_pages(unit, config, pages)
    for pattern in STALL_PATTERNS:
        check(unit, config, *case, pattern, seed)
    check(unit, config, *case, "random", seed + 1, slow=True)


@pytest.mark.parametrize("seed", range(9))
@pytest.mark.parametrize("name", CONFIGS)
def test_lines_are_told_what_the_model_says(name, seed):
    run(CONFIGS[name], seed, 4)


@pytest.mark.parametrize("blocks", KINDS)
@pytest.mark.parametrize("name", ["four", "three"])
def test_kinds_of_blocks(name, blocks):
    run(CONFIGS[name], 20, 3, (Pass.WG,), blocks)


@pytest.mark.full
@pytest.mark.parametrize("policy", Policy)
def test_eight_lines(policy):
    config = EngineConfig(lines=8, blocks=64, row_entries=16, policy=policy)
    for seed in range(100, 130):
        run(config, seed, 5)


@pytest.mark.full
@pytest.mark.parametrize("name", CONFIGS)
def test_many_walks(name):
    for seed in range(1000, 1200):
        run(CONFIGS[name], seed, 8, blocks=list(KINDS)[seed % len(KINDS)])


def test_start_forgets_what_was_under_way():
    config = CONFIGS["four"]
    unit = compiled_rig(config)
    pages, (constants, walks, fills, want), _ = random_case(config, 3, Pass.FP)
    load_pages(unit, config, pages)
    for name, value in constants.items():
        unit[f"shape_{name}"] = value
    for name, value in walks[0].items():
        unit[f"walks_{name}"] = value
    unit["walks_valid"], unit["fills_valid"], unit["fills_bank"] = 1, 1, 0
    for n in range(config.lines):
        unit[f"slots{n}_ready"] = 0
    unit.step(100)
    assert unit["slots0_valid"] or unit["slots1_valid"], "nothing was under way"
    check(unit, config, constants, walks, fills, want)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(
    "blocks",
    [{"least": 8, "most": 40}, {"fixed": 0.5, "wide": 0.1}, {"fixed": 0.1, "wide": 0.1}],
    ids=["eight", "half", "tenth"],
)
def test_no_slot_is_lost_within_a_walk(kernel, blocks):
    config = CONFIGS["four"]
    unit = compiled_rig(config)
    pages, case, _ = dense_case(config, kernel, **blocks)
    load_pages(unit, config, pages)
    result = check(unit, config, *case)
    slots = sum((want[:, 0] == 0).sum() for want in case[-1])
    lost = sum(unit[f"lost{n}"] for n in range(config.lines))
    assert lost == 0
    # First blocks, ends of walks and the difference between the lines take the rest.
    assert slots >= 0.98 * config.lines * result.cycles


def test_a_block_a_cycle_is_the_limit():
    """Blocks of 3 slots for four lines: a span and a word are read in every cycle of a walk."""
    config = CONFIGS["four"]
    unit = compiled_rig(config)
    pages, case, _ = dense_case(config, 1, least=3, most=3, wide=0)
    load_pages(unit, config, pages)
    result = check(unit, config, *case)
    walks = len(case[1])
    assert result.cycles <= walks * (196 + 10)

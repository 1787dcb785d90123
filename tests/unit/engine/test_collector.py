# amaranth: UnusedElaboratable=no
"""The Collector's compiled Verilog against its model: order, sums, banks, stalls, rate."""

import numpy as np
import pytest

from lnpu.engine.config import EngineConfig
from lnpu_sim.rtl import STALL_PATTERNS
from support.engine_drains import check_drains, compiled_collector, row_drains, tile_drains

SMALL = {"tile_entries": 20, "row_entries": 12}
GEOMETRIES = {
    "edge": EngineConfig(tile_entries=40, row_entries=24),
    "one-pe": EngineConfig(lines=1, pes=1, group=1, **SMALL),
    "three-lines": EngineConfig(lines=3, pes=5, group=2, **SMALL),
    "wide": EngineConfig(lines=8, pes=16, group=5, **SMALL),
}


@pytest.fixture(scope="module", params=GEOMETRIES)
def collector(request):
    config = GEOMETRIES[request.param]
    return compiled_collector(config), config


def random_table(config, rng):
    return rng.integers(0, config.lines, (2, config.tile_pixels))


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("make", [row_drains, tile_drains])
def test_equals_model(collector, make, pattern):
    """Row: pixels of random lines; Tile: sums of random lines, parts of a bank, banks of single lines."""
    unit, config = collector
    for seed in range(3):
        rng = np.random.default_rng(seed)
        unit.reset()
        check_drains(unit, config, make(config, 6, rng), random_table(config, rng), pattern, seed)


@pytest.mark.parametrize("groups", ["one", "all"])
@pytest.mark.parametrize("lines", ["same", "in turn", "random"])
def test_one_word_a_cycle(collector, lines, groups):
    """Pixels in one line or in several, one word a pixel or more; 1 cycle between commands, 6 at the end."""
    unit, config = collector
    rng = np.random.default_rng(1)
    pixels = np.arange(config.tile_pixels)
    table = {"same": 0 * pixels, "in turn": pixels % config.lines, "random": random_table(config, rng)[0]}
    count = 1 if groups == "one" else config.groups
    drains = row_drains(config, 6, rng, size=config.row_entries // 2, groups=count, blocks=2)
    unit.reset()
    result = check_drains(unit, config, drains, np.stack([table[lines]] * 2))
    words, commands = len(result["o_last"]), len(drains["count"])
    assert result.cycles <= words + commands + unit_latency(config)


def test_tile_sums_at_one_word_a_cycle(collector):
    unit, config = collector
    rng = np.random.default_rng(1)
    drains = tile_drains(config, 6, rng, size=config.tile_entries, lines="all")
    unit.reset()
    result = check_drains(unit, config, drains, random_table(config, rng))
    assert result.cycles <= len(result["o_last"]) + 6 + unit_latency(config)


def unit_latency(config):
    """Command, request, line (3), adders, result."""
    return 8 + (config.lines - 1).bit_length()

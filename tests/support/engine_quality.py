"""Blocks of the engine as targets of coverage and mutation: their Verilog, and the stimulus that judges it.

Geometries are as small as they can be, so that solvers can compare a surviving mutant with the original.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lnpu.engine.config import Convolution, EngineConfig, Pass
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.rtl import STALL_PATTERNS, RtlModule, Source
from support.engine_feed import FeedRig, load_pages, prepare
from support.engine_feed import check as check_feed
from support.engine_line import bench_verilog, random_program, steady_program
from support.engine_line import check as check_line
from support.engine_loads import LoaderBench, bench_ports, check_loads, random_loads
from support.engine_walks import dense_case, expected, random_case, random_pass, random_walks

__all__ = ["TARGETS", "Target"]

LINE = EngineConfig(lines=1, pes=2, group=1, tile_entries=8, row_entries=4, vector=2)
FEED = EngineConfig(lines=2, pes=2, group=1, blocks=16, words=512, units=4, tile_entries=8, row_entries=4)
LOADS = EngineConfig(lines=2, pes=2, group=1, vector=2, tile_entries=8, row_entries=4)

KINDS = (
    {"most": 6},
    {"wide": 1, "least": 60, "empty": 0.1},
    {"wide": 0, "least": 60, "empty": 0.1},
    {"wide": 0.9, "most": 9},
    {"wide": 0, "most": 9, "empty": 0.6},
)
"""Blocks: few elements, full ones of one precision, mostly fp16, mostly empty."""


@dataclass(frozen=True)
class Target:
    """A block and what judges it.

    Args:
        top: module of the bench. verilog: its text.
        judge: drives a unit `effort` times and raises when something is wrong.
        effort: of a campaign. parts: blocks of it, as patterns that begin the names of their wires.
    """

    top: str
    verilog: Callable[[], str]
    judge: Callable[[RtlModule, int], None]
    effort: int
    parts: dict[str, str]


def judge_line(unit, effort):
    """Random walks with every hazard in both modes, then long visits in which no slot may be lost."""
    patterns = list(STALL_PATTERNS)
    for seed in range(effort):
        for wg in (False, True):
            visit, spread = [(6.0, 8), (1.0, 2), (2.0, 3), (12.0, 20), (1.0, 1)][seed % 5]
            program = random_program(LINE, wg, seed, visit=visit, spread=spread, top=30 - 2 * (seed % 7))
            check_line(unit, LINE, program, patterns[(seed + wg) % 4], seed)
    for wg in (False, True):
        program = steady_program(LINE, wg, visit=LINE.spacing + 2, seed=1)
        counts = check_line(unit, LINE, program)
        clear = 2 * LINE.tile_entries if wg else LINE.row_words
        losses = [counts[name] for name in ("lost_pixel", "lost_backpressure", "lost_drain")]
        assert losses == [0, clear, 3 * LINE.tile_entries if wg else 0], f"cycles are lost: {counts}"


@functools.cache
def _walks(seed):
    kind = list(Pass)[seed % 3]
    pages, case, _ = random_case(FEED, seed, kind, 4, **KINDS[seed // 3 % len(KINDS)])
    return pages, _huge(seed, kind, pages) if seed % 2 else case


def judge_feed(unit, effort):
    """Random walks of every pass, small images and (for the counters of pixels) huge ones, under stalls and
    with requests turned down; Row banks that are not drained are waited for."""
    patterns = list(STALL_PATTERNS)
    for seed in range(effort):
        pages, case = _walks(seed)
        load_pages(unit, FEED, pages)
        check_feed(unit, FEED, *case, patterns[seed % 4], seed, slow=seed % 5 == 4)
    _offers_first(unit)
    pages, case, _ = dense_case(FEED, count=3, pixels=8, capacity=4, least=2, most=6)
    load_pages(unit, FEED, pages)
    result = check_feed(unit, FEED, *case)
    slots = sum((want[:, 0] == 0).sum() for want in case[-1])
    assert result.cycles <= slots + 3 * (8 + 12), f"{result.cycles} cycles for {slots} slots"


def _offers_first(unit):
    """Lines that are never ready are offered their first slot all the same."""
    pages, (constants, walks, fills, want) = _walks(0)
    load_pages(unit, FEED, pages)
    prepare(unit, constants)
    for line in range(FEED.lines):
        unit[f"slots{line}_ready"] = 0
    fields = {f"walks_{name}": np.array([value]) for name, value in walks[0].items()}
    fill = {f"fills_{name}": np.array([value]) for name, value in fills[0].items()}
    sources = [Source(fill, "fills_valid", "fills_ready"), Source(fields, "walks_valid", "walks_ready")]
    unit.run_streams(sources, [], idle_limit=200, until_quiet=True)
    offered = [unit[f"slots{line}_valid"] for line, events in enumerate(want) if len(events)]
    assert any(offered), "a slot waits until its line is ready"


def _huge(seed, kind, pages):
    """Walks in images of up to 4096 x 4096 pixels."""
    rng = np.random.default_rng(seed)
    kernel = int(rng.integers(1, 8))
    height, width = rng.integers(kernel, 4097, 2).tolist()
    padding = int(rng.integers(0, min(kernel, 4)))
    layer = Convolution(height, width, 1, 1, kernel, int(rng.integers(1, 5)), padding)
    constants, shape, images = random_pass(FEED, rng, kind, layer)
    walks, numbers, fills = random_walks(
        FEED, rng, kind, constants, shape, images, 6, whole=seed % 4 == 3, corner=seed % 8 < 6
    )
    want, _ = expected(FEED, constants, walks, [pages[n][0] for n in numbers])
    return constants, walks, fills, want


def judge_loads(unit, effort):
    """Commands of every kind in any order, then every kind at its full rate."""
    for seed in range(effort):
        unit.reset()
        loads, vectors = random_loads(LOADS, 20, np.random.default_rng(seed))
        check_loads(unit, LOADS, loads, vectors, list(STALL_PATTERNS)[seed % 4], seed)


def _line():
    return bench_verilog(LINE)


def _feed():
    unit = FeedRig(FEED)
    return to_verilog(unit, "rig", flat_ports(unit))


def _loads():
    unit = LoaderBench(LOADS)
    return to_verilog(unit, "loads", bench_ports(unit))


TARGETS = {
    "line": Target("bench", _line, judge_line, 30, {"line": "core_line_core_"}),
    "feed": Target(
        "rig",
        _feed,
        judge_feed,
        60,
        {  # the walker lies within the dealer
            "dealer": "core_core_dealer_core_[a-vx-z]",
            "walker": "core_core_dealer_core_walker_",
            "feed": "core_core_feed0_",
        },
    ),
    "loads": Target("loads", _loads, judge_loads, 60, {"loader": "core_loader_"}),
}

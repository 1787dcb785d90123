"""The exported engine from compressed rows to results, against its golden model."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from lnpu.engine.config import Convolution, EngineConfig, Pass, Policy
from lnpu.presets import PRESETS, engine_config, load, preset_path
from lnpu_sim.engine.inputs import Technique
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.play import play
from lnpu_sim.engine.results import assemble
from lnpu_sim.engine.workload import Pattern, pass_of, synthetic, trace
from lnpu_sim.rtl import STALL_PATTERNS, StreamError
from support.engine_play import check_program, compiled_engine

TINY = engine_config(load(preset_path("tiny")))
SMALL = EngineConfig(
    lines=3,
    pes=2,
    group=1,
    tile_entries=72,
    row_entries=6,
    blocks=64,
    words=512,
    units=4,
    decoders=2,
    vector=4,
)


def random_work(seed, channels=130):
    """A layer of any kernel, stride, padding and size that an engine with few entries takes."""
    rng = np.random.default_rng(seed)
    kernel = int(rng.integers(1, 6))
    stride, padding = int(rng.integers(1, 4)), int(rng.integers(0, min(2, kernel - 1) + 1))
    if rng.random() < 0.25:
        kernel, stride, padding = 1, 1, 0
    least = max(1, kernel - 2 * padding)
    height, width = (int(n) for n in rng.integers(least, least + 6, 2))
    inputs, outputs = (int(n) for n in rng.choice([1, 3, 7, 16, 20, 33, 64, 65, channels], 2))
    if kernel > 2:
        inputs, outputs = min(inputs, 20), min(outputs, 20)
    shape = Convolution(height, width, inputs, outputs, kernel, stride, padding)
    pattern = list(Pattern)[int(rng.integers(3))]
    return synthetic(shape, int(rng.integers(1, 4)), float(rng.choice([0.0, 0.5, 0.9, 1.0])), pattern, seed)


def check(config, work, kind, pattern="none", seed=1, technique=Technique.BOTH):
    """Hardware and models must agree; returns what was played and the tensors."""
    layer, tensor = pass_of(work, kind, technique, ones=kind is Pass.WG)
    program = plan(layer, tensor, config)
    got, _ = check_program(compiled_engine(config), config, program, pattern, seed)
    return got, assemble(layer, config, program, got.beats)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_random_layers(pattern):
    for seed in range(12):
        work = random_work(seed)
        for kind in Pass:
            check(TINY, work, kind, pattern, seed + 1)


@pytest.mark.full
@pytest.mark.parametrize("config", [TINY, SMALL], ids=["tiny", "small"])
def test_many_random_layers(config):
    for seed in range(100, 400):
        work = random_work(seed)
        for kind in Pass:
            check(config, work, kind, list(STALL_PATTERNS)[seed % 4], seed)


def test_results_depend_on_no_stall():
    work = random_work(3)
    for kind in Pass:
        tensors = [check(TINY, work, kind, "random", seed)[1] for seed in range(3)]
        for other in tensors[1:]:
            for a, b in zip(tensors[0], other, strict=True):
                np.testing.assert_array_equal(a, b)


def test_passes_fit_together():
    """One compressed X for FP and WG, one array of W for FP and BP; dW lies like W, db is the sum of d."""
    work = synthetic(Convolution(6, 5, 10, 12, 3, 2, 1), 2, 0.5)
    forward, weights = pass_of(work, Pass.FP), pass_of(work, Pass.WG, ones=True)
    np.testing.assert_array_equal(forward[1].words, weights[1].words)
    backward = pass_of(work, Pass.BP)
    np.testing.assert_array_equal(forward[0].dense, backward[0].dense)
    dw, db = check(TINY, work, Pass.WG)[1]
    assert dw.shape == forward[0].dense.shape
    d = weights[0].dense.astype(np.uint16).view(np.float16).astype(np.float64)
    np.testing.assert_allclose(db * 2.0 ** (weights[0].top - 31), d.sum(axis=(0, 1, 2)), rtol=1e-3)


GEOMETRIES = {
    "one-line-one-pe": EngineConfig(1, 1, 1, 72, 8, 64, 256, 4, 1, 2, policy=Policy.NONE),
    "two-lines-rotate": EngineConfig(2, 4, 4, 72, 8, 64, 256, 2, 2, 32, policy=Policy.ROTATE),
    "four-lines-five-pes": EngineConfig(4, 5, 2, 72, 8, 64, 512, 6, 4, 5),
    "eight-lines": EngineConfig(8, 1, 1, 72, 8, 64, 512, 8, 2, 4),
    "sixteen-pes": EngineConfig(1, 16, 4, 72, 8, 64, 256, 16, 1, 16),
    "three-lines-none": EngineConfig(3, 4, 3, 72, 8, 64, 512, 4, 2, 8, policy=Policy.NONE),
}


RARE = ("two-lines-rotate", "sixteen-pes", "three-lines-none")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.full] * (name in RARE)) for name in GEOMETRIES]
)
def test_geometries(name):
    config = GEOMETRIES[name]
    for kind in Pass:
        check(config, synthetic(Convolution(5, 4, 9, 20, 3, 1, 1), 2, 0.5), kind, "random")
        check(config, synthetic(Convolution(1, 1, 40, 35), 11, 0.3), kind)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in PRESETS if name != "tiny"])
def test_presets(name):
    config = engine_config(load(preset_path(name)))
    channels = 8 if name == "nano" else 24
    for kind in Pass:
        check(config, synthetic(Convolution(6, 6, channels, channels, 3, 1, 1), 1, 0.5), kind, "random")


def test_a_pass_may_be_abandoned_anywhere():
    work = random_work(5)
    for seed, kind in enumerate([*Pass] * 3):
        layer, tensor = pass_of(work, kind, ones=kind is Pass.WG)
        program = plan(layer, tensor, TINY)
        keep = max(1, len(program.words["data"]) * (seed + 1) // 10)
        words = {name: values[:keep] for name, values in program.words.items()}
        cut = dataclasses.replace(program, words=words)
        with pytest.raises(StreamError, match="hang"):
            play(compiled_engine(TINY), TINY, cut, "random", seed + 1, 2000)
        check(TINY, work, kind, "random", seed + 1)


def test_channels_with_most_non_zeros_cost_nothing():
    shape = Convolution(10, 10, 16, 8, 3, 1, 1)
    for kind in (Pass.FP, Pass.WG):
        per = []
        for pattern in (Pattern.UNIFORM, Pattern.CHANNELS):
            counts = check(TINY, synthetic(shape, 2, 0.6, pattern), kind)[0].counts
            lost = sum(counts[cause] for cause in ("pixel", "starved", "tail"))
            per.append(lost / (counts["issue8"] + counts["issue16"]))
        assert per[1] <= per[0] + 0.05


def trace_file():
    path = os.environ.get("LNPU_TRACE")
    if not path or not Path(path).is_file():
        pytest.skip("LNPU_TRACE does not name a trace (.npz of a training step)")
    return Path(path)


@pytest.mark.full
@pytest.mark.parametrize("pattern", ["none", "random"])
def test_layers_of_a_trace(pattern):
    edge = engine_config(load(preset_path("edge")))
    for work in trace(trace_file()):
        for kind in Pass:
            check(edge, work, kind, pattern)

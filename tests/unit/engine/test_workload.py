"""Workloads and inputs of the measurements, and the accuracy bar: on synthetic layers and, if `LNPU_TRACE`
names a trace file (`.npz`), on real ones."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from lnpu.codec.config import FgmpFormat
from lnpu.engine.config import Convolution, EngineConfig, EngineError, Pass
from lnpu_host.codec_control import bias_for
from lnpu_sim.codec.quantise import quantise
from lnpu_sim.codec.tensor import decode, encode
from lnpu_sim.engine.inputs import Technique, dense_input, encode_with, format_for
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.workload import Pattern, gemm, pass_of, synthetic, trace
from support.engine import errors_of

BAR = 0.1
"""Accumulation may add this share of the quantisation error."""
SHAPE = Convolution(12, 12, 20, 16, 3, 1, 1)
TRACE = os.environ.get("LNPU_TRACE", "")


@pytest.mark.parametrize("seed", range(4))
def test_format_is_the_hosts_choice(seed):
    rng = np.random.default_rng(seed)
    x = (rng.standard_t(3, (3, 40)) * 2.0 ** rng.integers(-6, 6)).astype(np.float32)
    fmt = format_for(x)
    assert fmt.bias == bias_for(encode(x, FgmpFormat()).descriptor.statistics)
    np.testing.assert_array_equal(encode_with(x, Technique.BOTH).words, encode(x, fmt).words)


def test_techniques_issue_what_they_say():
    x = synthetic(SHAPE, 1, 0.6, seed=1).x
    zeros = x == 0
    q = quantise(x, format_for(x))
    nonzero = int((q.group > 0).sum())
    counts = {}
    for technique in Technique:
        statistics = encode_with(x, technique).descriptor.statistics
        counts[technique] = statistics.fp8, statistics.fp16
    assert counts[Technique.NEITHER] == (0, x.size)
    assert counts[Technique.SKIP] == (0, x.size - zeros.sum())
    assert sum(counts[Technique.FGMP]) == x.size
    assert sum(counts[Technique.BOTH]) == nonzero
    assert counts[Technique.FGMP][1] == counts[Technique.BOTH][1] <= 0.05 * nonzero
    dense = decode(dense_input(x)).view(np.float16)
    np.testing.assert_array_equal(dense[~zeros], x[~zeros].astype(np.float16))
    assert (dense[zeros] == np.finfo(np.float16).tiny).all()


def test_slots_follow_the_technique():
    work, config = synthetic(SHAPE, 1, 0.5, seed=2), EngineConfig()
    slots = {}
    for technique in Technique:
        layer, tensor = pass_of(work, Pass.FP, technique)
        slots[technique] = int(EngineModel(config).run(plan(layer, tensor, config)).slots.sum())
    dense = slots[Technique.NEITHER]
    # Every element of every valid tap, both lanes.
    assert dense == 2 * 20 * (3 * 12 - 2) ** 2
    assert slots[Technique.SKIP] / dense == pytest.approx(0.5, abs=0.03)
    assert slots[Technique.FGMP] / dense == pytest.approx(0.5 * (1 + 0.05 / 2), abs=0.03)
    assert slots[Technique.BOTH] / dense == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("pattern", Pattern)
@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.9, 1.0])
def test_zeros_are_as_many_as_asked(pattern, zeros):
    work = synthetic(Convolution(40, 40, 60, 2), 2, zeros, pattern, seed=3)
    assert (work.x == 0).mean() == pytest.approx(zeros, abs=0.05)
    per = (work.x == 0).mean(axis=(0, 1, 2) if pattern is Pattern.CHANNELS else 3)
    if pattern is not Pattern.UNIFORM and 0 < zeros < 1:
        assert per.std() > 0.1


def test_gemm_is_a_linear_layer():
    layer, tensor = pass_of(gemm(50, 70, 20), Pass.FP)
    assert layer.sparse.present.all()
    assert tensor.descriptor.geometry.n == 50  # each vector is a row of its own: any tile of them is one
    assert (layer.images, layer.pixels) == (50, (1, 1))


def write_trace(folder, d_scale=1.0):
    rng = np.random.default_rng(1)
    x, d, w = (
        rng.normal(size=size).astype(np.float32) for size in ((2, 3, 8, 6), (2, 5, 4, 3), (5, 3, 3, 3))
    )
    np.savez(folder / "small.npz", a__X=x, a__D=d * np.float32(d_scale), a__W=w)
    about = {"layers": {"a": {"stride": 2, "pad": 1, "kernel": 3}}}
    (folder / "meta.json").write_text(json.dumps(about))
    return folder / "small.npz", x, d, w


def test_trace_is_read_in_the_order_of_memory(tmp_path):
    path, x, d, w = write_trace(tmp_path)
    (work,) = trace(path, loss_scale=4)
    assert work.shape == Convolution(8, 6, 3, 5, 3, 2, 1)
    assert (work.x[1, 2, 3, 0], work.d[0, 3, 1, 4]) == (x[1, 0, 2, 3], 4 * d[0, 4, 3, 1])
    assert work.w[2, 0, 1, 3] == w[3, 1, 2, 0]
    with pytest.raises(EngineError, match="`names` must be among a, not b"):
        trace(path, ["b"])


def test_trace_runs_every_pass(tmp_path):
    (work,) = trace(write_trace(tmp_path, 1e-4)[0])
    for kind in Pass:
        layer, tensor = pass_of(work, kind)
        config = EngineConfig()
        assert EngineModel(config).run(plan(layer, tensor, config)).slots.sum()


@pytest.mark.parametrize("kind", Pass)
def test_accumulation_stays_below_the_bar(kind):
    work = synthetic(Convolution(24, 24, 16, 16, 3, 1, 1), 2, 0.5, seed=4)
    quantisation, accumulation = errors_of(work, kind, EngineConfig())
    assert 0 < accumulation < BAR * quantisation


@pytest.mark.skipif(not TRACE, reason="LNPU_TRACE names no trace file")
@pytest.mark.parametrize("kind", Pass)
def test_accumulation_stays_below_the_bar_on_real_layers(kind):
    for work in trace(Path(TRACE)):
        quantisation, accumulation = errors_of(work, kind, EngineConfig(words=2048))
        assert accumulation < BAR * quantisation, work.name

# amaranth: UnusedElaboratable=no
"""A line with its address path: compressed rows to accumulators, against model and convolution."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpu.array.config import ArrayError, EngineConfig, LineConfig, Pass
from lnpu_sim.array.planner import plan
from lnpu_sim.array.results import assemble
from lnpu_sim.array.walks import engine_streams
from lnpu_sim.rtl import STALL_PATTERNS
from support.array import direct, random_case
from support.array_rtl import begin, check_engine, compiled_engine

TINY = EngineConfig(LineConfig(4, 36, 8), blocks=64, elements=1024, fold=1)
LAYERS = {
    "linear": {"size": (1, 1, 7), "channels": (40, 11)},
    "conv3x3": {"size": (1, 5, 6), "channels": (9, 11), "kernel": 3, "padding": 1},
    "stride2": {"size": (1, 6, 5), "channels": (6, 3), "kernel": 3, "stride": 2, "padding": 1},
}


def play(layer, tensor, pattern="none", seed=1):
    """Play a pass; check accumulators against the line model and against the sums over all taps."""
    program, result, words = check_engine(compiled_engine(TINY), TINY, layer, tensor, pattern, seed)
    for got, want in zip(assemble(layer, TINY.line, [program], [words]), direct(layer), strict=False):
        np.testing.assert_array_equal(got, want)
    return program, result


@pytest.mark.parametrize("kind", Pass)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_layers(name, kind, pattern):
    for seed, zeros in enumerate((0.5, 0.0, 0.97)):
        layer, tensor = random_case(kind, **LAYERS[name], ones=True, zeros=zeros, wide=0.2, seed=seed)
        play(layer, tensor, pattern, seed)


cases = st.builds(
    random_case,
    kind=st.sampled_from(Pass),
    size=st.tuples(st.just(1), st.integers(1, 7), st.integers(1, 7)),
    channels=st.tuples(
        st.one_of(st.integers(1, 12), st.sampled_from([64, 65, 70])),
        st.one_of(st.integers(1, 12), st.sampled_from([65])),
    ),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    ones=st.booleans(),
    zeros=st.sampled_from([0.5, 0.9, 1.0]),
    wide=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 2**16),
    bias=st.sampled_from([-8, -3, 7]),
)


@settings(max_examples=25, deadline=None)
@given(cases, st.sampled_from(sorted(STALL_PATTERNS)))
def test_random_layers(case, pattern):
    play(*case, pattern)


def test_x_buffer_overflow_is_reported_and_the_engine_works_afterwards():
    unit = compiled_engine(TINY)
    layer, tensor = random_case(Pass.FP, (1, 8, 8), (20, 1), zeros=0.0)
    with pytest.raises(AssertionError, match="instead of"):
        check_engine(unit, TINY, layer, tensor)
    assert unit["full"] == 1
    play(*random_case(Pass.FP, (1, 8, 8), (16, 1), zeros=0.0))


def test_malformed_block_is_reported_and_counts_as_empty():
    layer, tensor = random_case(Pass.FP, (1, 2, 3), (5, 4), zeros=0.2, seed=4)
    words = tensor.words.copy()
    words[0] |= np.uint64(7)  # n8 = 7 of at most 5
    unit = compiled_engine(TINY)
    broken = dataclasses.replace(tensor, words=words)
    with pytest.raises(AssertionError, match="instead of"):
        check_engine(unit, TINY, layer, broken)
    assert unit["errors"] == 1
    unit.reset()
    begin(unit, plan(layer, TINY.line)[0])
    play(layer, tensor)


def test_steady_state_slots():
    """Where a bank of X serves longer than it fills, slots follow without a gap but for the bank's end."""
    layer, tensor = random_case(Pass.FP, (1, 4, 4), (4, 80), kernel=3, padding=1, zeros=0.0, wide=0.2, seed=1)
    program, result = play(layer, tensor)
    banks = int(program.loads.last.sum())
    first_fill = 4 * 4 * 4 + 4
    latency = 30
    # The end of a command and the walker's restart take a slot each.
    assert result.cycles <= first_fill + program.issued + 2 * banks + int(program.drains.count[-1]) + latency


@pytest.mark.parametrize(
    ("size", "message"),
    [((2, 2, 2), "`images` must be 1, not 2"), ((1, 9, 9), "`blocks` must be at least 81")],
)
def test_streams_refuse(size, message):
    layer, tensor = random_case(Pass.FP, size, (2, 2))
    with pytest.raises(ArrayError, match=message):
        engine_streams(layer, tensor, TINY)


@pytest.mark.parametrize(("elements", "message"), [(100, "power of two"), (32, "must be 64 to 65536")])
def test_config_refuses(elements, message):
    with pytest.raises(ArrayError, match=message):
        EngineConfig(LineConfig(), elements=elements)

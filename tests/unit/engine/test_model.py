"""Planner and engine model against convolutions that know nothing of walks, banks and lines."""

import numpy as np
import pytest
from hypothesis import given, settings

from lnpu.engine import payloads
from lnpu.engine.config import EngineConfig, EngineError, Pass, Policy
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.results import assemble
from support.engine import cases, configs, direct, random_case


def run(layer, tensor, config):
    program = plan(layer, tensor, config)
    result = EngineModel(config).run(program)
    assert not result.errors
    assert not result.full
    return program, result, assemble(layer, config, program, result.beats)


@settings(max_examples=150, deadline=None)
@given(cases, configs)
def test_results_equal_direct_sums(case, config):
    layer, tensor = case
    _, result, got = run(layer, tensor, config)
    assert not result.overflow
    for values, want in zip(got, direct(layer), strict=True):
        np.testing.assert_array_equal(values, want)

"""The cycle model predicts the line's cycles exactly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpu.array.config import LineConfig, Pass
from lnpu_sim.array.cycles import line_cycles
from lnpu_sim.array.planner import plan
from support.array import random_layer, random_program
from support.array_rtl import check_line, compiled_line

CONFIG = LineConfig(4, 36, 8)


@settings(max_examples=15, deadline=None)
@given(
    st.booleans(), st.integers(1, 8), st.integers(1, 300), st.sampled_from([0.0, 0.1]), st.integers(0, 999)
)
def test_random_programs(wg, spread, bank_slots, idle, seed):
    program = random_program(
        CONFIG, wg, 1000, spread=spread, top=40, seed=seed, bank_slots=bank_slots, idle=idle
    )
    assert check_line(compiled_line(CONFIG), CONFIG, program).cycles == line_cycles(program)


@pytest.mark.parametrize("kind", Pass)
@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.9, 1.0])
def test_layers(kind, zeros):
    layer = random_layer(kind, (1, 6, 7), (9, 11), kernel=3, padding=1, ones=True, zeros=zeros, seed=1)
    for program in plan(layer, CONFIG, 2):
        assert check_line(compiled_line(CONFIG), CONFIG, program).cycles == line_cycles(program)


def test_no_work_takes_no_cycles():
    layer = random_layer(Pass.FP, (1, 1, 1), (1, 1))
    assert line_cycles(plan(layer, CONFIG, 2)[1]) == 0

"""The C++ stream driver: data arrives under every stall pattern, and each broken rule is reported."""

import numpy as np
import pytest

from lnpu_sim.rtl import STALL_PATTERNS, RtlError, Sink, Source, StreamError, build
from support import units

VALUES = np.random.default_rng(7).integers(0, 1 << 16, 3000)


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_register_passes_every_beat(pattern):
    source, sink = STALL_PATTERNS[pattern]
    with build([units.STREAM_REGISTER], "sreg") as unit:
        result = unit.run_stream({"i_a": VALUES}, ["o_d"], source_stall=source, sink_stall=sink, seed=3)
    np.testing.assert_array_equal(result["o_d"], VALUES)
    assert result.latency == 1
    if pattern == "none":
        assert result.cycles == len(VALUES) + 1
    else:
        assert result.cycles > 1.2 * len(VALUES)


def test_random_stalls_depend_on_the_seed_alone():
    source, sink = STALL_PATTERNS["random"]
    cycles = []
    for seed in (1, 1, 2):
        unit = build([units.STREAM_REGISTER], "sreg")
        run = unit.run_stream({"i_a": VALUES}, ["o_d"], source_stall=source, sink_stall=sink, seed=seed)
        cycles.append(run.cycles)
    assert cycles[0] == cycles[1] != cycles[2]


@pytest.mark.parametrize(
    ("bug", "message"),
    [
        ("valid-drops", r"o_valid fell before o_ready"),
        ("payload-changes", r"cycle \d+, beat \d+: o_d changed from 0x\w+ to 0x\w+ while o_valid waited"),
        ("repeats", r"offers a beat after all 3000"),
        ("hangs", r"hang in cycle \d+: no transfer for 1000 cycles; beats: i_valid \d+ of 3000"),
        ("loses", r"hang .* i_valid 3000 of 3000, o_valid \d+ of 3000"),
        ("ready-to-valid", None),
        ("wrong-bit", None),
    ],
)
def test_planted_bugs(bug, message):
    source, sink = STALL_PATTERNS["random"]
    unit = build([units.BROKEN[bug]], "sreg")
    values = np.append(VALUES[:-1], 0xBEEF)
    if message is None:  # breaks no rule that a driver sees
        result = unit.run_stream({"i_a": values}, ["o_d"], source_stall=source, sink_stall=sink)
        assert np.count_nonzero(result["o_d"] != values) == (bug == "wrong-bit")
        return
    with pytest.raises(StreamError, match=message):
        unit.run_stream({"i_a": values}, ["o_d"], source_stall=source, sink_stall=sink)


def test_combinational_signed_and_wide():
    unit = build([units.ADDER], "add")
    x = np.arange(-256, 256)
    wide = np.random.default_rng(1).integers(0, 1 << 36, (512, 2), dtype=np.uint64)
    result = unit.run_stream({"i_x": x, "i_w": wide}, ["o_s", "o_n"])
    assert (result.latency, result.cycles) == (0, 512)
    np.testing.assert_array_equal(result["o_s"], (x + 1) & 0x3FF)
    np.testing.assert_array_equal(result["o_n"], ~wide & np.array([2**64 - 1, 2**36 - 1], np.uint64))
    # The same as a bare function: no handshake at all.
    bare = unit.run_streams(
        [Source({"i_x": x, "i_w": wide}, valid=None, ready=None)], [Sink(["o_s"], valid=None, ready=None)]
    )
    np.testing.assert_array_equal(bare["o_s"], result["o_s"])


def test_until_quiet_counts_the_beats():
    unit = build([units.STREAM_REGISTER], "sreg")
    result = unit.run_stream({"i_a": [1, 2, 3]}, ["o_d"], beats=10, until_quiet=True, idle_limit=20)
    assert result["o_d"].tolist() == [1, 2, 3]
    with pytest.raises(StreamError, match="more than 2 beats"):
        unit.run_stream({"i_a": [1, 2, 3]}, ["o_d"], beats=2, until_quiet=True, idle_limit=20)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"i_a": [1 << 16]}, ["o_d"], "i_a: value 65536 does not fit 16 bits"),
        ({"i_a": [-32769]}, ["o_d"], "i_a: value -32769 does not fit"),
        ({"i_a": [1.0]}, ["o_d"], "must be integers"),
        ({"i_a": [[1]]}, ["o_d"], "shape must be"),
        ({"i_b": [1]}, ["o_d"], "no port 'i_b'; the module has clk"),
        ({"o_d": [1]}, ["o_d"], "o_d is an output"),
        ({"i_a": [1]}, ["i_a"], "i_a is an input"),
    ],
)
def test_wrong_use_is_named(inputs, outputs, message):
    with pytest.raises(RtlError, match=message):
        build([units.STREAM_REGISTER], "sreg").run_stream(inputs, outputs)

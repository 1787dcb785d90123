"""Stream rules are proved for sound units and refuted for each planted bug."""

import pytest

from support import units
from support.formal import ProofFailed, combinational_path, prove_stream_rules, read_ports
from support.stream_rules import RULES


@pytest.fixture
def verilog(tmp_path):
    def write(text):
        file = tmp_path / "unit.v"
        file.write_text(text)
        return [file]

    return write


@pytest.mark.parametrize(
    ("text", "top", "capacity"),
    [(units.STREAM_REGISTER, "sreg", 1), (units.MULTIPLIER, "mul8", 1)],
    ids=["sreg", "mul8"],
)
def test_sound_units_are_proved(verilog, text, top, capacity):
    proved = prove_stream_rules(verilog(text), top, capacity=capacity)
    assert proved.rules == tuple(RULES)
    assert proved.covers == ("stalled", "full", "flows")


@pytest.mark.parametrize(
    ("bug", "rule"),
    [
        ("valid-drops", "`hold` is violated in cycle"),
        ("payload-changes", "`payload` is violated in cycle"),
        ("repeats", "`no_output_without_input` is violated in cycle"),
        ("loses", "`capacity` is violated in cycle"),
    ],
)
def test_planted_bugs_are_refuted(verilog, bug, rule):
    with pytest.raises(ProofFailed, match=rule):
        prove_stream_rules(verilog(units.BROKEN[bug]), "sreg", capacity=1)


def test_a_combinational_unit_is_proved(verilog):
    text = units.ADDER.replace("i_x + 1", "i_x * i_w[8:0]")
    proved = prove_stream_rules(verilog(text), "add", capacity=0)
    assert proved.covers == ("stalled", "flows")
    peeks = text.replace("~i_w", "~i_w ^ o_ready")
    with pytest.raises(ProofFailed, match=r"`payload` is violated: o_ready -> .*o_n"):
        prove_stream_rules(verilog(peeks), "add", capacity=0)


def test_missing_ports_are_named(verilog):
    with pytest.raises(AssertionError, match="widen has no port i_ready, i_valid, o_ready, o_valid"):
        prove_stream_rules(verilog(units.E5M2_TO_FP16), "widen", capacity=0)


def test_an_empty_proof_is_refused(verilog):
    never = units.STREAM_REGISTER.replace("full <= i_valid", "full <= 0")
    with pytest.raises(ProofFailed, match="cover `stalled` is not reached"):
        prove_stream_rules(verilog(never), "sreg", capacity=1)


def test_ready_does_not_reach_valid(verilog):
    sound, broken = units.STREAM_REGISTER, units.BROKEN["ready-to-valid"]
    for port in ("o_valid", "o_d"):
        assert combinational_path(verilog(sound), "sreg", "o_ready", port) is None
    path = combinational_path(verilog(broken), "sreg", "o_ready", "o_valid")
    assert (path[0], path[-1]) == ("o_ready", "o_valid")
    assert combinational_path(verilog(sound), "sreg", "o_ready", "i_ready") is not None


def test_ports(verilog):
    assert read_ports(verilog(units.MULTIPLIER), "mul8")["o_d"] == (16, True)

"""Combinational units against the SMT theory of floating point."""

import pytest

from support import units
from support.smt import Refuted, prove_claim

WIDENS = "(= ((_ to_fp 5 11) o_d) ((_ to_fp 5 11) RNE ((_ to_fp 5 3) i_a)))"
FLAGS_ZERO = "(= (= o_zero #b1) (fp.isZero ((_ to_fp 5 3) i_a)))"


@pytest.fixture
def verilog(tmp_path):
    def write(text):
        file = tmp_path / "unit.v"
        file.write_text(text)
        return [file]

    return write


@pytest.mark.parametrize("claim", [WIDENS, FLAGS_ZERO])
def test_conversion_is_exact(verilog, claim):
    prove_claim(verilog(units.E5M2_TO_FP16), "widen", claim)


def test_a_bug_in_one_binade_gives_a_counterexample(verilog):
    broken = units.E5M2_TO_FP16.replace("{i_a, 8'b0}", "{i_a, i_a[6:2] == 0, 7'b0}")
    with pytest.raises(Refuted, match="widen: false for i_a = 0x") as caught:
        prove_claim(verilog(broken), "widen", WIDENS)
    assert caught.value.values["i_a"] & 0x7C == 0
    # Outside that binade the claim holds.
    prove_claim(verilog(broken), "widen", WIDENS, assuming="(not (= ((_ extract 6 2) i_a) #b00000))")


def test_registers_are_refused(verilog):
    with pytest.raises(ValueError, match="mul8 holds registers"):
        prove_claim(verilog(units.MULTIPLIER), "mul8", "true")

"""Power data of a library."""

import pytest

from lnpu.synth.liberty import parse
from lnpu.synth.library import Library
from lnpu.synth.power import leakage, state_of
from support.power_lib import CELLS, CLOCK_FJ, DFF_FJ, VOLTS, liberty


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "made_up.lib"
    path.write_text(liberty())
    return Library(path)


def test_units(library):
    assert (library.volts, library.leakage_nw, library.energy_fj) == (VOLTS, 1.0, 1.0)


def test_internal_energy(library):
    cell = library.cells["XOR2"]
    fall, rise = CELLS["XOR2"][3]
    assert [cell.pins["Y"].power.output("A", 0.1, 1.0, edge) for edge in (0, 1)] == [fall, rise]
    assert cell.pins["Y"].power.output("nothing", 0.1, 1.0, 0) is None
    register = library.cells["DFF"]
    assert [register.pins["CK"].power.input(0.1, edge) for edge in (0, 1)] == list(CLOCK_FJ)
    assert register.pins["Q"].power.output("CK", 0.1, 1.0, 1) == DFF_FJ[1]


def test_states_are_averaged(tmp_path):
    """Groups for different states of the other pins count alike; `power` stands for both edges."""
    text = liberty().replace(
        "cell (DFF)",
        "cell (TWO) { area : 1; pin (A) { direction : input; capacitance : 1; "
        'internal_power () { when : "B"; power (scalar) { values ("2"); } } '
        'internal_power () { when : "!B"; power (scalar) { values ("4"); } } } }\n  cell (DFF)',
    )
    path = tmp_path / "two.lib"
    path.write_text(text)
    power = Library(path).cells["TWO"].pins["A"].power
    assert [power.input(0.1, edge) for edge in (0, 1)] == [3, 3]


CELL = """library (x) {{ cell (F) {{ {leak}
  ff (IQ, IQN) {{ clocked_on : "{clock}"; next_state : "E & D"; {more} }}
  pin (Q) {{ direction : output; function : "IQ"; }} pin (QN) {{ direction : output; function : "IQN"; }}
  pin (QI) {{ direction : output; function : "!IQ"; }} }} }}"""


def cell(clock="CK", more="", leak=""):
    return next(parse(CELL.format(clock=clock, more=more, leak=leak)).all("cell"))


def test_state():
    state = state_of(cell())
    assert (state.clock, state.next.inputs, state.rising, state.forced) == ("CK", ("D", "E"), True, ())
    assert [state.inverted(pin) for pin in ("Q", "QN", "QI")] == [False, True, True]
    assert not state_of(cell(clock="!CK")).rising
    (clear,) = state_of(cell(more='clear : "!R";')).forced
    assert (clear.inputs, clear.table) == (("R",), 0b01)
    assert state_of(next(parse("library (x) { cell (G) { area : 1; } }").all("cell"))) is None


def test_leakage():
    states = "leakage_power () { value : 2; } leakage_power () { value : 4; }"
    assert leakage(cell(leak=states)) == 3
    assert leakage(cell(leak=f"cell_leakage_power : 7; {states}")) == 7
    assert leakage(cell()) == 0

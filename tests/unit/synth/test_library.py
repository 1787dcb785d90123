"""Cells found by function: NAND2, buffers, ties; cells that a mapper must not see; unfit libraries."""

import pytest

from lnpu.synth import Conditions, Library, SynthError
from lnpu.synth.cells import Kind
from lnpu.synth.liberty import parse


def test_cells_are_found_by_function(tiny):
    assert (tiny.nand2.name, tiny.nand2.area) == ("ND2X1", 2)  # not BADND2: smaller, but `dont_use`
    assert [cell.name for cell in tiny.buffers] == ["BUFX1", "BUFX2"]
    assert tiny.ties == (("TIE0", "Y"), ("TIE1", "Y"))
    assert tiny.cells["DFFX1"].kind is Kind.FLIP_FLOP
    assert tiny.cells["TBUFX1"].kind is Kind.UNKNOWN
    assert tiny.cells["FILL1"].kind is Kind.UNKNOWN


def test_the_mapper_sees_usable_cells_only(tiny):
    kept = {cell.name for cell in parse(tiny.for_mapper()).all("cell")}
    assert set(tiny.cells) - kept == {"BADND2", "TBUFX1", "FILL1", "CLKBUFX1"}


def test_patterns_replace_the_defaults(tiny_path):
    library = Library(tiny_path, ["nd2*", "tie*"])
    assert library.usable(library.cells["CLKBUFX1"])
    assert not library.usable(library.cells["ND2X1"])
    assert library.ties == (None, None)
    with pytest.raises(SynthError, match="no usable 2-input NAND"):
        library.check()


@pytest.mark.parametrize(
    ("pattern", "message"), [("dff*", "no usable flip-flop"), ("inv*", "no usable inverter")]
)
def test_unfit_libraries(tiny_path, pattern, message):
    with pytest.raises(SynthError, match=message):
        Library(tiny_path, [pattern]).check()


def test_a_flip_flop_with_a_three_state_output_is_not_used(tiny_path, tmp_path):
    path = tmp_path / "x.lib"
    path.write_text(tiny_path.read_text().replace('function : "IQ";', 'function : "IQ"; three_state : "CK";'))
    with pytest.raises(SynthError, match="no usable flip-flop"):
        Library(path).check()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('time_unit : "1ns"', 'time_unit : "1 day"', "`time_unit` must be a number and one of"),
        ("(1, ff)", "(1, farad)", "`load` must be a number and one of"),
    ],
)
def test_unknown_units(tiny_path, tmp_path, old, new, message):
    path = tmp_path / "x.lib"
    path.write_text(tiny_path.read_text().replace(old, new))
    with pytest.raises(SynthError, match=message):
        Library(path)


def test_a_library_without_cells(tmp_path):
    path = tmp_path / "x.lib"
    path.write_text("library (x) { }")
    with pytest.raises(SynthError, match="holds no cells"):
        Library(path)


def test_conditions_come_from_the_library_unless_given(tiny):
    assert Conditions.of(tiny) == Conditions("BUFX2", 0.5, 20)
    assert Conditions.of(tiny, driving_cell="INVX4", input_slew_ns=0.2, load_ff=3) == Conditions(
        "INVX4", 0.2, 3
    )
    with pytest.raises(SynthError, match="driving cell 'NIX' is not in library tiny"):
        Conditions.of(tiny, driving_cell="NIX")
    with pytest.raises(SynthError, match="load must not be negative"):
        Conditions.of(tiny, load_ff=-1)


def test_picoseconds_and_picofarads_give_the_same_conditions(tiny_path, tmp_path):
    path = tmp_path / "x.lib"
    path.write_text(tiny_path.read_text().replace('"1ns"', '"10ps"').replace("(1, ff)", "(0.001, pf)"))
    around = Conditions.of(Library(path))
    assert around.input_slew_ns == pytest.approx(0.005)
    assert around.load_ff == pytest.approx(20)

"""NLDM tables: bilinear inside and outside the axes, either order of the axes, errors."""

import pytest

from lnpu.synth.errors import SynthError
from lnpu.synth.liberty import Group, parse
from lnpu.synth.tables import Table

TEMPLATES = """library (t) {
  lu_table_template (slew_load) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("1, 2, 4"); index_2 ("10, 20"); }
  lu_table_template (load_slew) {
    variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
    index_1 ("10, 20"); index_2 ("1, 2, 4"); }
  lu_table_template (one) { variable_1 : input_net_transition; index_1 ("1, 3"); }
}"""


@pytest.fixture(scope="module")
def templates() -> dict[str, Group]:
    return {g.name: g for g in parse(TEMPLATES).all("lu_table_template")}


def table(text, templates):
    return Table(next(iter(parse(f"library (x) {{ {text} }}").groups)), templates, "cell X")


def plane(slew, load):
    return 3 + 2 * slew + 0.5 * load + 0.25 * slew * load  # bilinear: interpolation must be exact


@pytest.mark.parametrize("order", ["slew_load", "load_slew"])
@pytest.mark.parametrize("slew", [0, 1, 1.5, 2, 3.7, 4, 9])
@pytest.mark.parametrize("load", [0, 10, 14, 20, 50])
def test_bilinear_everywhere(templates, order, slew, load):
    if order == "slew_load":
        rows = [[plane(s, c) for c in (10, 20)] for s in (1, 2, 4)]
    else:
        rows = [[plane(s, c) for s in (1, 2, 4)] for c in (10, 20)]
    text = ", ".join('"' + ", ".join(map(str, row)) + '"' for row in rows)
    lookup = table(f"cell_rise ({order}) {{ values ({text}); }}", templates)
    assert lookup(slew, load) == pytest.approx(plane(slew, load), rel=1e-12)
    assert (lookup.slew_axis, lookup.other_axis) == ([1, 2, 4], [10, 20])


@pytest.mark.parametrize(("slew", "value"), [(0, -10), (1, 0), (1.5, 5), (2, 10), (3, 11), (4, 12), (9, 17)])
def test_each_segment_has_its_slope_and_the_outer_ones_go_on(templates, slew, value):
    text = 'cell_rise (slew_load) { values ("0, 0", "10, 10", "12, 12"); }'
    assert table(text, templates)(slew, 15) == pytest.approx(value)


def test_scalars_and_one_axis(templates):
    assert table('cell_rise (scalar) { values ("0.5"); }', templates)(3, 4) == 0.5
    assert table('cell_rise (one) { values ("1, 5"); }', templates)(2, 99) == 3
    assert table('cell_rise (one) { index_1 ("1, 2"); values ("1, 5"); }', templates)(2, 99) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('cell_rise (one) { values ("1, 2, 3"); }', "3 values for axes of 2 x 1 points"),
        ('cell_rise (one) { index_1 ("2, 2"); values ("1, 2"); }', "an index does not rise"),
        ('cell_rise (one) { values ("1, two"); }', "could not convert"),
        ("cell_rise (one) { }", "0 values"),
    ],
)
def test_errors(templates, text, message):
    with pytest.raises(SynthError, match=message):
        table(text, templates)

"""The Liberty reader: syntax, errors with their line, cutting groups out."""

import gzip

import pytest

from lnpu.synth.errors import SynthError
from lnpu.synth.liberty import parse, read, without

TEXT = """
library ("demo") { // a comment with { braces }
  time_unit : "1ns" ;  /* another { */
  unquoted : 1.5
  expression : 0.9 * VDD ;
  values_in_rows ("1, 2", \\
                  "3, 4");
  repeated ("a");  repeated (b, c);
  cell (X) { area : 2; pin (A) { direction : input; } pin ("B") { direction : output; } }
  cell (Y) { area : wrong; note : "http://example.org/{"; }
}
"""


@pytest.fixture
def source(tmp_path):
    def write(text, name="demo.lib"):
        path = tmp_path / name
        data = text.encode() if isinstance(text, str) else text
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.mark.parametrize("name", ["demo.lib", "demo.lib.gz"])
def test_reads_groups_and_attributes(source, name):
    library = parse(read(source(TEXT, name)))
    assert library.name == "demo"
    assert library.simple == {"time_unit": "1ns", "unquoted": "1.5", "expression": "0.9 * VDD"}
    assert library.complex == {"values_in_rows": ("1, 2", "3, 4"), "repeated": ("a", "b", "c")}
    x, y = library.all("cell")
    assert [pin.name for pin in x.all("pin")] == ["A", "B"]
    assert x.number("area", 0) == 2
    assert x.number("missing", 7) == 7
    assert y.simple["note"] == "http://example.org/{"


def test_a_number_that_is_none_is_named(source):
    cell = list(parse(read(source(TEXT))).all("cell"))[1]
    with pytest.raises(SynthError, match=r"cell Y: `area` must be a number, not 'wrong'"):
        cell.number("area", 0)


def test_cutting_groups_leaves_the_rest(source):
    text = read(source(TEXT))
    library = parse(text)
    x, y = library.all("cell")
    cut = parse(without(text, [x, next(x.all("pin"))]))
    assert [cell.name for cell in cut.all("cell")] == ["Y"]
    assert cut.simple == library.simple
    assert [p.name for p in next(parse(without(text, [y, next(x.all("pin"))])).all("cell")).all("pin")] == [
        "B"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("library (a) {\n  cell (b) {\n", "ends inside group cell b"),
        ("library (a) {\n}\n}\n", "line 3: a brace closes no group"),
        ("library (a) {\n  area : 1;\n  = 3;\n}\n", "near line 3"),
        ("module x; endmodule", "near line 1"),
        ("cell (a) { }", "no `library` group"),
        ("", "no `library` group"),
    ],
)
def test_syntax_errors_say_where(source, text, message):
    with pytest.raises(SynthError, match=message):
        parse(read(source(text)))


def test_unreadable_files_are_user_errors(source, tmp_path):
    with pytest.raises(SynthError, match="cannot be read: No such file"):
        read(tmp_path / "absent.lib")
    with pytest.raises(SynthError, match="it is not text"):
        read(source(b"library\0", "binary.lib"))
    broken = source(TEXT, "demo.lib.gz")
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(SynthError, match="cannot be read"):
        read(broken)
    broken.write_bytes(b"not packed at all")
    with pytest.raises(SynthError, match="cannot be read"):
        read(broken)

"""Liberty's Boolean functions against a direct evaluation of the same tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpu.synth.errors import SynthError
from lnpu.synth.function import parse_function

NAMES = ("A", "B1", "C_N")


def trees():
    """(text, evaluation) pairs; every operator is written in all the ways that Liberty has."""
    leaves = st.sampled_from(
        [(n, lambda row, n=n: row[n]) for n in NAMES] + [("0", lambda _: 0), ("1", lambda _: 1)]
    )

    def grow(inner):
        def binary(operators, function):
            return st.tuples(inner, st.sampled_from(operators), inner).map(
                lambda t: (
                    f"({t[0][0]}{t[1]}{t[2][0]})",
                    lambda row, t=t: function(t[0][1](row), t[2][1](row)),
                )
            )

        return st.one_of(
            binary(["&", "*", " & ", " "], lambda a, b: a & b),
            binary(["|", "+", " + "], lambda a, b: a | b),
            binary(["^", " ^ "], lambda a, b: a ^ b),
            inner.map(lambda t: (f"!{t[0]}", lambda row: 1 - t[1](row))),
            inner.map(lambda t: (f"{t[0]}'", lambda row: 1 - t[1](row))),
        )

    return st.recursive(leaves, grow, max_leaves=8)


@given(trees())
def test_table_is_the_function(tree):
    text, evaluate = tree
    function = parse_function(text)
    for row in range(function.rows):
        values = dict.fromkeys(NAMES, 0) | {n: row >> i & 1 for i, n in enumerate(function.inputs)}
        assert function.table >> row & 1 == evaluate(values), (text, values)


def test_precedence_is_not_and_xor_or():
    names = ("A", "B", "C")
    rows = [{n: r >> i & 1 for i, n in enumerate(names)} for r in range(8)]
    expected = sum((v["A"] | (v["B"] ^ ((1 - v["C"]) & v["A"]))) << r for r, v in enumerate(rows))
    assert parse_function("A + B ^ !C A").table == expected


def test_constants():
    assert parse_function("1").constant is True
    assert parse_function("A & !A").constant is False
    assert parse_function("A").constant is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A &", "an operand was expected before its end"),
        ("(A | B", "parenthesis is not closed"),
        ("A) B", r"unexpected '\)'"),
        ("A @ B", "unexpected '@'"),
        ("A | | B", "an operand was expected"),
        ("+".join(f"A{i}" for i in range(11)), "at most 10 inputs, not 11"),
    ],
)
def test_errors(text, message):
    with pytest.raises(SynthError, match=message):
        parse_function(text)

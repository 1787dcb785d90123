"""Boolean functions of Liberty pins (`function : "!(A & B)"`) as truth tables.

Operators and their order after the Liberty User Guide, `function` attribute: `'` and `!` invert, then
AND (`*`, `&`, or a blank), then XOR (`^`), then OR (`+`, `|`).
"""

import re
from dataclasses import dataclass

from lnpu.synth.errors import SynthError

__all__ = ["MAX_INPUTS", "Function", "parse_function"]

MAX_INPUTS = 10
"""Largest number of inputs of a function: a table of 1024 bits; cells of libraries have up to 8."""

_TOKEN = re.compile(r"\s*([A-Za-z_][\w\[\].]*|[01]|[!'&*|+^()])")


@dataclass(frozen=True)
class Function:
    """A truth table.

    Attributes:
        inputs: names in sorted order; input `i` is bit `i` of the row number.
        table: bit `r` is the function's value in row `r`.
    """

    inputs: tuple[str, ...]
    table: int

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return 1 << len(self.inputs)

    @property
    def constant(self) -> bool | None:
        """The value of a function that ignores its inputs, else None."""
        return {0: False, (1 << self.rows) - 1: True}.get(self.table)


def parse_function(text: str) -> Function:
    """The truth table of a Liberty expression.

    Raises:
        SynthError: a syntax error, or more than `MAX_INPUTS` inputs.
    """
    tokens, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise SynthError(f"Liberty: function {text!r}: unexpected {text[position:].strip()[0]!r}")
        tokens.append(match[1])
        position = match.end()
    inputs = tuple(sorted({t for t in tokens if t[0].isalpha() or t[0] == "_"}))
    if len(inputs) > MAX_INPUTS:
        raise SynthError(f"Liberty: function {text!r}: at most {MAX_INPUTS} inputs, not {len(inputs)}")
    return Function(inputs, _Parser(text, tokens, inputs).parse())


class _Parser:
    """Recursive descent; every rule returns the truth table of what it has read."""

    def __init__(self, text: str, tokens: list[str], inputs: tuple[str, ...]) -> None:
        self._text, self._tokens, self._next = text, tokens, 0
        rows = 1 << len(inputs)
        self._ones = (1 << rows) - 1
        self._columns = {
            name: sum(1 << row for row in range(rows) if row >> i & 1) for i, name in enumerate(inputs)
        }

    def parse(self) -> int:
        value = self._or()
        if self._peek():
            raise SynthError(f"Liberty: function {self._text!r}: unexpected {self._peek()!r}")
        return value

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _or(self) -> int:
        value = self._xor()
        while self._peek() in ("|", "+"):
            self._take()
            value |= self._xor()
        return value

    def _xor(self) -> int:
        value = self._and()
        while self._peek() == "^":
            self._take()
            value ^= self._and()
        return value

    def _and(self) -> int:
        value = self._not()
        while (token := self._peek()) and token not in ("|", "+", "^", ")"):
            if token in ("&", "*"):
                self._take()
            value &= self._not()
        return value

    def _not(self) -> int:
        token = self._take()
        if token == "!":
            value = self._ones ^ self._not()
        elif token == "(":
            value = self._or()
            if self._take() != ")":
                raise SynthError(f"Liberty: function {self._text!r}: a parenthesis is not closed")
        elif token in ("0", "1"):
            value = self._ones * int(token)
        elif token in self._columns:
            value = self._columns[token]
        else:
            what = repr(token) if token else "its end"
            raise SynthError(f"Liberty: function {self._text!r}: an operand was expected before {what}")
        while self._peek() == "'":
            self._take()
            value ^= self._ones
        return value

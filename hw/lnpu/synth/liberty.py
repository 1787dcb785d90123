"""Reader of the Liberty text format: groups, simple and complex attributes, and nothing about their meaning.

Syntax after the Liberty User Guide (Synopsys, open-source release 2017.06), chapter 1: a group is
`name (arguments) { statements }`, a simple attribute `name : value ;`, a complex one `name (values) ;`.
"""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lnpu.synth.errors import SynthError

__all__ = ["Group", "parse", "read", "without"]

_COMMENT = re.compile(r'"[^"]*"|/\*.*?\*/|//[^\n]*', re.DOTALL)
_STATEMENT = re.compile(
    r"""\s*(?:
      (?P<close>\})
    | (?P<name>[\w.\[\]]+)[ \t]*:[ \t]*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^;\n}"]*))[ \t]*(?:;|(?=[\n}]))
    | (?P<head>[\w]+)\s*\((?P<arguments>(?:"[^"]*"|[^")])*)\)[ \t]*(?P<open>\s*\{)?
    | ;
    )""",
    re.VERBOSE,
)
_ARGUMENT = re.compile(r'"([^"]*)"|([^\s,"]+)')


@dataclass
class Group:
    """One group of a Liberty file.

    Attributes:
        kind: its keyword (`library`, `cell`, `pin`, `timing` ...).
        arguments: what stands in the parentheses, unquoted.
        simple: simple attributes, unquoted.
        complex: complex attributes; a repeated one is concatenated.
        groups: the groups inside, in order.
        start, end: offsets of the group in the text that was parsed.
    """

    kind: str
    arguments: tuple[str, ...]
    start: int
    end: int = 0
    simple: dict[str, str] = field(default_factory=dict)
    complex: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def all(self, *kinds: str) -> Iterator["Group"]:
        """The groups directly inside that have one of these keywords."""
        return (group for group in self.groups if group.kind in kinds)

    @property
    def name(self) -> str:
        """The first argument, or an empty string."""
        return self.arguments[0] if self.arguments else ""

    def number(self, attribute: str, default: float) -> float:
        """A simple attribute as a number.

        Raises:
            SynthError: it is there but is no number.
        """
        value = self.simple.get(attribute)
        if value is None:
            return default
        try:
            return float(value)
        except ValueError:
            raise SynthError(
                f"Liberty: {self.kind} {self.name}: `{attribute}` must be a number, not {value!r}"
            ) from None


def read(path: Path) -> str:
    """The text of a Liberty file without comments and line continuations; a `.gz` is unpacked.

    Raises:
        SynthError: the file is missing, unreadable or not text.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", errors="replace")
    except (OSError, EOFError, zlib.error) as error:
        raise SynthError(f"Liberty file {path} cannot be read: {getattr(error, 'strerror', error)}") from None
    if "\0" in text:
        raise SynthError(f"{path} is no Liberty file: it is not text")
    text = text.replace("\\\r\n", " ").replace("\\\n", " ")

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        return found if found[0] == '"' else "\n" * found.count("\n")

    return _COMMENT.sub(blank, text) if "/*" in text or "//" in text else text


def parse(text: str, source: str = "Liberty") -> Group:
    """The `library` group of a text from `read`.

    Args:
        text: a whole Liberty file.
        source: what error messages call it.

    Raises:
        SynthError: a syntax error (with its line), unbalanced braces, or no `library` group.
    """
    root = Group("", (), 0)
    stack = [root]
    position, end, match_at = 0, len(text.rstrip()), _STATEMENT.match
    while position < end:
        match = match_at(text, position)
        if match is None:
            at = position + len(text[position:end]) - len(text[position:end].lstrip())
            line = text.count("\n", 0, at) + 1
            shown = text[at : at + 40].split("\n")[0].strip()
            raise SynthError(f"{source}, near line {line}: not a Liberty statement: {shown!r}")
        position = match.end()
        top = stack[-1]
        if match["name"]:
            quoted = match["quoted"]
            top.simple[match["name"]] = quoted if quoted is not None else match["plain"].strip()
        elif match["head"]:
            arguments = tuple(a or b for a, b in _ARGUMENT.findall(match["arguments"]))
            if match["open"]:
                group = Group(match["head"], arguments, match.start("head"))
                top.groups.append(group)
                stack.append(group)
            else:
                top.complex[match["head"]] = top.complex.get(match["head"], ()) + arguments
        elif match["close"]:
            if len(stack) == 1:
                raise SynthError(
                    f"{source}, line {text.count(chr(10), 0, position) + 1}: a brace closes no group"
                )
            stack.pop().end = position
    if len(stack) > 1:
        raise SynthError(f"{source} ends inside group {stack[-1].kind} {stack[-1].name}: a brace is missing")
    library = next(root.all("library"), None)
    if library is None:
        raise SynthError(f"{source} is no Liberty file: it holds no `library` group")
    return library


def without(text: str, groups: Iterable[Group]) -> str:
    """The text with the given groups (of the tree that `parse` made from it) cut out."""
    parts, position = [], 0
    for group in sorted(groups, key=lambda g: g.start):
        if group.start < position:
            continue  # inside a group that is gone already
        parts.append(text[position : group.start])
        position = group.end
    return "".join([*parts, text[position:]])

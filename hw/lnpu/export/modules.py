"""Repeated blocks appear once: equal modules of an RTLIL design become one, instantiated several times.

Amaranth writes a module for each instance of a component. Two of them are the same hardware when their texts
are the same but for the names of modules and ports; exactly this is compared, children first. So sharing
needs no help from the components, and what differs (an index that became a constant) stays apart.
"""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["SMALLEST", "Merged", "merge_modules"]

SMALLEST = 12_000
"""Characters of RTLIL, children included, below which a repeated block stays part of what surrounds it: as a
module of its own it would cost readers and tools more than it saves."""

_MODULE = re.compile(r"^((?:attribute [^\n]*\n)*)module (\\\S+)\n(.*?)^end$", re.M | re.S)
_CELL = re.compile(r"^  cell (\\\S+) (\\\S+)$\n(.*?)^  end$", re.M | re.S)
_PORT = re.compile(r"^  wire width \d+ (?:input|output) \d+ +(?:signed )?(\\\S+)$", re.M)
_TAKEN = re.compile(r"^  (?:wire|memory|cell|process) [^\n]*\\(\w+)$", re.M)
_NAME = re.compile(r"\\\S+")
_CELL_KIND = re.compile(r"^(  cell )(\\\S+)", re.M)


@dataclass(frozen=True)
class Merged:
    """A design whose equal modules are one.

    Args:
        rtlil: its text, parents first.
        kept: modules, besides the top, that are worth a module in Verilog; all others should be flattened.
    """

    rtlil: str
    kept: tuple[str, ...]


def merge_modules(rtlil: str, top: str, smallest: int = SMALLEST) -> Merged:
    """Merge the equal modules of a design that Amaranth wrote; their ports get plain names.

    Args:
        rtlil: parents before children. smallest: see `SMALLEST`.
        top: name of the top module, whose ports keep their names; a kept module is called `<top>_<instance>`,
            after an instance without its number.
    """
    found = _MODULE.findall(rtlil)
    same: dict[str, str] = {}  # text -> module
    stands_for: dict[str, str] = {}
    ports: dict[str, dict[str, str]] = {}  # of a module: old name -> new name

    def cell(match: re.Match[str]) -> str:
        kind, name, connections = match.groups()
        for old, new in ports.get(kind, {}).items():
            connections = connections.replace(f"connect {old} ", f"connect {new} ")
        return f"  cell {stands_for.get(kind, kind)} {name}\n{connections}  end"

    for _, name, text in reversed(found):
        text = _CELL.sub(cell, text)
        # Old names hold `$` or `__` and new ones do not: ports of children, renamed above, are left alone.
        ports[name] = _plain_ports(text) if name != f"\\{top}" else {}
        text = _NAME.sub(lambda m, new=ports[name]: new.get(m[0], m[0]), text)
        stands_for[name] = same.setdefault(text, name)

    text_of = {name: text for text, name in same.items()}
    used = [(attributes, name) for attributes, name, _ in found if name in text_of]
    children = {name: [kind for kind, _, _ in _CELL.findall(text)] for name, text in text_of.items()}
    instances = Counter(kind for kinds in children.values() for kind in kinds)
    size: dict[str, int] = {}
    for _, name in reversed(used):
        size[name] = len(text_of[name]) + sum(size[kind] for kind in children[name])
    kept: dict[str, str] = {}
    for _, name in used:
        if instances[name] > 1 and size[name] >= smallest:
            kept[name] = "\\" + _free(f"{top}_{_instance(name)}", {title[1:] for title in kept.values()})
    out = [
        f"{attributes}module {kept.get(name, name)}\n"
        + _CELL_KIND.sub(lambda m: m[1] + kept.get(m[2], m[2]), text_of[name])
        + "end\n"
        for attributes, name in used
    ]
    return Merged("\n".join(out), tuple(name[1:] for name in kept.values()))


def _plain_ports(text: str) -> dict[str, str]:
    """New names of a module's ports: without double underscores, `$` and "payload"."""
    names: dict[str, str] = {}
    taken = set(_TAKEN.findall(text))
    for port in _PORT.findall(text):
        if "$" not in port and "__" not in port:
            continue
        if re.match(r"\\port\$\d+", port):  # cuts through signals
            base = "_".join([*_carried(text, port)[:3], "bits"])
        else:
            base = re.sub(r"\$\d+$", "", port[1:]).replace("__payload", "")
        name = _free(re.sub(r"\W", "_", re.sub(r"__+", "_", base)), taken)
        taken.add(name)
        names[port] = f"\\{name}"
    return names


def _carried(text: str, port: str) -> list[str]:
    """The signals that a port carries, side by side from bit 0 up."""
    pattern = rf"^connect \\([A-Za-z]\w*) {re.escape(port)} \[(\d+)(?::(\d+))?\]$"
    spans = [(int(low or high), int(high), name) for name, high, low in re.findall(pattern, text, re.M)]
    names: list[str] = []
    end = 0
    # The widest of those that begin at the same bit.
    for low, high, name in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        if low >= end:
            names.append(name)
            end = high + 1
    return names


def _instance(module: str) -> str:
    """The last part of a module's path, without the number of the instance."""
    return re.sub(r"_?\d+$", "", module.rsplit(".", 1)[-1].lstrip("\\"))


def _free(name: str, taken: Collection[str]) -> str:
    n, candidate = 1, name
    while candidate in taken:
        n += 1
        candidate = f"{name}_{n}"
    return candidate

"""Merging of equal modules: what is the same hardware becomes one module, what differs stays apart."""

import re

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.export.modules import merge_modules
from lnpu.export.verilog import to_rtlil, to_verilog
from lnpu_sim.rtl import build

PAIR = data.StructLayout({"low": 4, "high": 4})


class Leaf(wiring.Component):
    """Counts up by `step` or by a part of `pair`."""

    def __init__(self, step, init):
        self.step, self.init = step, init
        super().__init__({"pair": In(PAIR), "wide": In(1), "total": Out(8)})

    def elaborate(self, platform):
        m = Module()
        total = Signal(8, init=self.init)
        with m.If(self.wide):
            m.d.sync += total.eq(total + self.pair.as_value())
        with m.Else():
            m.d.sync += total.eq(total + self.step * self.pair.low)
        m.d.comb += self.total.eq(total)
        return m


class Branch(wiring.Component):
    """Two leaves; the second one's operands come from a register, so its ports cut through signals."""

    def __init__(self, leaf):
        self.leaf = leaf
        super().__init__({"pair": In(PAIR), "wide": In(1), "o": Out(8).array(2)})

    def elaborate(self, platform):
        m = Module()
        held = Signal(data.StructLayout({"pair": PAIR, "wide": 1}))
        m.d.sync += [held.pair.eq(self.pair), held.wide.eq(self.wide)]
        for n, (pair, wide) in enumerate(((self.pair, self.wide), (held.pair, held.wide))):
            m.submodules[f"leaf{n}"] = leaf = Leaf(*self.leaf)
            m.d.comb += [leaf.pair.eq(pair), leaf.wide.eq(wide), self.o[n].eq(leaf.total)]
        return m


class Tree(wiring.Component):
    """Branches with the given leaves, cleared by `clear`."""

    def __init__(self, leaves):
        self.leaves = leaves
        super().__init__(
            {"pair": In(PAIR), "wide": In(1), "clear": In(1), "o": Out(8).array(2 * len(leaves))}
        )

    def elaborate(self, platform):
        m = Module()
        for n, leaf in enumerate(self.leaves):
            branch = Branch(leaf)
            m.submodules[f"branch{n}"] = ResetInserter(self.clear)(branch)
            m.d.comb += [branch.pair.eq(self.pair), branch.wide.eq(self.wide)]
            m.d.comb += [self.o[2 * n + k].eq(branch.o[k]) for k in range(2)]
        return m


def ports(tree):
    outputs = {f"o{n}": (value, True) for n, value in enumerate(tree.o)}
    inputs = {"pair": tree.pair.as_value(), "wide": tree.wide, "clear": tree.clear}
    return {**{name: (value, False) for name, value in inputs.items()}, **outputs}


def merged(*leaves):
    tree = Tree(leaves)
    return merge_modules(to_rtlil(tree, "top", ports(tree)), "top", smallest=0)


def cells(result):
    """Module -> modules that it instantiates."""
    bodies = re.findall(r"^module \\(\S+)\n(.*?)^end$", result.rtlil, re.M | re.S)
    return {name: re.findall(r"^  cell \\(\S+)", body, re.M) for name, body in bodies}


def test_equal_branches_are_one():
    result = merged((3, 0), (3, 0), (3, 0))
    tree = cells(result)
    assert tree["top.core"] == ["top_branch"] * 3
    assert result.kept[0] == "top_branch"
    assert sum(kinds.count("top_branch") for kinds in tree.values()) == 3
    assert (
        len(tree) <= 5
    )  # top, its core, one branch, and leaves that see their operands as one port or as two


@pytest.mark.parametrize("other", [(5, 0), (3, 1)], ids=["a constant", "an initial value"])
def test_what_differs_stays_apart(other):
    tree = cells(merged((3, 0), (3, 0), other))
    assert len(tree["top.core"]) == 3
    assert len(set(tree["top.core"])) == 2


def test_names_are_plain():
    text = merged((3, 0), (3, 0)).rtlil
    bodies = re.findall(r"^module (\S+)\n(.*?)^end$", text, re.M | re.S)
    for name, body in bodies[1:]:
        for port in re.findall(r"^  wire width \d+ (?:input|output) \d+ +(?:signed )?\\(\S+)$", body, re.M):
            assert re.fullmatch(r"[a-z]\w*", port), (name, port)
            assert "__" not in port
    assert "port$" not in text


def test_small_blocks_stay_where_they_are():
    tree = Tree([(3, 0)] * 2)
    text = to_rtlil(tree, "top", ports(tree))
    assert merge_modules(text, "top").kept == ()


def test_modules_compute_the_same(monkeypatch):
    """All leaves at once, equal and different ones, against the flat text; `clear` reaches every module."""
    monkeypatch.setattr(merge_modules, "__defaults__", (0,))
    leaves = [(3, 0), (3, 0), (5, 0), (3, 1)]
    units = []
    for share in (False, True):
        tree = Tree(leaves)
        text = to_verilog(tree, "top", ports(tree), share=share)
        assert text.count("no_inline_module") >= share
        units.append(build([text], "top"))
    for cycle in range(60):
        for unit in units:
            unit["pair"], unit["wide"], unit["clear"] = cycle * 37 % 256, cycle % 5 == 0, cycle % 23 == 22
            unit.step()
        flat, shared = ([unit[f"o{n}"] for n in range(2 * len(leaves))] for unit in units)
        assert flat == shared
    assert len(set(flat)) > 2

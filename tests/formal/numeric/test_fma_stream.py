"""The stream rules hold in every reachable state, for every input and stall, at every latency."""

import dataclasses

import pytest
from amaranth.hdl import Module

from lnpu.export.fma import fma_verilog
from lnpu.lib import pipeline
from lnpu.lib.pipeline import Rank
from lnpu.numeric.config import FMA_BUILDS
from support.fma import verilog_file
from support.formal import ProofFailed, combinational_path, prove_stream_rules
from support.stream_rules import RULES

PUBLISHED = (("default", 3), ("pe", 2))
LATENCIES = [
    pytest.param(name, latency, marks=[] if (name, latency) in PUBLISHED else pytest.mark.full)
    for name in ("default", "pe")
    for latency in range(1, 5)
]


def at(name, latency):
    return dataclasses.replace(FMA_BUILDS[name], latency=latency)


@pytest.mark.parametrize(("name", "latency"), LATENCIES)
def test_stream_rules(name, latency, tmp_path):
    """Capacity is the number of ranks: no operation is lost, none appears from nothing."""
    file = verilog_file(at(name, latency), tmp_path)
    rules = list(RULES)
    if name == "default" and latency < 3:
        # Arithmetic behind the last rank keeps the solver from deciding in time that a payload stays; there
        # the stream driver checks it under stalls.
        rules.remove("payload")
    proved = prove_stream_rules([file], "fma", capacity=latency, rules=rules)
    assert proved.rules == tuple(rules)
    assert proved.covers == ("stalled", "full", "flows")


@pytest.mark.parametrize(("name", "latency"), [("default", 0), ("default", 1), ("default", 3), ("pe", 2)])
def test_ready_does_not_reach_valid(name, latency, tmp_path):
    file = verilog_file(at(name, latency), tmp_path)
    for port in ("o_valid", "o_d", "o_flags"):
        assert combinational_path([file], "fma", "o_ready", port) is None


class Leaky(Rank):
    """Takes a new beat although the old one still waits."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = Rank(self.i.payload.shape())
        m.d.comb += [
            core.i.payload.eq(self.i.payload),
            core.i.valid.eq(self.i.valid),
            self.i.ready.eq(1),
            self.o.payload.eq(core.o.payload),
            self.o.valid.eq(core.o.valid),
            core.o.ready.eq(self.o.ready),
        ]
        return m


class Changing(Rank):
    """Holds `valid` but not the payload of a waiting beat."""

    def elaborate(self, platform):
        m = Module()
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        m.d.sync += self.o.payload.eq(self.i.payload)
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        return m


@pytest.mark.parametrize(
    ("name", "latency", "bug", "rule"),
    [
        ("default", 3, Leaky, "`capacity` is violated in cycle"),
        pytest.param("default", 1, Changing, "`payload` is violated in cycle", marks=pytest.mark.full),
        pytest.param("pe", 3, Leaky, "`capacity` is violated in cycle", marks=pytest.mark.full),
    ],
)
def test_planted_bugs_are_refuted(name, latency, bug, rule, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "Rank", bug)
    (tmp_path / "fma.v").write_text(fma_verilog(at(name, latency)))
    with pytest.raises(ProofFailed, match=rule):
        prove_stream_rules([tmp_path / "fma.v"], "fma", capacity=latency)

# amaranth: UnusedElaboratable=no
"""The array's PE and the line's broadcast, exported and compiled, against their golden model."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out

from lnpu.export.pe import pe_verilog
from lnpu.export.verilog import to_verilog
from lnpu.numeric.config import Dual, Flavour, FmaConfig, Share, WindowAccumulate
from lnpu.numeric.pe import PE_CONFIG, Pe, PeBroadcast, broadcast_layout
from lnpu_sim.numeric.pe import PeModel
from lnpu_sim.rtl.verilator import build

N = 60_000


def slots(seed, near_top):
    """Random slots; exponents close to the top of the window where `near_top`, so that sums overflow."""
    rng = np.random.default_rng(seed)

    def bits(n):
        return rng.integers(0, 1 << n, N, dtype=np.int64)

    load = (rng.integers(0, 6, N) == 0).astype(np.int64)
    load[0] = 1
    return {
        "valid": (rng.integers(0, 8, N) != 0).astype(np.int64),
        "dual": bits(1),
        "lane": bits(1),
        "code": np.where(rng.integers(0, 12, N) == 0, bits(16) & 0x83FF, bits(16)),
        "s": np.where(rng.integers(0, 20, N) == 0, rng.integers(-256, 256, N), rng.integers(-8, 8, N)),
        "top": rng.integers(-30, 60, N) if not near_top else rng.integers(20, 36, N),
        "b": (bits(16), np.where(rng.integers(0, 12, N) == 0, bits(10), bits(16))),
        "load": load,
        "c": (bits(32) - (1 << 31), bits(12) - 2048),
    }


def delayed(values, by):
    return np.concatenate([np.zeros(by, values.dtype), values[: len(values) - by]])


def play(unit, inputs):
    """Inputs a cycle -> words and overflow a cycle, no handshake."""
    outputs = ["o_word0", "o_word1", "o_overflow"]
    result = unit.run_stream(inputs, outputs, in_valid=None, in_ready=None, out_valid=None, out_ready=None)
    signed = [result[name].astype(np.int64) << 32 >> 32 for name in outputs[:2]]
    return signed, result["o_overflow"].astype(np.int64)


@pytest.fixture(scope="module")
def pe():
    return build([pe_verilog()], "pe")


@pytest.mark.parametrize("near_top", [False, True])
def test_pe_equals_model(pe, near_top):
    s, model = slots(1 + near_top, near_top), PeModel()
    fields = model.broadcast(s["valid"], s["dual"], s["lane"], s["code"], s["s"], s["top"])
    inputs = {f"i_{name}": value for name, value in fields.items()}
    inputs |= {"i_b0": s["b"][0], "i_b1": s["b"][1], "i_load": delayed(s["load"], 1)}
    inputs |= {f"i_c{n}": delayed(s["c"][n] & 0xFFFFFFFF, 1) for n in range(2)}
    words, overflow = play(pe, inputs)
    expected, expected_overflow = model.run(**s)
    for n in range(2):
        np.testing.assert_array_equal(words[n][2:], expected[n][:-2])
    np.testing.assert_array_equal(overflow[2:], expected_overflow[:-2])
    assert 0.02 < expected_overflow.astype(bool).mean() < 0.98


class Both(Component):
    """The line's broadcast in front of a PE."""

    def __init__(self):
        self.broadcast, self.pe = PeBroadcast(), Pe()
        super().__init__({"probe": Out(broadcast_layout()), "unused": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.broadcast, m.submodules.pe = self.broadcast, self.pe
        m.d.comb += [self.pe.a.eq(self.broadcast.o), self.probe.eq(self.broadcast.o)]
        return m


def test_broadcast_feeds_pe():
    unit = Both()
    ports = {
        f"i_{n}": (getattr(unit.broadcast, n), False) for n in ("valid", "dual", "lane", "code", "s", "top")
    }
    ports |= {f"i_b{n}": (unit.pe.b[n], False) for n in range(2)}
    ports |= {"i_load": (unit.pe.load, False)} | {f"i_c{n}": (unit.pe.c[n], False) for n in range(2)}
    ports |= {f"o_word{n}": (unit.pe.word[n], True) for n in range(2)} | {
        "o_overflow": (unit.pe.overflow, True)
    }
    compiled = build([to_verilog(unit, "both", ports)], "both")
    s = slots(7, False)
    inputs = {f"i_{n}": s[n] for n in ("valid", "dual", "lane", "code", "s", "top")}
    inputs |= {"i_b0": s["b"][0], "i_b1": s["b"][1], "i_load": delayed(s["load"], 1)}
    inputs |= {f"i_c{n}": delayed(s["c"][n] & 0xFFFFFFFF, 1) for n in range(2)}
    words, overflow = play(compiled, inputs)
    expected, expected_overflow = PeModel().run(**s)
    np.testing.assert_array_equal(np.stack(words)[:, 2:], np.stack(expected)[:, :-2])
    np.testing.assert_array_equal(overflow[2:], expected_overflow[:-2])


@pytest.mark.parametrize(
    "config",
    [
        FmaConfig(dual=Dual.FP8XFP16, accumulate=WindowAccumulate(32), latency=2),
        FmaConfig(flavour=Flavour.TRAINING, dual=Dual.FP8XFP16),
        FmaConfig(
            flavour=Flavour.TRAINING,
            dual=Dual.FP8XFP16,
            accumulate=WindowAccumulate(32),
            share=Share.MULT,
            latency=2,
        ),
    ],
)
def test_pe_refuses_other_arithmetic(config):
    with pytest.raises(ValueError, match="must be"):
        Pe(config)


def test_pe_arithmetic_is_a_named_build():
    assert PeModel().config == PE_CONFIG

# amaranth: UnusedElaboratable=no
"""Memory on the chip, exported, behind an independent AXI manager, with a host beside it."""

from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from lnpu.boards.memory import OnChipMemory
from lnpu.boards.protocol import BoardError
from lnpu.bus.slice import RegisterSlice
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from support.cocotb import run_cocotb

KILOBYTES = 12


class Sliced(wiring.Component):
    """The memory behind a register slice, as on a board."""

    def __init__(self, kilobytes):
        self.memory = OnChipMemory(kilobytes)
        super().__init__(dict(self.memory.signature.members))

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self.memory
        m.submodules.slice = between = RegisterSlice()
        connect(m, flipped(self.m_axi), between.i)
        connect(m, between.o, memory.m_axi)
        connect(m, flipped(self.host), memory.host)
        return m


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("kind", [OnChipMemory, Sliced])
def test_memory(tmp_path, kind, pause):
    unit = kind(KILOBYTES)
    path = tmp_path / "lnpu_memory.v"
    path.write_text(to_verilog(unit, "lnpu_memory", flat_ports(unit)))
    settings = {"size": KILOBYTES * 1024, "pause": pause, "seed": 7}
    run_cocotb([path], "lnpu_memory", Path(__file__).parent / "bench_memory.py", settings=settings)


@pytest.mark.parametrize("kilobytes", [0, 6, 65540])
def test_sizes(kilobytes):
    with pytest.raises(
        BoardError, match=f"`memory_kb` must be a multiple of 4 from 4 to 65536, not {kilobytes}"
    ):
        OnChipMemory(kilobytes)

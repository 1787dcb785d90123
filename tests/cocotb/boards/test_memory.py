# amaranth: UnusedElaboratable=no
"""Memory on the chip, exported, behind an independent AXI manager, with a host beside it."""

from pathlib import Path

import pytest

from lnpu.boards.memory import OnChipMemory
from lnpu.boards.protocol import BoardError
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from support.cocotb import run_cocotb

KILOBYTES = 12


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_memory(tmp_path, pause):
    unit = OnChipMemory(KILOBYTES)
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

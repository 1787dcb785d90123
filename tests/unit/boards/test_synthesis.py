"""What FPGA tools make of the wrapper's parts."""

import re

from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu.synth import yosys
from support.board import LinkOnly
from support.ram import blank


def test_memory_is_block_ram(tmp_path):
    """16 kB are 8 blocks of 2 kB on ECP5, the buffer of checked writes is another one."""
    unit = LinkOnly(16)
    verilog = blank(to_verilog(unit, "lnpu_board", flat_ports(unit), share=True))
    (tmp_path / "board.v").write_text(verilog)
    script = "read_verilog board.v\nsynth_ecp5 -top lnpu_board\ntee -q -o cells.txt stat\n"
    yosys.run(script, tmp_path, "ecp5")
    found = re.findall(r"^ +(\d+) +([A-Z]\w+)$", (tmp_path / "cells.txt").read_text(), re.M)
    cells = {name: int(count) for count, name in found}
    assert cells["DP16KD"] == 9
    assert cells["LUT4"] < 2000

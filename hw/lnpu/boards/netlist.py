"""The netlist of a board: ECP5 cells with models of them, what a build places as something to simulate."""

import re
import tempfile
from pathlib import Path

from lnpu.boards.protocol import BoardError
from lnpu.export.board import TOP
from lnpu.synth import yosys

__all__ = ["AFTER_READ", "AFTER_SYNTHESIS", "SYNTHESIS", "ecp5_netlist", "with_fault"]

AFTER_READ = f"setattr -mod -set keep_hierarchy 1 {TOP}_*"
"""Repeated blocks are mapped once ..."""
SYNTHESIS = {"ecp5": "-nowidelut", "ice40": "-dsp"}
AFTER_SYNTHESIS = "setattr -mod -unset keep_hierarchy *\nflatten\nopt_clean"
"""... and become part of the one module that is placed."""

CELLS = Path(__file__).with_name("ecp5_cells.v")


def ecp5_netlist(verilog: str) -> str:
    """The Verilog of `board_verilog`, mapped as `lnpu bitstream` does it, with models of the cells.

    Raises:
        SynthError: Yosys refuses it.
    """
    with tempfile.TemporaryDirectory(prefix="lnpu-netlist-") as name:
        folder = Path(name)
        (folder / "board.v").write_text(verilog)
        yosys.run(
            f"read_verilog board.v\n{AFTER_READ}\nsynth_ecp5 {SYNTHESIS['ecp5']} -top {TOP}\n"
            f"{AFTER_SYNTHESIS}\nwrite_verilog -noattr netlist.v\n",
            folder,
            "netlist",
        )
        netlist = (folder / "netlist.v").read_text()
    return f"/* verilator lint_off WIDTH */\n{CELLS.read_text()}\n{netlist}"


def with_fault(netlist: str, number: int) -> str:
    """The netlist with an input `fault` that inverts the output of a table.

    Args:
        number: of the table, counted in the order of the text.

    Raises:
        BoardError: there are fewer tables.
    """
    tables = list(re.finditer(r"^  LUT4 #\(.*?^  \);", netlist, re.M | re.S))
    if not 0 <= number < len(tables):
        raise BoardError(f"`number` must be below {len(tables)}, the tables of the netlist, not {number}")
    table = tables[number]
    text, found = re.subn(r"\.Z\((.*?)\)\n", ".Z(fault_free)\n", table[0])
    output = re.search(r"\.Z\((.*?)\)\n", table[0])
    assert found == 1
    assert output is not None
    faulty = f"  wire fault_free;\n{text}\n  assign {output[1]} = fault_free ^ fault;"
    netlist = netlist[: table.start()] + faulty + netlist[table.end() :]
    return re.sub(
        rf"^module {TOP}\((.*?)\);", rf"module {TOP}(\1, fault);\n  input fault;", netlist, flags=re.M
    )

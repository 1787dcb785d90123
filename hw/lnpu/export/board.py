"""Export of a board design: Verilog with a UART and two LEDs, for simulation and for other tools."""

import functools

from lnpu.boards.wrapper import BoardTop
from lnpu.engine.config import EngineConfig
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog

__all__ = ["TOP", "board_verilog"]

TOP = "lnpu_board"
"""Name of the top module."""


@functools.cache
def board_verilog(
    config: EngineConfig, memory_kb: int, clock_hz: int, baud: int, timeout: int | None = None
) -> str:
    """Verilog text of `BoardTop`, module `lnpu_board`: ports `clk`, `rst`, `rx`, `tx`, `busy`, `error`.

    Raises:
        BoardError, EngineError: as `BoardTop`.
    """
    unit = BoardTop(config, memory_kb, clock_hz, baud, timeout=timeout)
    return to_verilog(unit, TOP, flat_ports(unit), share=True)

"""Choice of the transposing buffer: pure data."""

import enum

__all__ = ["Scheme"]


class Scheme(enum.Enum):
    """How a tile of weights is transposed; `lnpu.buffer.transposer` says what each must offer."""

    SHIFT = "shift"
    """Written by columns, handed over in one cycle, shifted out by rows: the cheapest one."""
    REGISTERS = "registers"
    """Two register files, each written and read by rows or columns in any order."""

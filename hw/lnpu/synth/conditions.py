"""What surrounds a block while it is mapped and timed: driving cell, input slew, output load."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from lnpu.synth.errors import SynthError
from lnpu.synth.library import Library

__all__ = ["Conditions"]


@dataclass(frozen=True)
class Conditions:
    """Surroundings of a block; the defaults of a library come from `Conditions.of`.

    Args:
        driving_cell: buffer that drives every input; abc sizes the first gates with it. Empty: none.
        input_slew_ns: transition time at inputs and at clock pins.
        load_ff: capacitance at every output.
    """

    driving_cell: str
    input_slew_ns: float
    load_ff: float

    @classmethod
    def of(
        cls, library: Library, *, driving_cell: str = "", input_slew_ns: float = 0.0, load_ff: float = 0.0
    ) -> "Conditions":
        """Given values, else the customary ones of a known library, else ones derived from the library.

        Derived: the second smallest buffer, and the middle of the range of slew and load that the NAND2 was
        characterised for.

        Raises:
            SynthError: the driving cell is not in the library, or a value is negative.
        """
        if driving_cell and driving_cell not in library.cells:
            raise SynthError(f"driving cell {driving_cell!r} is not in library {library.name}")
        for name, value in (("input slew", input_slew_ns), ("load", load_ff)):
            if value < 0:
                raise SynthError(f"{name} must not be negative, not {value:g}")
        known = next((c for pattern, c in _KNOWN if fnmatchcase(library.name.lower(), pattern)), None)
        if known is None or known.driving_cell not in library.cells:
            buffers = [cell.name for cell in library.buffers[:2]]
            known = cls(buffers[-1] if buffers else "", *library.typical())
        return cls(
            driving_cell or known.driving_cell,
            input_slew_ns or known.input_slew_ns,
            load_ff or known.load_ff,
        )


_KNOWN = (
    # Loads and driving cells as the open flows set them for these libraries.
    ("sky130_fd_sc_hd*", Conditions("sky130_fd_sc_hd__buf_2", 0.1, 33.4)),
    ("nangate*", Conditions("BUF_X2", 0.02, 3.9)),
    ("osu018*", Conditions("BUFX2", 0.1, 50.0)),
)

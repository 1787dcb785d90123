"""Dividers of the ECP5's PLL."""

from dataclasses import dataclass

from lnpu.boards.protocol import BoardError

__all__ = ["Pll", "find_pll"]

_VCO = (400e6, 800e6)
_PHASE_DETECTOR = (3.125e6, 400e6)


@dataclass(frozen=True)
class Pll:
    """Dividers of EHXPLLL with feedback from the primary output: out = in / `input` x `feedback`.

    Args:
        input, feedback, output: CLKI_DIV, CLKFB_DIV, CLKOP_DIV, 1 to 128.
    """

    input: int
    feedback: int
    output: int


def find_pll(input_hz: int, output_hz: int) -> Pll:
    """Dividers that make exactly that clock; of several, those with the oscillator nearest to 600 MHz.

    Limits are those of the ECP5 and ECP5-5G data sheet: oscillator 400 to 800 MHz, phase detector from
    3.125 MHz.

    Raises:
        BoardError: there are none.
    """
    found: list[tuple[float, int, Pll]] = []
    for divider in range(1, 129):
        reference = input_hz / divider
        if not _PHASE_DETECTOR[0] <= reference <= _PHASE_DETECTOR[1] or (output_hz * divider) % input_hz:
            continue
        feedback = output_hz * divider // input_hz
        if not 1 <= feedback <= 128:
            continue
        for output in range(1, 129):
            oscillator = output_hz * output
            if _VCO[0] <= oscillator <= _VCO[1]:
                found.append((abs(oscillator - 600e6), divider, Pll(divider, feedback, output)))
    if not found:
        raise BoardError(f"`clock_hz`: the PLL cannot make {output_hz} Hz of {input_hz} Hz exactly")
    return min(found, key=lambda item: item[:2])[2]

"""Area, timing and FPGA resources of any Verilog: `asic` and `fpga`, the engine of `lnpu synth`."""

from lnpu.synth.asic import asic
from lnpu.synth.conditions import Conditions
from lnpu.synth.errors import SynthError
from lnpu.synth.fpga import Family, fpga
from lnpu.synth.library import Library
from lnpu.synth.mapping import Recipe
from lnpu.synth.report import AsicReport, FpgaReport

__all__ = [
    "AsicReport",
    "Conditions",
    "Family",
    "FpgaReport",
    "Library",
    "Recipe",
    "SynthError",
    "asic",
    "fpga",
]

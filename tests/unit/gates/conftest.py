import functools

import pytest

from lnpu.synth.blocks import map_blocks
from lnpu.synth.conditions import Conditions
from lnpu.synth.energy import circuit
from lnpu.synth.library import Library
from lnpu.synth.sram import SramModel
from lnpu.synth.sta import annotate
from lnpu_sim.gates import build_gates
from support.power_lib import liberty

AROUND = Conditions("BUF", 0.1, 3.0)
"""Surroundings of all tests: 3 fF at an output."""


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("lib") / "made_up.lib"
    path.write_text(liberty())
    return Library(path)


@pytest.fixture(scope="session")
def mapped(library, tmp_path_factory):
    """Map Verilog text; gives the design, its circuit and the compiled module."""

    @functools.cache
    def make(text, top="top", **options):
        folder = tmp_path_factory.mktemp("mapped")
        source = folder / "top.v"
        source.write_text(text)
        design = map_blocks([source], top, library, AROUND, folder, period_ns=10, **options)
        found = circuit(design, library, AROUND, SramModel(), annotate(design.netlist, library, AROUND))
        return design, found, build_gates([text], top)

    return make

"""Mapped netlists beside the Verilog that they were made of: what toggles, and what it costs."""

from lnpu_sim.gates.measure import MappedEngine, Numerics, PassEnergy, map_engine, measure, waiting
from lnpu_sim.gates.simulate import KINDS, Activity, Gates, build_gates

__all__ = [
    "KINDS",
    "Activity",
    "Gates",
    "MappedEngine",
    "Numerics",
    "PassEnergy",
    "build_gates",
    "map_engine",
    "measure",
    "waiting",
]

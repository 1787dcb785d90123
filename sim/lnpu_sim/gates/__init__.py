"""Mapped netlists in simulation beside the Verilog that they were made of: what toggles, and what it costs."""

from lnpu_sim.gates.simulate import Activity, Gates, KINDS, build_gates

__all__ = ["KINDS", "Activity", "Gates", "build_gates"]

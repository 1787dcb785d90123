"""Cycles of the engine: its decisions on control, repeated without arithmetic."""

from lnpu_sim.engine.cycles.predict import predict

__all__ = ["predict"]

"""Exported Verilog as an executable: Verilator builds, ports by name, streams driven in C++."""

from lnpu_sim.rtl.module import RtlModule
from lnpu_sim.rtl.native import Port
from lnpu_sim.rtl.streams import STALL_PATTERNS, Sink, Source, Stall, StallKind, StreamError, StreamResult
from lnpu_sim.rtl.toolchain import RtlError, Verilator, cache_root, find_verilator
from lnpu_sim.rtl.verilator import build

__all__ = [
    "STALL_PATTERNS",
    "Port",
    "RtlError",
    "RtlModule",
    "Sink",
    "Source",
    "Stall",
    "StallKind",
    "StreamError",
    "StreamResult",
    "Verilator",
    "build",
    "cache_root",
    "find_verilator",
]

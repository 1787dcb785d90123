"""Export of the machine: Verilog with AXI ports."""

import functools

from amaranth.hdl import Value

from lnpu.engine.config import EngineConfig
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu.machine.top import Top

__all__ = ["TOP", "elaborate_machine", "machine_verilog"]

TOP = "lnpu"
"""Name of the top module."""


def elaborate_machine(config: EngineConfig) -> tuple[str, list[dict]]:
    """Verilog text of the machine, and its ports: rows of `name`, `direction` ("input" or "output"), `width`.

    Repeated blocks are modules of their own, written once.

    Raises:
        EngineError: the engine's geometry does not fit a machine.
    """
    unit = Top(config)
    ports = flat_ports(unit)
    rows = [
        {"name": name, "direction": "output" if out else "input", "width": len(Value.cast(signal))}
        for name, (signal, out) in ports.items()
    ]
    return to_verilog(unit, TOP, ports, share=True), rows


@functools.cache
def machine_verilog(config: EngineConfig) -> str:
    """Verilog text of the machine, module `lnpu`: ports `aclk`, `aresetn`, `s_axil_*`, `m_axi_*`, `irq`."""
    return elaborate_machine(config)[0]

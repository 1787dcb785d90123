"""Export of the machine: Verilog with AXI ports."""

from lnpu.engine.config import EngineConfig
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu.machine.top import Top

__all__ = ["TOP", "machine_verilog"]

TOP = "lnpu"
"""Name of the top module."""


def machine_verilog(config: EngineConfig) -> str:
    """Verilog text of the machine, module `lnpu`: ports `aclk`, `aresetn`, `s_axil_*`, `m_axi_*`, `irq`."""
    unit = Top(config)
    return to_verilog(unit, TOP, flat_ports(unit))

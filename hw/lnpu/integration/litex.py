"""A generated machine as a LiteX core.

    from lnpu.integration.litex import LNPU

    self.lnpu = LNPU(platform, "out")                 # what `lnpu generate -o out` wrote
    self.lnpu.add_to(self, origin=0xF001_0000)        # registers on the bus, memory port beside the CPU

Needs LiteX (`pip install litex migen`), which the generator itself does not.
"""

import json
from pathlib import Path
from typing import Any

try:
    from litex.gen import LiteXModule
    from litex.soc.integration.soc import SoCRegion
    from litex.soc.interconnect import axi
    from migen import ClockSignal, Instance, ResetSignal, Signal
except ImportError as error:
    raise ImportError("lnpu.integration.litex needs LiteX: pip install litex migen") from error

__all__ = ["LNPU"]

REGISTER_BYTES = 4096
_BUSES = {"s_axil": "control", "m_axi": "memory"}
_CHANNELS = ("aw", "ar", "w", "b", "r")


class LNPU(LiteXModule):
    """The machine in a clock domain of the SoC.

    Args:
        platform: gets the Verilog. directory: what `lnpu generate` wrote.
        clock_domain: clock and (synchronous) reset, default `sys`.

    Attributes:
        control: AXI4-Lite, the registers: the SoC is the manager. memory: AXI4, 64-bit data: the machine is
            the manager. irq: level. manifest: what the directory says about itself.

    Raises:
        FileNotFoundError, ValueError: the directory is not one that `lnpu generate` wrote.
    """

    def __init__(self, platform: Any, directory: str | Path, clock_domain: str = "sys"):
        path = Path(directory).resolve()
        self.manifest = json.loads((path / "manifest.json").read_text())
        if (
            not str(self.manifest.get("generator", "")).startswith("openlnpu ")
            or "interfaces" not in self.manifest
        ):
            raise ValueError(f"{path / 'manifest.json'} is not from `lnpu generate`")
        bus = {row["name"]: row for row in self.manifest["interfaces"]}["m_axi"]
        # Wider than the machine's own address: LiteX decodes the region and hands on the whole address.
        self.control = axi.AXILiteInterface(data_width=32, address_width=32, clock_domain=clock_domain)
        self.memory = axi.AXIInterface(
            data_width=bus["data_bits"],
            address_width=bus["address_bits"],
            id_width=bus["id_bits"],
            clock_domain=clock_domain,
        )
        self.irq = Signal()
        special = {"aclk": ClockSignal(clock_domain), "aresetn": ~ResetSignal(clock_domain), "irq": self.irq}
        connections = {}
        for row in self.manifest["ports"]:
            name, out = row["name"], row["direction"] == "output"
            signal = special[name] if name in special else _signal(self, name)
            connections[f"{'o' if out else 'i'}_{name}"] = signal if out else signal[: row["width"]]
        self.specials += Instance(self.manifest["top"], **connections)
        for row in self.manifest["files"]:
            if row["path"].endswith(".v"):
                platform.add_source(str(path / row["path"]))

    def add_to(self, soc: Any, origin: int | None = None, name: str = "lnpu") -> None:
        """Attach it to a SoC: registers as region `name` (uncached), the memory port at the CPU's coherent
        bus where it has one, else at the SoC's main bus. The interrupt is the caller's: `irq`."""
        region = SoCRegion(origin=origin, size=REGISTER_BYTES, cached=False)
        soc.bus.add_slave(name, self.control, region)
        bus = getattr(soc, "dma_bus", soc.bus)
        bus.add_master(name, self.memory)


def _signal(core: LNPU, port: str) -> Any:
    """The signal of a port `<bus>_<channel><name>`."""
    bus, signal = port.rsplit("_", 1)
    channel = next(name for name in _CHANNELS if signal.startswith(name))
    return getattr(getattr(getattr(core, _BUSES[bus]), channel), signal.removeprefix(channel))

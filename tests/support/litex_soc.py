"""A LiteX SoC without CPU around a generated machine: memory from 0, a host's AXI4-Lite port outside."""

import os
import re
from pathlib import Path
from typing import ClassVar

from litex.build.generic_platform import Pins
from litex.build.io import CRG
from litex.build.sim import SimPlatform
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect import axi

from lnpu.integration.litex import LNPU

__all__ = ["ORIGIN", "Host", "write_soc"]

ORIGIN = 0x9000_0000
"""Of the machine's registers."""


class _Soc(SoCCore):
    mem_map: ClassVar = {**SoCCore.mem_map, "main_ram": 0, "csr": 0xF000_0000}

    def __init__(self, platform, machine, bus, memory):
        words = [int.from_bytes(memory[n : n + 4], "little") for n in range(0, len(memory), 4)]
        super().__init__(
            platform,
            50_000_000,
            cpu_type=None,
            bus_standard=bus,
            bus_data_width=32,
            with_uart=False,
            with_timer=False,
            integrated_main_ram_size=len(memory),
            integrated_main_ram_init=words,
            ident="",
        )
        self.crg = CRG(platform.request("sys_clk"), platform.request("sys_rst"))
        host = axi.AXILiteInterface(data_width=32, address_width=32)
        platform.add_extension(host.get_ios("host"))
        self.comb += host.connect_to_pads(platform.request("host"), mode="slave")
        self.bus.add_master("host", host)
        self.lnpu = LNPU(platform, machine)
        self.lnpu.add_to(self, ORIGIN)
        self.comb += platform.request("irq").eq(self.lnpu.irq)


def write_soc(machine: Path, bus: str, memory: bytes, directory: Path) -> list[Path]:
    """Generate the SoC `soc`; returns all its Verilog files. The initial memory is read from the working
    directory when the model is made: that must be `directory`."""
    platform = SimPlatform("SIM", [(name, 0, Pins(1)) for name in ("sys_clk", "sys_rst", "irq")])
    soc = _Soc(platform, machine, bus, memory)
    soc.finalize()
    here = Path.cwd()
    os.chdir(directory)  # files of memories are written to the working directory
    try:
        platform.get_verilog(soc, name="soc").write("soc.v")
        # The date would compile the same SoC again.
        text = re.sub(r"^//.*\n", "", Path("soc.v").read_text(), flags=re.M)
        Path("soc.v").write_text(text)
    finally:
        os.chdir(here)
    return [directory / "soc.v", *(Path(path) for path, *_ in platform.sources)]


class Host:
    """The AXI4-Lite port of a compiled SoC."""

    def __init__(self, unit):
        self.unit = unit
        unit["host_bready"] = unit["host_rready"] = 1
        unit["host_wstrb"] = 15

    def _run(self, valid: dict[str, str], answer: str) -> None:
        unit = self.unit
        for name in valid:
            unit[name] = 1
        for _ in range(200):
            unit.eval()
            taken = [name for name, ready in valid.items() if unit[name] and unit[ready]]
            done = unit[f"host_{answer}valid"]
            if done:
                self.data, self.response = unit["host_rdata"], unit[f"host_{answer}resp"]
            unit.step()
            for name in taken:
                unit[name] = 0
            if done:
                assert self.response == 0
                return
        raise AssertionError("no answer within 200 cycles")

    def write(self, address: int, value: int) -> None:
        self.unit["host_awaddr"], self.unit["host_wdata"] = address, value
        self._run({"host_awvalid": "host_awready", "host_wvalid": "host_wready"}, "b")

    def read(self, address: int) -> int:
        self.unit["host_araddr"] = address
        self._run({"host_arvalid": "host_arready"}, "r")
        return self.data

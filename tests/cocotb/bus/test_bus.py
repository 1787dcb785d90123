"""DMAs, arbiters and registers on exported Verilog, driven by independent AXI agents."""

from pathlib import Path

import pytest

from lnpu.engine.config import EngineConfig
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu.regs import compile_registers, registers
from lnpu.regs.slave import Registers, port_name
from support.bus_units import BusUnit
from support.cocotb import run_cocotb

HERE = Path(__file__).parent


def exported(unit, top, folder):
    path = folder / f"{top}.v"
    path.write_text(to_verilog(unit, top, flat_ports(unit)))
    return path


@pytest.mark.parametrize(
    ("pattern", "pause"), [("none", 0.0), ("none", 0.5), ("slow-sink", 0.2), ("random", 0.6)]
)
def test_dma(tmp_path, pattern, pause):
    verilog = exported(BusUnit(), "bus_unit", tmp_path)
    settings = {"pattern": pattern, "pause": pause, "seed": 3}
    run_cocotb([verilog], "bus_unit", HERE / "bench_dma.py", settings=settings)


def described(config):
    """The registers as the source says, for the bench."""
    return [
        {
            "name": register.name,
            "address": register.address,
            "external": register.external,
            "readable": register.readable,
            "writable": register.writable,
            "fields": [{**vars(field), "port": port_name(register, field)} for field in register.fields],
        }
        for register in registers(compile_registers(config))
    ]


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_registers(tmp_path, pause):
    config = EngineConfig(lines=2, pes=4, tile_entries=100)
    verilog = exported(Registers(compile_registers(config)), "lnpu_registers", tmp_path)
    settings = {"registers": described(config), "pause": pause, "seed": 5}
    run_cocotb([verilog], "lnpu_registers", HERE / "bench_registers.py", settings=settings)


@pytest.mark.parametrize("drift", ["value", "address", "rights"])
def test_drift_is_caught(tmp_path, drift):
    """The same hardware, judged by a description that differs in one place."""
    config = EngineConfig(lines=2, pes=4, tile_entries=100)
    verilog = exported(Registers(compile_registers(config)), "lnpu_registers", tmp_path)
    rows = described(config)
    by_name = {row["name"]: row for row in rows}
    if drift == "value":
        by_name["CONFIG_LINES"]["fields"][0]["reset"] = 3
    elif drift == "address":
        by_name["CONFIG_VECTOR"]["address"] = 0x07C
    else:
        by_name["WATCHDOG"]["writable"] = False
    settings = {"registers": rows, "pause": 0.0, "seed": 5}
    with pytest.raises(AssertionError, match=r"answers|, not 0x"):
        run_cocotb(
            [verilog],
            "lnpu_registers",
            HERE / "bench_registers.py",
            settings=settings,
            tests=["reset_values_and_rights"],
        )

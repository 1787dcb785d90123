"""The machine in a LiteX SoC, with LiteX's own interconnect between host, memory and machine."""

import numpy as np
import pytest

from lnpu.engine.config import Pass
from lnpu.export.generate import generate, install
from lnpu.presets import configuration, load, preset_path
from lnpu.regs import compile_registers, registers
from lnpu_sim.machine.model import MachineModel
from lnpu_sim.rtl import build
from support.machine import LIST, SHAPES, SIZE, Image

pytest.importorskip("litex")

CONFIG = configuration(load(preset_path("tiny")))
REGISTERS = {register.name: register.address for register in registers(compile_registers(CONFIG.engine))}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    target = tmp_path_factory.mktemp("litex") / "machine"
    install(generate(CONFIG).files, target)
    return target


@pytest.mark.parametrize(
    "bus", ["wishbone", *(pytest.param(bus, marks=pytest.mark.full) for bus in ("axi", "axi-lite"))]
)
def test_a_list_in_a_soc(machine, bus, tmp_path, monkeypatch):
    from support.litex_soc import ORIGIN, Host, write_soc

    image = Image(CONFIG.engine, *SHAPES["linear"], kinds=(Pass.FP,))
    files = write_soc(machine, bus, bytes(image.memory), tmp_path)
    monkeypatch.chdir(tmp_path)
    unit = build(
        files,
        "soc",
        clock="sys_clk",
        reset="sys_rst",
        verilator_args=["-Wno-fatal", "-Wno-lint", "-Wno-style"],
    )
    unit.reset()
    host = Host(unit)
    assert host.read(ORIGIN + REGISTERS["ID"]) == 0x4C4E5055
    for name, value in {"LIST_ADDRESS": LIST, "LIST_WORDS": image.words, "CONTROL": 0x101}.items():
        host.write(ORIGIN + REGISTERS[name], value)
    for _ in range(20_000):
        if unit["irq"]:
            break
        unit.step()
    assert host.read(ORIGIN + REGISTERS["STATUS"]) == 0b010
    expected = bytearray(image.memory)
    MachineModel(CONFIG.engine).run(expected, LIST, image.words)
    changed = np.flatnonzero(np.frombuffer(expected, "<u4") != np.frombuffer(bytes(image.memory), "<u4"))
    assert len(changed) > 50
    # What was written, and a word on either side.
    for word in sorted({w + d for w in changed.tolist() for d in (-1, 0, 1)}):
        assert host.read(4 * word) == int.from_bytes(expected[4 * word : 4 * word + 4], "little"), hex(
            4 * word
        )
    assert len(image.memory) == SIZE

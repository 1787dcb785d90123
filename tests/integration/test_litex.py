"""The machine in a LiteX SoC, with LiteX's own interconnect between host, memory and machine."""

import re

import numpy as np
import pytest

from lnpu.engine.config import Pass
from lnpu.export.generate import install
from lnpu.regs import compile_registers, registers
from lnpu_sim.machine.model import MachineModel
from lnpu_sim.rtl import build
from support.generated import TINY, tiny_bundle
from support.lint import lint
from support.machine import LIST, SHAPES, Image

pytest.importorskip("litex")

REGISTERS = {register.name: register.address for register in registers(compile_registers(TINY.engine))}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    target = tmp_path_factory.mktemp("litex") / "machine"
    install(tiny_bundle().files, target)
    return target


@pytest.fixture(scope="module")
def image():
    return Image(TINY.engine, *SHAPES["linear"], kinds=(Pass.FP,))


def test_verilator_takes_the_soc(machine, image, tmp_path):
    """Every port is connected, with its width."""
    from support.litex_soc import write_soc

    files = write_soc(machine, "wishbone", bytes(image.memory[:4096]), tmp_path)
    found = re.findall(r".*(?:%Error|PIN|pin connection|rtl/lnpu\.v:).*", lint(files, "soc"))
    assert not found, found


@pytest.mark.full
@pytest.mark.parametrize("bus", ["wishbone", "axi", "axi-lite"])
def test_a_list_in_a_soc(machine, image, bus, tmp_path, monkeypatch):
    from support.litex_soc import ORIGIN, Host, write_soc

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
    unit.step(10)  # LiteX holds its own reset for some cycles
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
    MachineModel(TINY.engine).run(expected, LIST, image.words)
    changed = np.flatnonzero(np.frombuffer(expected, "<u4") != np.frombuffer(bytes(image.memory), "<u4"))
    assert len(changed) > 50
    # What was written, and a word on either side.
    for word in sorted({w + d for w in changed.tolist() for d in (-1, 0, 1)}):
        assert host.read(4 * word) == int.from_bytes(expected[4 * word : 4 * word + 4], "little"), hex(
            4 * word
        )

# amaranth: UnusedElaboratable=no
"""The register description against the configuration and the counters it speaks of; the files made of it."""

import dataclasses
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from amaranth.sim import Simulator

from lnpu.buffer.scheme import Scheme
from lnpu.engine.config import EngineConfig, Policy
from lnpu.engine.counters import Cause
from lnpu.regs import compile_registers, markdown_table, python_constants, registers, write_all
from lnpu.regs.description import digest
from lnpu.regs.slave import CountSelect

CONFIG = EngineConfig(lines=3, pes=5, policy=Policy.ROTATE, transposer=Scheme.REGISTERS)


@pytest.fixture(scope="module")
def top():
    return compile_registers(CONFIG)


def test_every_parameter_is_readable(top):
    by_name = {register.name: register for register in registers(top)}
    for field in dataclasses.fields(EngineConfig):
        value = getattr(CONFIG, field.name)
        want = value if isinstance(value, int) else list(type(value)).index(value)
        assert by_name[f"CONFIG_{field.name.upper()}"].reset == want


def test_every_cause_is_counted(top):
    names = {register.name for register in registers(top) if register.external}
    assert {f"COUNT_{cause.name}" for cause in Cause} <= names


def test_identification(top):
    by_name = {register.name: register for register in registers(top)}
    assert by_name["ID"].reset.to_bytes(4, "big") == b"LNPU"
    assert by_name["DIGEST_WORD"].reset == digest(CONFIG) != digest(EngineConfig())


def test_python_constants(top):
    names = {}
    exec(python_constants(top), names)
    for register in registers(top):
        assert names[register.name] == register.address
        assert names["RESET"][register.address] == register.reset
        for field in register.fields:
            assert names[f"{register.name}_{field.name.upper()}"] == (field.low, field.width)


def test_files(top, tmp_path):
    header, _, xml, page = write_all(top, tmp_path)
    assert page.is_file()
    checks = "".join(
        f'_Static_assert(offsetof(lnpu_t, {register.name}) == {register.address}, "{register.name}");\n'
        for register in registers(top)
    )
    source = tmp_path / "check.c"
    source.write_text(f'#include <stddef.h>\n#include "{header.name}"\n{checks}')
    subprocess.run(["gcc", "-std=c11", "-fsyntax-only", str(source)], check=True, cwd=tmp_path)
    found = {
        element.findtext("{*}name"): int(element.findtext("{*}addressOffset").replace("'h", "0x"), 0)
        for element in ElementTree.parse(xml).iter()
        if element.tag.endswith("}register")
    }
    assert found == {register.name: register.address for register in registers(top)}


def test_table_has_every_register(top):
    table = markdown_table(top)
    assert all(f"| {register.name} |" in table for register in registers(top))


def test_counts_are_selected(top):
    dut = CountSelect(top)

    async def bench(ctx):
        for register in dut.registers:
            ctx.set(getattr(dut, register.name.lower()), register.address * 77)
        for word in range(128):
            ctx.set(dut.word, word)
            await ctx.tick()
            external = any(register.address == 4 * word for register in dut.registers)
            assert ctx.get(dut.value) == (4 * word * 77 if external else 0)

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()

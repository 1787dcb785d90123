"""Walks over every register of the description through AXI-Lite."""

import random

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

import cocotb
from support.agents import settings

PAGE = 4096


def paused(rng, rate):
    while True:
        yield rng.random() < rate


def count(word):
    """What the bench gives as an external register."""
    return (word * 0x9E3779B1 + 12345) & 0xFFFFFFFF


class Bench:
    def __init__(self, dut):
        self.dut, given = dut, settings()
        self.rng = random.Random(given["seed"])
        self.registers = given["registers"]
        cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
        dut.rst.value = 1
        self.inputs = {}
        for _, field in self.fields():
            if field["clears"]:
                getattr(dut, field["port"]).value = 0
            elif field["driven"]:
                self.inputs[field["port"]] = value = self.rng.getrandbits(field["width"])
                getattr(dut, field["port"]).value = value
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        for channel in (
            self.master.write_if.aw_channel,
            self.master.write_if.w_channel,
            self.master.write_if.b_channel,
            self.master.read_if.ar_channel,
            self.master.read_if.r_channel,
        ):
            if given["pause"]:
                channel.set_pause_generator(paused(random.Random(self.rng.random()), given["pause"]))
        cocotb.start_soon(self.counts())

    def fields(self):
        return [
            (register, field)
            for register in self.registers
            if not register["external"]
            for field in register["fields"]
        ]

    async def counts(self):
        while True:
            await RisingEdge(self.dut.clk)
            self.dut.counts_value.value = count(int(self.dut.counts_word.value))

    async def reset(self):
        for _ in range(3):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        await RisingEdge(self.dut.clk)

    async def read(self, address):
        done = await self.master.read(address, 4)
        return int.from_bytes(done.data, "little"), done.resp

    async def write(self, address, value, size=4):
        done = await self.master.write(address, value.to_bytes(size, "little"))
        return done.resp

    def expected(self, register, written=None):
        """What a read gives: reset values (or what was written) and what the bench drives."""
        if register["external"]:
            return count(register["address"] // 4)
        value = 0
        for field in register["fields"]:
            part = 0
            if field["driven"]:
                part = self.inputs[field["port"]]
            elif field["readable"]:
                part = field["reset"] or 0
                stored = field["writable"] and not field["clears"] and not field["pulse"]
                if written is not None and stored:
                    part = written >> field["low"] & (1 << field["width"]) - 1
            value |= part << field["low"]
        return value

    async def check_all(self, written=None):
        known = {register["address"]: register for register in self.registers}
        for address in [*known, *self.rng.sample(range(0, PAGE, 4), 40), PAGE - 4]:
            value, response = await self.read(address)
            register = known.get(address)
            if register is None or not register["readable"]:
                assert response == AxiResp.SLVERR, f"{address:#x}: read answers {response}"
                continue
            assert response == AxiResp.OKAY, f"{register['name']}: read answers {response}"
            want = self.expected(register, (written or {}).get(address))
            assert value == want, f"{register['name']}: {value:#010x}, not {want:#010x}"


@cocotb.test()
async def reset_values_and_rights(dut):
    bench = Bench(dut)
    await bench.reset()
    await bench.check_all()
    assert not dut.irq.value
    written = {}
    for register in bench.registers:
        value = bench.rng.getrandbits(32)
        response = await bench.write(register["address"], value)
        allowed = AxiResp.OKAY if register["writable"] else AxiResp.SLVERR
        assert response == allowed, f"{register['name']}: write answers {response}"
        written[register["address"]] = value
    for address in range(0, PAGE, 4):
        if address not in written and bench.rng.random() < 0.05:
            assert await bench.write(address, 0xFFFFFFFF) == AxiResp.SLVERR
    await bench.check_all(written)
    for _, field in bench.fields():
        if field["watched"] and field["writable"] and not field["clears"] and not field["pulse"]:
            register = next(r for r in bench.registers if field in r["fields"])
            want = written[register["address"]] >> field["low"] & (1 << field["width"]) - 1
            assert int(getattr(dut, field["port"]).value) == want, field["port"]


@cocotb.test()
async def strobes_pulses_and_clearing(dut):
    bench = Bench(dut)
    await bench.reset()
    place = {register["name"]: register["address"] for register in bench.registers}
    # Byte strobes: one byte of LIST_ADDRESS.
    await bench.write(place["LIST_ADDRESS"], 0x11223340)
    await bench.write(place["LIST_ADDRESS"] + 2, 0xAA, size=1)
    assert (await bench.read(place["LIST_ADDRESS"]))[0] == 0x11AA3340
    assert int(dut.list_address_word.value) == 0x11AA3340 >> 3

    # Pulses last one cycle and leave nothing.
    seen = {"control_start": 0, "control_abort": 0, "control_soft_reset": 0}

    async def watch():
        while True:
            await RisingEdge(dut.clk)
            for name in seen:
                seen[name] += int(getattr(dut, name).value)

    cocotb.start_soon(watch())
    await bench.write(place["CONTROL"], 0b101)
    await bench.write(place["CONTROL"] + 1, 1, size=1)  # irq_enable alone
    assert seen == {"control_start": 1, "control_abort": 0, "control_soft_reset": 1}
    assert (await bench.read(place["CONTROL"]))[0] == 1 << 8

    # Causes stay until 1 is written to them.
    dut.irq_status_error.value = 1
    await RisingEdge(dut.clk)
    dut.irq_status_error.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)
    assert dut.irq.value
    assert (await bench.read(place["IRQ_STATUS"]))[0] == 0b10
    await bench.write(place["IRQ_STATUS"], 0b01)
    assert (await bench.read(place["IRQ_STATUS"]))[0] == 0b10
    await bench.write(place["IRQ_STATUS"], 0b10)
    assert (await bench.read(place["IRQ_STATUS"]))[0] == 0
    assert not dut.irq.value
    # Setting wins over clearing.
    dut.irq_status_done.value = 1
    await bench.write(place["IRQ_STATUS"], 0b01)
    dut.irq_status_done.value = 0
    assert (await bench.read(place["IRQ_STATUS"]))[0] == 0b01

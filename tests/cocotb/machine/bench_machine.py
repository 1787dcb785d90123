"""A command list through AXI4-Lite and AXI4 agents: memory must be the model's, byte for byte."""

import random
from pathlib import Path

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

import cocotb
from support.agents import settings
from support.axi_rules import AxiRules, paused


class Bench:
    """Agents at both ports; `bad`: bytes whose reads and writes answer SLVERR."""

    def __init__(self, dut):
        self.dut, self.given = dut, settings()
        rng = random.Random(self.given["seed"])
        cocotb.start_soon(Clock(dut.aclk, 10, "ns").start())
        dut.aresetn.value = 0
        reset = (dut.aclk, dut.aresetn, False)
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), *reset)
        self.before = Path(self.given["before"]).read_bytes()
        self.ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), *reset, size=len(self.before))
        self.ram.write(0, self.before)
        self.bad = range(0)
        self.rules = AxiRules(dut, dut.aclk)
        for agent in (self.registers, self.ram):
            channels = [agent.write_if.aw_channel, agent.write_if.w_channel, agent.write_if.b_channel]
            for channel in (*channels, agent.read_if.ar_channel, agent.read_if.r_channel):
                if self.given["pause"]:
                    channel.set_pause_generator(paused(random.Random(rng.random()), self.given["pause"]))
        self.slow_down()
        for side, name in ((self.ram.read_if, "_read"), (self.ram.write_if, "_write")):
            setattr(side, name, self.guarded(getattr(side, name)))

    def slow_down(self):
        """`latency` cycles pass from a read request to its answer."""
        channel = self.ram.read_if.ar_channel
        receive = channel.recv

        async def late():
            request = await receive()
            await ClockCycles(self.dut.aclk, self.given["latency"])
            return request

        channel.recv = late

    def guarded(self, access):
        """The access, or an error in the range `bad`."""

        async def checked(address, what):
            if address in self.bad:
                raise ValueError("not mapped")
            return await access(address, what)

        return checked

    async def reset(self):
        await ClockCycles(self.dut.aclk, 4)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    async def write(self, name, value):
        await self.registers.write_dword(self.given["registers"][name], value)

    async def read(self, name):
        return await self.registers.read_dword(self.given["registers"][name])

    async def run(self):
        """A list from start to interrupt."""
        await self.write("LIST_ADDRESS", self.given["list"])
        await self.write("LIST_WORDS", self.given["words"])
        await self.write("IRQ_STATUS", 3)
        await self.write("CONTROL", 0x101)
        for _ in range(self.given["limit"]):
            await RisingEdge(self.dut.aclk)
            if self.dut.irq.value:
                break
        else:
            raise AssertionError(f"no interrupt within {self.given['limit']} cycles")
        return await self.read("ERROR_CAUSE")


@cocotb.test()
async def list_runs(dut):
    bench = Bench(dut)
    await bench.reset()
    assert await bench.read("ID") == 0x4C4E5055
    assert await bench.run() == 0
    after = Path(bench.given["after"]).read_bytes()
    assert bytes(bench.ram.read(0, len(after))) == after
    assert bench.rules.bursts_seen > 10


@cocotb.test()
async def errors_stop_the_list(dut):
    bench = Bench(dut)
    await bench.reset()
    for address, cause in bench.given["faults"]:
        bench.ram.write(0, bench.before)
        bench.bad = range(address, address + 8)
        assert await bench.run() == cause
        assert await bench.read("STATUS") == 0b110
        place = await bench.read("ERROR_ADDRESS")
        assert place // 128 == address // 128 or place <= address < place + 128
    bench.bad = range(0)
    bench.ram.write(0, bench.before)
    assert await bench.run() == 0
    after = Path(bench.given["after"]).read_bytes()
    assert bytes(bench.ram.read(0, len(after))) == after

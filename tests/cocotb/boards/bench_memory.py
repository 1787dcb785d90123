"""Reads, writes and the host's accesses at the same time, each in its own part of the memory, against
numpy."""

import random

import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Combine, RisingEdge
from cocotbext.axi import AxiBurstType, AxiBus, AxiMaster, AxiResp

import cocotb
from support.agents import settings
from support.axi_rules import paused


class Bench:
    def __init__(self, dut):
        self.dut, given = dut, settings()
        self.rng = random.Random(given["seed"])
        self.size, self.pause = given["size"], given["pause"]
        self.model = np.zeros(self.size, np.uint8)
        cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
        dut.rst.value = 1
        dut.host_valid.value = 0
        self.axi = AxiMaster(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst)
        channels = (
            self.axi.write_if.aw_channel,
            self.axi.write_if.w_channel,
            self.axi.write_if.b_channel,
            self.axi.read_if.ar_channel,
            self.axi.read_if.r_channel,
        )
        for channel in channels if self.pause else ():
            channel.set_pause_generator(paused(random.Random(self.rng.random()), self.pause))

    async def reset(self):
        for _ in range(3):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        await RisingEdge(self.dut.clk)

    async def host(self, address, value=None):
        """An access of the host; what it read."""
        dut = self.dut
        dut.host_valid.value = 1
        dut.host_write.value = value is not None
        dut.host_address.value = address // 4
        dut.host_data.value = value or 0
        for _ in range(10000):
            await RisingEdge(dut.clk)
            if dut.host_ack.value:
                break
        else:
            raise AssertionError("no ack")
        assert not dut.host_error.value
        read = int(dut.host_read.value)
        dut.host_valid.value = 0
        while self.rng.random() < self.pause:
            await RisingEdge(dut.clk)
        return read

    def put(self, address, data):
        self.model[address : address + len(data)] = np.frombuffer(data, np.uint8)

    def get(self, address, count):
        return self.model[address : address + count].tobytes()

    def piece(self, low, high, longest=700):
        first = self.rng.randrange(low, high)
        return first, self.rng.randint(1, min(longest, high - first))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def side_by_side(dut):
    bench = Bench(dut)
    await bench.reset()
    rng, third = bench.rng, bench.size // 3
    content = rng.randbytes(bench.size)
    await bench.axi.write(0, content)
    bench.put(0, content)

    async def writes():
        for _ in range(25):
            first, count = bench.piece(0, third)
            data = rng.randbytes(count)
            done = await bench.axi.write(first, data)
            assert done.resp == AxiResp.OKAY
            bench.put(first, data)

    async def reads():
        for _ in range(25):
            first, count = bench.piece(third, 2 * third)
            done = await bench.axi.read(first, count)
            assert done.resp == AxiResp.OKAY
            assert done.data == bench.get(first, count), f"{count} bytes at {first:#x}"

    async def host():
        for _ in range(300):
            address = rng.randrange(2 * third, bench.size, 4)
            if rng.random() < 0.5:
                value = rng.getrandbits(32)
                await bench.host(address, value)
                bench.put(address, value.to_bytes(4, "little"))
            else:
                got = await bench.host(address)
                assert got.to_bytes(4, "little") == bench.get(address, 4), f"host at {address:#x}"

    await Combine(*(cocotb.start_soon(task()) for task in (writes, reads, host)))
    done = await bench.axi.read(0, bench.size)
    assert done.data == bench.get(0, bench.size)
    for address in rng.sample(range(0, bench.size, 4), 50):
        assert (await bench.host(address)).to_bytes(4, "little") == bench.get(address, 4)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def refused(dut):
    """Other bursts and addresses behind the end: an error, and nothing is written."""
    bench = Bench(dut)
    await bench.reset()
    content = bench.rng.randbytes(bench.size)
    await bench.axi.write(0, content)
    bench.put(0, content)
    for options, address, response in (
        ({}, bench.size, AxiResp.DECERR),
        ({}, 1 << 31, AxiResp.DECERR),
        ({"burst": AxiBurstType.FIXED}, 64, AxiResp.SLVERR),
        ({"size": 2}, 64, AxiResp.SLVERR),
    ):
        done = await bench.axi.write(address, bytes(32), **options)
        assert done.resp == response, f"write at {address:#x} {options}: {done.resp}"
        done = await bench.axi.read(address, 32, **options)
        assert done.resp == response, f"read at {address:#x} {options}: {done.resp}"
        # The next good access is not touched by it.
        done = await bench.axi.read(0, 64)
        assert (done.resp, done.data) == (AxiResp.OKAY, content[:64])
    done = await bench.axi.read(0, bench.size)
    assert done.data == content

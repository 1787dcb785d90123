# amaranth: UnusedElaboratable=no
"""Receiver and transmitter, bit by bit."""

import random

import pytest
from amaranth.sim import Simulator

from lnpu.boards.protocol import BoardError, bit_cycles
from lnpu.boards.uart import UartReceiver, UartTransmitter


def frame(byte):
    """Bits of a byte on the line."""
    return [0, *(byte >> n & 1 for n in range(8)), 1]


def run(unit, bench):
    sim = Simulator(unit)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("divisor", [4, 7])
def test_transmitter(divisor):
    """Every cycle of the line; bytes follow each other without a gap where they wait."""
    unit, line = UartTransmitter(divisor), []
    data = [0x00, 0xFF, 0x55, 0xA3, 0x80]

    async def bench(ctx):
        for n, byte in enumerate(data):
            ctx.set(unit.i.payload, byte)
            ctx.set(unit.i.valid, 1)
            while True:
                _, _, ready, tx = await ctx.tick().sample(unit.i.ready, unit.tx)
                line.append(tx)
                if ready:
                    break
            ctx.set(unit.i.valid, 0)
            if n == 2:  # a pause
                for _ in range(13 * divisor):
                    line.append((await ctx.tick().sample(unit.tx))[2])
        for _ in range(12 * divisor):
            line.append((await ctx.tick().sample(unit.tx))[2])

    run(unit, bench)
    bits = [bit for byte in data[:3] for bit in frame(byte)]
    want = [1] + [bit for bit in bits for _ in range(divisor)]
    assert line[: len(want)] == want
    rest = line[len(want) :]
    start = rest.index(0)
    want = [bit for byte in data[3:] for bit in frame(byte) for _ in range(divisor)]
    assert rest[start : start + len(want)] == want
    assert all(rest[:start] + rest[start + len(want) :])


def received(divisor, line):
    """Bytes and broken bytes that the receiver finds in samples of the line."""
    unit, found, broken = UartReceiver(divisor), [], 0

    async def bench(ctx):
        nonlocal broken
        for level in [*line, *[1] * 12 * divisor]:
            ctx.set(unit.rx, level)
            _, _, valid, byte, bad = await ctx.tick().sample(unit.o.valid, unit.o.payload, unit.broken)
            if valid:
                found.append(byte)
            broken += bad

    run(unit, bench)
    return found, broken


def samples(data, cycles, rng=None):
    """The line at each cycle when a bit takes `cycles` (any number); with gaps when there is a generator."""
    line, at = [], 0.0
    for byte in data:
        for bit in frame(byte):
            at += cycles
            line += [bit] * (round(at) - len(line))
        if rng:
            gap = rng.choice([0, 0, 1, 5, 40])
            at += gap
            line += [1] * gap
    return line


@pytest.mark.parametrize(("divisor", "cycles"), [(4, 4), (7, 7), (16, 16), (16, 16.6), (16, 15.4), (9, 9.2)])
def test_receiver(divisor, cycles):
    rng = random.Random(divisor)
    data = [0x00, 0xFF, 0x55, 0xAA, *rng.randbytes(30)]
    assert received(divisor, samples(data, cycles)) == (data, 0)
    assert received(divisor, samples(data, cycles, rng)) == (data, 0)


def test_spikes_and_breaks():
    """A short 0 is no byte; a missing stop bit is counted, and the line must be 1 before the next byte."""
    spike = [1] * 9 + [0] * 3 + [1] * 20
    assert received(8, spike + samples([0x12], 8)) == ([0x12], 0)
    low = [0] * 8 * 25
    assert received(8, samples([0x34], 8) + low + [1] * 30 + samples([0x56], 8)) == ([0x34, 0x56], 1)


def test_rates():
    assert bit_cycles(25_000_000, 1_000_000) == 25
    assert bit_cycles(48_000_000, 115_200) == 417
    with pytest.raises(BoardError, match=r"`baud` must be 1 to 6250000 at a clock of 25000000 Hz, not 7000"):
        bit_cycles(25_000_000, 7_000_000)
    with pytest.raises(BoardError, match=r"not 3000000: 3125000 is the nearest"):
        bit_cycles(25_000_000, 3_000_000)
    for unit in (UartReceiver, UartTransmitter):
        with pytest.raises(BoardError, match=r"`divisor` must be 4 to 65536 cycles a bit, not 3"):
            unit(3)

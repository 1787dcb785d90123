# amaranth: UnusedElaboratable=no
"""DMAs against a memory with latency, stalls and errors."""

import random

import pytest
from amaranth.sim import Simulator

from lnpu.bus.read import ReadDma
from lnpu.bus.write import WriteDma
from support.bus import Memory, put, take

POINTS = [
    # latency, rate of the bus, rate of the streams
    (1, 1.0, 1.0),
    (50, 1.0, 1.0),
    (3, 0.4, 1.0),
    (7, 1.0, 0.3),
    (20, 0.5, 0.5),
]


def commands(rng, count, most=70):
    return [{"address": 8 * rng.randrange(4096), "words": rng.randint(1, most)} for _ in range(count)]


def run(dut, memory, *benches, side):
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(getattr(memory, side), background=True)
    for bench in benches:
        sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize(("latency", "bus", "streams"), POINTS)
@pytest.mark.parametrize("geometry", [{}, {"burst": 4, "outstanding": 3, "depth": 9}])
def test_reads_in_order(latency, bus, streams, geometry):
    rng = random.Random(latency)
    dut = ReadDma(**geometry)
    memory = Memory(dut.m_axi, latency=latency, rate=bus, limit=dut.burst)
    todo = [{"address": 4096 - 8, "words": 3}, *commands(rng, 12)]

    async def sink(ctx):
        for command in todo:
            got = await take(ctx, dut.o, command["words"], rng, streams)
            first = command["address"] // 8
            assert [word.data for word in got] == [memory.read(first + n) for n in range(command["words"])]
            assert [word.last for word in got] == [0] * (command["words"] - 1) + [1]
        assert ctx.get(dut.error) == 0
        assert memory.most <= dut.outstanding
        await ctx.tick().repeat(3)
        assert ctx.get(dut.busy) == 0

    async def source(ctx):
        await put(ctx, dut.commands, todo, random.Random(5), streams)

    run(dut, memory, source, sink, side="reads")


def test_reads_at_full_speed():
    dut = ReadDma(outstanding=8)
    memory = Memory(dut.m_axi, latency=50)

    async def source(ctx):
        await put(ctx, dut.commands, [{"address": 0, "words": 2000}])

    async def sink(ctx):
        ctx.set(dut.o.ready, 1)
        await ctx.tick().until(dut.o.valid)
        cycles = 0
        while True:
            _, _, valid, last = await ctx.tick().sample(dut.o.valid, dut.o.payload.last)
            cycles += 1
            if valid and last:
                break
        assert cycles <= 2000 + 2

    run(dut, memory, source, sink, side="reads")


def test_command_without_words_does_nothing():
    dut = ReadDma()
    memory = Memory(dut.m_axi)

    async def source(ctx):
        await put(ctx, dut.commands, [{"address": 8, "words": 0}, {"address": 800, "words": 2}])

    async def sink(ctx):
        got = await take(ctx, dut.o, 2)
        assert [word.data for word in got] == [memory.read(100), memory.read(101)]
        assert memory.bursts == [("ar", 800, 2)]

    run(dut, memory, source, sink, side="reads")


@pytest.mark.parametrize("response", [2, 3])
def test_read_error_gives_zeros_and_goes_on(response):
    dut = ReadDma(burst=4)
    memory = Memory(dut.m_axi, latency=4, limit=4, bad={1006, 1010}, response=response)

    async def source(ctx):
        await put(ctx, dut.commands, [{"address": 8000, "words": 12}, {"address": 16000, "words": 5}])

    async def sink(ctx):
        got = [word.data for word in await take(ctx, dut.o, 12)]
        assert got == [memory.read(1000 + n) if n < 6 else 0 for n in range(12)]
        got = [word.data for word in await take(ctx, dut.o, 5)]
        assert got == [memory.read(2000 + n) for n in range(5)]
        assert (ctx.get(dut.error), ctx.get(dut.response)) == (1, response)
        assert ctx.get(dut.error_address) == 1006 * 8
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        await ctx.tick()
        assert ctx.get(dut.error) == 0

    run(dut, memory, source, sink, side="reads")


async def until_idle(ctx, dut):
    for _ in range(500):
        if not ctx.get(dut.busy):
            return
        await ctx.tick()
    raise AssertionError("`busy` does not fall")


@pytest.mark.parametrize("wait", [0, 1, 2, 3, 4, 5, 8, 20, 33, 40])
def test_read_abort_leaves_nothing_behind(wait):
    dut = ReadDma(burst=8, outstanding=3)
    memory = Memory(dut.m_axi, latency=10, rate=0.6, limit=8, seed=wait, bad={5})

    async def bench(ctx):
        ctx.set(dut.commands.payload, {"address": 0, "words": 100})
        ctx.set(dut.commands.valid, 1)
        await ctx.tick().repeat(wait + 1)
        ctx.set(dut.commands.valid, 0)
        ctx.set(dut.abort, 1)
        await ctx.tick()
        ctx.set(dut.abort, 0)
        await until_idle(ctx, dut)
        assert memory.outstanding == 0
        await put(ctx, dut.commands, [{"address": 800, "words": 20}])
        got = [word.data for word in await take(ctx, dut.o, 20)]
        assert got == [memory.read(100 + n) for n in range(20)]
        await until_idle(ctx, dut)

    run(dut, memory, bench, side="reads")


@pytest.mark.parametrize(("latency", "bus", "streams"), POINTS)
@pytest.mark.parametrize("geometry", [{}, {"burst": 4, "outstanding": 3}])
def test_writes(latency, bus, streams, geometry):
    rng = random.Random(latency)
    dut = WriteDma(**geometry)
    memory = Memory(dut.m_axi, latency=latency, rate=bus, limit=dut.burst)
    todo = [{"address": 4096 - 8, "words": 3}, *commands(rng, 12)]
    words = [
        {"data": rng.getrandbits(64), "strobe": rng.choice([255, 255, rng.getrandbits(8)])}
        for command in todo
        for _ in range(command["words"])
    ]
    expected = Memory(None)
    flow = iter(words)
    for command in todo:
        for n in range(command["words"]):
            word, beat = command["address"] // 8 + n, next(flow)
            mask = sum(0xFF << 8 * i for i in range(8) if beat["strobe"] >> i & 1)
            expected.data[word] = expected.read(word) & ~mask | beat["data"] & mask

    async def source(ctx):
        await put(ctx, dut.commands, todo, random.Random(5), streams)

    async def data(ctx):
        await put(ctx, dut.i, words, random.Random(6), streams)
        await until_idle(ctx, dut)
        assert memory.data == expected.data
        assert ctx.get(dut.done) == len(todo)
        assert ctx.get(dut.error) == 0
        assert memory.most <= dut.outstanding

    run(dut, memory, source, data, side="writes")


def test_write_error_is_kept_and_counted_as_done():
    dut = WriteDma(burst=4)
    memory = Memory(dut.m_axi, limit=4, bad={1006}, response=3)

    async def source(ctx):
        await put(ctx, dut.commands, [{"address": 8000, "words": 12}, {"address": 16000, "words": 5}])

    async def data(ctx):
        await put(ctx, dut.i, [{"data": n, "strobe": 255} for n in range(17)])
        await until_idle(ctx, dut)
        assert ctx.get(dut.done) == 2
        assert (ctx.get(dut.error), ctx.get(dut.response)) == (1, 3)
        assert ctx.get(dut.error_address) == 1004 * 8
        assert [memory.read(2000 + n) for n in range(5)] == list(range(12, 17))

    run(dut, memory, source, data, side="writes")


@pytest.mark.parametrize("wait", [0, 1, 2, 3, 4, 5, 8, 20, 33])
def test_write_abort_leaves_memory_alone(wait):
    dut = WriteDma(burst=8, outstanding=3)
    memory = Memory(dut.m_axi, latency=10, rate=0.6, limit=8, seed=wait)

    async def bench(ctx):
        ctx.set(dut.commands.payload, {"address": 0, "words": 100})
        ctx.set(dut.commands.valid, 1)
        await ctx.tick().repeat(wait + 1)
        ctx.set(dut.commands.valid, 0)
        ctx.set(dut.abort, 1)
        await ctx.tick()
        ctx.set(dut.abort, 0)
        await until_idle(ctx, dut)
        assert memory.outstanding == 0
        fresh = Memory(None)
        assert all(value == fresh.read(word) for word, value in memory.data.items())
        assert ctx.get(dut.done) == 0

    async def after(ctx):
        await ctx.tick().repeat(300)
        await put(ctx, dut.commands, [{"address": 800, "words": 20}])
        await put(ctx, dut.i, [{"data": n, "strobe": 255} for n in range(20)])
        await until_idle(ctx, dut)
        assert [memory.read(100 + n) for n in range(20)] == list(range(20))
        assert ctx.get(dut.done) == 1

    run(dut, memory, bench, after, side="writes")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReadDma(burst=3), "`burst` must be a power of two from 2 to 256 beats, not 3"),
        (lambda: ReadDma(outstanding=65), "`outstanding` must be 1 to 64 bursts, not 65"),
        (lambda: ReadDma(depth=8), "`depth` must be 16"),
        (lambda: WriteDma(outstanding=0), "`outstanding` must be 1 to 64 bursts, not 0"),
    ],
)
def test_wrong_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()

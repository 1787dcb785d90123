"""Two readers and two writers on one AxiRam, every channel paused at random."""

import random

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiRam

import cocotb
from lnpu_sim.rtl import STALL_PATTERNS
from support.agents import Monitor, Sink, Source, settings
from support.axi_rules import AxiRules, paused

SIZE = 1 << 16


@cocotb.test()
async def moves(dut):
    given = settings()
    rng = random.Random(given["seed"])
    source_stall, sink_stall = STALL_PATTERNS[given["pattern"]]
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    dut.rst.value = 1
    for n in range(2):
        for name in (f"rc{n}_valid", f"wc{n}_valid", f"wi{n}_valid", f"ro{n}_ready"):
            getattr(dut, name).value = 0
    ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=SIZE)
    if given["pause"]:
        for channel in (
            ram.write_if.aw_channel,
            ram.write_if.w_channel,
            ram.write_if.b_channel,
            ram.read_if.ar_channel,
            ram.read_if.r_channel,
        ):
            channel.set_pause_generator(paused(random.Random(rng.random()), given["pause"]))
    rules = AxiRules(dut, dut.clk)
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    # Readers read the lower half, writers write quarters of the upper half.
    content = rng.randbytes(SIZE)
    ram.write(0, content)
    expected = bytearray(content)
    sources, sinks, wanted = [], [], []
    for n in range(2):
        reads = [(rng.randrange(SIZE // 16 - 64), rng.randint(1, 60)) for _ in range(10)]
        writes = [
            (SIZE // 16 + n * SIZE // 32 + rng.randrange(SIZE // 32 - 64), rng.randint(1, 60))
            for _ in range(10)
        ]
        seed = given["seed"] * 100 + n * 10
        rc = Source(dut, f"rc{n}", [f"rc{n}_address", f"rc{n}_words"], source_stall, seed)
        wc = Source(dut, f"wc{n}", [f"wc{n}_address", f"wc{n}_words"], source_stall, seed + 1)
        wi = Source(dut, f"wi{n}", [f"wi{n}_data", f"wi{n}_strobe"], source_stall, seed + 2)
        ro = Sink(dut, f"ro{n}", [f"ro{n}_data", f"ro{n}_last"], sink_stall, seed + 3)
        assert isinstance(ro.monitor, Monitor)
        rc.queue.extend({f"rc{n}_address": 8 * word, f"rc{n}_words": words} for word, words in reads)
        wc.queue.extend({f"wc{n}_address": 8 * word, f"wc{n}_words": words} for word, words in writes)
        for word, words in writes:
            for i in range(words):
                data, strobe = rng.randbytes(8), rng.choice([255, rng.getrandbits(8)])
                wi.queue.append({f"wi{n}_data": int.from_bytes(data, "little"), f"wi{n}_strobe": strobe})
                for byte in range(8):
                    if strobe >> byte & 1:
                        expected[8 * (word + i) + byte] = data[byte]
        wanted.append(
            [
                {
                    f"ro{n}_data": int.from_bytes(content[8 * (word + i) :][:8], "little"),
                    f"ro{n}_last": int(i == words - 1),
                }
                for word, words in reads
                for i in range(words)
            ]
        )
        sources += [rc, wc, wi]
        sinks.append(ro)
    for _ in range(20000):
        await RisingEdge(dut.clk)
        sent = not any(source.queue for source in sources) and not dut.busy.value
        if sent and all(len(sink.beats) >= len(want) for sink, want in zip(sinks, wanted, strict=True)):
            break
    for _ in range(20):
        await RisingEdge(dut.clk)
    assert [len(sink.beats) for sink in sinks] == [len(want) for want in wanted]
    assert [sink.beats for sink in sinks] == wanted
    assert bytes(ram.read(0, SIZE)) == bytes(expected)
    assert not dut.busy.value
    assert not dut.error.value
    assert rules.bursts_seen >= 40

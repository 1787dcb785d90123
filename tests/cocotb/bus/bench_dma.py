"""Two readers and two writers on one AxiRam, every channel paused at random."""

import random

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiRam

import cocotb
from lnpu_sim.rtl import STALL_PATTERNS
from support.agents import Monitor, Sink, Source, settings

SIZE = 1 << 16


def paused(rng, rate):
    while True:
        yield rng.random() < rate


class Protocol:
    """The rules of AXI4 that concern the manager, watched at the pins."""

    def __init__(self, dut):
        payload = ["addr", "len", "size", "burst", "cache", "prot"]
        for channel in ("ar", "aw"):
            names = [f"m_axi_{channel}{name}" for name in payload]
            cocotb.start_soon(self.hold(dut, f"m_axi_{channel}", names))
        cocotb.start_soon(self.hold(dut, "m_axi_w", ["m_axi_wdata", "m_axi_wstrb", "m_axi_wlast"]))
        cocotb.start_soon(self.bursts(dut))
        self.count = 0

    async def hold(self, dut, channel, names):
        valid, ready = getattr(dut, f"{channel}valid"), getattr(dut, f"{channel}ready")
        held = None
        while True:
            await RisingEdge(dut.clk)
            now = tuple(int(getattr(dut, name).value) for name in names) if valid.value else None
            assert held is None or held == now, f"{channel}: {held} became {now}"
            held = now if now is not None and not ready.value else None

    async def bursts(self, dut):
        while True:
            await RisingEdge(dut.clk)
            for channel in ("ar", "aw"):
                port = {
                    name: getattr(dut, f"m_axi_{channel}{name}").value
                    for name in ("valid", "ready", "addr", "len", "size", "burst")
                }
                if port["valid"] and port["ready"]:
                    self.count += 1
                    first, length = int(port["addr"]), int(port["len"])
                    assert first % 8 == 0
                    assert length < 16
                    assert first // 4096 == (first + 8 * length) // 4096, f"{first:#x} crosses 4 KiB"
                    assert (int(port["size"]), int(port["burst"])) == (3, 1)


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
    protocol = Protocol(dut)
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
    assert protocol.count >= 40

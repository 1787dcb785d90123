"""cocotb bench of any codec block: plays beats from a file, compares all outputs, counts idle cycles."""

import json
from pathlib import Path

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

import cocotb
from lnpu_sim.rtl import STALL_PATTERNS
from support.agents import Sink, Source, settings


class Gaps:
    """Cycles without a transfer between the first and the last one of a stream."""

    def __init__(self, dut, prefix):
        self.dut, self.count, self._open = dut, 0, None
        self.valid, self.ready = getattr(dut, f"{prefix}_valid"), getattr(dut, f"{prefix}_ready")
        self._task = cocotb.start_soon(self._watch())

    async def _watch(self):
        while True:
            await RisingEdge(self.dut.clk)
            if self.valid.value and self.ready.value:
                self.count += self._open or 0
                self._open = 0
            elif self._open is not None:
                self._open += 1


@cocotb.test()
async def plays(dut):
    given = settings()
    beats = json.loads(Path(given["beats"]).read_text())
    source_stall, sink_stall = STALL_PATTERNS[given["pattern"]]
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    dut.rst.value, dut.clear.value = 1, 0
    sources, sinks = {}, {}
    for seed, (prefix, rows) in enumerate(beats["sources"].items()):
        sources[prefix] = Source(dut, prefix, list(rows[0]), source_stall, given["seed"] + seed)
    for seed, (prefix, rows) in enumerate(beats["sinks"].items()):
        sinks[prefix] = Sink(dut, prefix, list(rows[0]), sink_stall, given["seed"] + 9 + seed)
    gaps = Gaps(dut, given["counted"])
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for prefix, rows in beats["sources"].items():
        sources[prefix].queue.extend(rows)
    idle, seen = 0, -1
    while any(len(sinks[prefix].beats) < len(rows) for prefix, rows in beats["sinks"].items()):
        await RisingEdge(dut.clk)
        moved = sum(len(sink.beats) for sink in sinks.values())
        idle, seen = (idle + 1 if moved == seen else 0), moved
        assert idle < 2000, f"hang: { ({p: len(s.beats) for p, s in sinks.items()}) }"
    for _ in range(50):
        await RisingEdge(dut.clk)
    for prefix, rows in beats["sinks"].items():
        got = sinks[prefix].beats
        assert len(got) == len(rows), f"{prefix}: {len(got)} beats, not {len(rows)}"
        for index, (have, want) in enumerate(zip(got, rows, strict=True)):
            assert have == want, f"{prefix}: beat {index}: {have}, not {want}"
    if "errors" in beats:
        assert int(dut.errors.value) == beats["errors"]
    allowed = given["gaps"]
    assert allowed is None or gaps.count <= allowed, f"{gaps.count} idle cycles, at most {allowed} allowed"
    Path(given["report"]).write_text(json.dumps({"idle": gaps.count}))

"""cocotb bench of the stream register (and of its broken variants)."""

import random

import cocotb
from support.agents import TB, settings


@cocotb.test()
async def passes_every_beat(dut):
    rng = random.Random(5)
    given = settings()
    tb = TB(dut, inputs=["i_a"], outputs=["o_d"], pattern=given["pattern"], seed=given["seed"])
    await tb.reset()
    values = [rng.getrandbits(16) for _ in range(200)] + [0xBEEF]
    beats = await tb.play([{"i_a": value} for value in values])
    for index, (beat, value) in enumerate(zip(beats, values, strict=True)):
        assert beat["o_d"] == value, f"beat {index}: {beat['o_d']:#06x}, not {value:#06x}"

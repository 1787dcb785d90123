"""cocotb bench of an FMA: operations and expected results come from the caller."""

from cocotb.triggers import ReadOnly, RisingEdge

import cocotb
from support.agents import TB, settings


def bench(dut):
    given = settings()
    tb = TB(
        dut, inputs=given["inputs"], outputs=["o_d", "o_flags"], pattern=given["pattern"], seed=given["seed"]
    )
    return tb, given


@cocotb.test()
async def computes_every_operation(dut):
    tb, given = bench(dut)
    await tb.reset()
    results = await tb.play(given["operations"])
    for index, (operation, result, expected) in enumerate(
        zip(given["operations"], results, given["expected"], strict=True)
    ):
        assert result == expected, f"operation {index}: {operation}: {result}, not {expected}"


@cocotb.test()
async def reset_drops_what_is_inside(dut):
    """After a reset in the middle of a run nothing old comes out, and new operations are right."""
    tb, given = bench(dut)
    await tb.reset()
    tb.source.queue.extend(given["operations"])
    for _ in range(25):
        await RisingEdge(dut.clk)
    tb.source.queue.clear()
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    await ReadOnly()
    assert dut.o_valid.value == 0, "a beat survived the reset"
    await RisingEdge(dut.clk)
    # A beat that still waits at the source is not part of the unit: let it pass.
    dut.rst.value = 0
    for _ in range(60):
        await RisingEdge(dut.clk)
    results = await tb.play(given["operations"])
    assert results == given["expected"]

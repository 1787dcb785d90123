"""Rules of AXI4 that a manager must keep (AMBA AXI, ARM IHI 0022), watched at the pins."""

from cocotb.triggers import RisingEdge

import cocotb

__all__ = ["AxiRules", "paused"]


def paused(rng, rate):
    """A pause generator for cocotbext-axi: waits in a share `rate` of the cycles."""
    while True:
        yield rng.random() < rate


class AxiRules:
    """Stable channels, legal bursts of at most `longest` beats, WLAST at the last beat of each.

    Args:
        dut: a unit with ports `m_axi_*`. clk: its clock.
    """

    def __init__(self, dut, clk, longest=16):
        self.clk, self.longest, self.bursts_seen = clk, longest, 0
        payload = ["addr", "len", "size", "burst", "cache", "prot"]
        for channel in ("ar", "aw"):
            names = [f"m_axi_{channel}{name}" for name in payload]
            cocotb.start_soon(self.hold(dut, f"m_axi_{channel}", names))
        cocotb.start_soon(self.hold(dut, "m_axi_w", ["m_axi_wdata", "m_axi_wstrb", "m_axi_wlast"]))
        cocotb.start_soon(self.bursts(dut))
        cocotb.start_soon(self.lasts(dut))

    async def hold(self, dut, channel, names):
        valid, ready = getattr(dut, f"{channel}valid"), getattr(dut, f"{channel}ready")
        held = None
        while True:
            await RisingEdge(self.clk)
            now = tuple(int(getattr(dut, name).value) for name in names) if valid.value else None
            assert held is None or held == now, f"{channel}: {held} became {now}"
            held = now if now is not None and not ready.value else None

    async def bursts(self, dut):
        while True:
            await RisingEdge(self.clk)
            for channel in ("ar", "aw"):
                port = {
                    name: getattr(dut, f"m_axi_{channel}{name}").value
                    for name in ("valid", "ready", "addr", "len", "size", "burst")
                }
                if port["valid"] and port["ready"]:
                    self.bursts_seen += 1
                    first, length = int(port["addr"]), int(port["len"])
                    assert first % 8 == 0
                    assert length < self.longest
                    assert first // 4096 == (first + 8 * length) // 4096, f"{first:#x} crosses 4 KiB"
                    assert (int(port["size"]), int(port["burst"])) == (3, 1)

    async def lasts(self, dut):
        """Beats of W against the lengths that AW asked for; W may run ahead of its AW."""
        asked, beats = [], []
        while True:
            await RisingEdge(self.clk)
            if dut.m_axi_awvalid.value and dut.m_axi_awready.value:
                asked.append(int(dut.m_axi_awlen.value))
            if dut.m_axi_wvalid.value and dut.m_axi_wready.value:
                beats.append(int(dut.m_axi_wlast.value))
            while asked and len(beats) > asked[0]:
                length = asked.pop(0)
                assert beats[: length + 1] == [0] * length + [1], "WLAST at the wrong beat"
                del beats[: length + 1]

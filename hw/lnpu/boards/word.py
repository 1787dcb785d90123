"""The word bus between the host link and what it reaches: one access of 32 bits at a time."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import AxiLite

__all__ = ["AxiLiteBridge", "Decoder", "WordBus"]


class WordBus(wiring.Signature):
    """An access, seen from who asks.

    Members: `valid`, `write`, `address` (32 bits, bytes / 4), `data`: stay until `ack`, which is 1 for one
    cycle with `read` and `error`. The next access may follow at once.
    """

    def __init__(self):
        super().__init__(
            {
                "valid": Out(1),
                "write": Out(1),
                "address": Out(32),
                "data": Out(32),
                "ack": In(1),
                "read": In(32),
                "error": In(1),
            }
        )


class Decoder(wiring.Component):
    """Gives an access to whom its address belongs; an access to nobody is answered by an error at once.

    Args:
        regions: (first, words): addresses of each target, in words; they must not overlap.

    Members:
        bus: `In(WordBus)`. targets: `Out(WordBus)` for each region; `address` counts from its first word.
    """

    def __init__(self, regions: Sequence[tuple[int, int]]):
        self.regions = tuple(regions)
        super().__init__({"bus": In(WordBus()), "targets": Out(WordBus()).array(len(self.regions))})

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        hits = Signal(len(self.regions))
        m.d.comb += [bus.ack.eq(bus.valid), bus.error.eq(1)]
        for n, ((first, words), target) in enumerate(zip(self.regions, self.targets, strict=True)):
            offset = Signal(32, name=f"offset{n}")
            m.d.comb += [
                offset.eq(bus.address - first),  # wraps: addresses below the region are far above it
                hits[n].eq(offset < words),
                target.valid.eq(bus.valid & hits[n]),
                target.write.eq(bus.write),
                target.address.eq(offset),
                target.data.eq(bus.data),
            ]
            with m.If(hits[n]):
                m.d.comb += [
                    bus.ack.eq(target.ack),
                    bus.read.eq(target.read),
                    bus.error.eq(target.error),
                ]
        return m


class AxiLiteBridge(wiring.Component):
    """Accesses as AXI4-Lite transactions, one at a time.

    Args:
        address_bits: of the port's byte addresses.

    Members:
        bus: `In(WordBus)`; any response but OKAY is an error. axil: `Out(AxiLite)`; valid comes from
        registers.
    """

    def __init__(self, address_bits: int):
        super().__init__({"bus": In(WordBus()), "axil": Out(AxiLite(address_bits))})

    def elaborate(self, platform):
        m = Module()
        bus, axil = self.bus, self.axil
        busy = Signal()
        m.d.comb += [
            axil.awaddr.eq(bus.address << 2),
            axil.araddr.eq(bus.address << 2),
            axil.wdata.eq(bus.data),
            axil.wstrb.eq(0xF),
            axil.bready.eq(1),
            axil.rready.eq(1),
            bus.ack.eq(busy & (axil.bvalid | axil.rvalid)),
            bus.read.eq(axil.rdata),
        ]
        with m.If(axil.bvalid):
            m.d.comb += bus.error.eq(axil.bresp.any())
        with m.Else():
            m.d.comb += bus.error.eq(axil.rresp.any())
        for valid, ready in (
            (axil.awvalid, axil.awready),
            (axil.wvalid, axil.wready),
            (axil.arvalid, axil.arready),
        ):
            with m.If(ready):
                m.d.sync += valid.eq(0)
        with m.If(bus.ack):
            m.d.sync += busy.eq(0)
        with m.Elif(bus.valid & ~busy):
            m.d.sync += [
                busy.eq(1),
                axil.awvalid.eq(bus.write),
                axil.wvalid.eq(bus.write),
                axil.arvalid.eq(~bus.write),
            ]
        return m

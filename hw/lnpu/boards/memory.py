"""Memory on the chip: block RAM behind an AXI4 port, with a second port for the host."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from lnpu.boards.protocol import check_memory
from lnpu.boards.word import WordBus
from lnpu.bus.axi import WORD_BYTES, Axi4, Response

__all__ = ["OnChipMemory"]

_INCR = 1
_FULL_SIZE = 3
"""AxSIZE of 8 bytes."""


class OnChipMemory(wiring.Component):
    """One RAM of 64-bit words with byte strobes, one read and one write port.

    Args:
        kilobytes: its size, a multiple of 4 from 4 to 65536, from address 0.

    Members:
        m_axi: `In(Axi4)`: bursts INCR of 8-byte beats that do not cross 4 KiB; others are answered by SLVERR,
        and addresses behind the end by DECERR; such bursts read as anything and write nothing. host:
        `In(WordBus)`: words of 32 bits, the lower half of a RAM word at even addresses; addresses wrap.

    Timing: a beat a cycle, reads and writes side by side; one cycle between bursts. The host goes first and
    takes a cycle of one side; its ack comes a cycle later. A host's read waits while the AXI port holds a
    beat that is not taken.

    A word that is read while it is written gives anything for the bytes that are written: the order of a read
    and a write that are under way together is open in AXI, and the machine does not do it.
    """

    def __init__(self, kilobytes: int):
        check_memory(kilobytes)
        self.kilobytes = kilobytes
        self.depth = kilobytes * 1024 // WORD_BYTES
        super().__init__({"m_axi": In(Axi4()), "host": In(WordBus())})

    def elaborate(self, platform):
        m = Module()
        # Without the mark mappers build what returns the old word.
        m.submodules.ram = ram = Memory(shape=64, depth=self.depth, init=[], attrs={"no_rw_check": 1})
        read, write = ram.read_port(), ram.write_port(granularity=8)
        acked = Signal()
        half = Signal(reset_less=True)
        host_reads, host_writes = Signal(), Signal()
        m.d.comb += host_writes.eq(self.host.valid & self.host.write & ~acked)
        m.d.sync += [acked.eq(host_reads | host_writes), half.eq(self.host.address[0])]
        m.d.comb += [
            self.host.ack.eq(acked),
            self.host.read.eq(Mux(half, read.data[32:], read.data[:32])),
            self.host.error.eq(0),
        ]
        self._reads(m, read, host_reads, acked)
        self._writes(m, write, host_writes)
        return m

    def _response(self, m: Module, prefix: str) -> Signal:
        """What a burst's request is answered by."""
        axi = self.m_axi
        address, burst, size = (getattr(axi, f"{prefix}{name}") for name in ("addr", "burst", "size"))
        response = Signal(2, name=f"{prefix}_response")
        with m.If((burst != _INCR) | (size != _FULL_SIZE)):
            m.d.comb += response.eq(Response.SLVERR.value)
        with m.Elif((address >> 3) >= self.depth):
            m.d.comb += response.eq(Response.DECERR.value)
        return response

    def _reads(self, m: Module, port, host_reads: Signal, acked: Signal) -> None:
        axi, host = self.m_axi, self.host
        word = Signal(range(self.depth), name="read_word", reset_less=True)
        left = Signal(9, name="read_left")  # beats that are not asked for
        response = Signal(2, name="read_response", reset_less=True)
        free, asks = Signal(name="read_free"), Signal(name="read_asks")
        m.d.comb += [
            free.eq(~axi.rvalid | axi.rready),
            host_reads.eq(host.valid & ~host.write & ~acked & free),
            asks.eq((left != 0) & free & ~host_reads),
            axi.arready.eq(left == 0),
            axi.rdata.eq(port.data),
            port.en.eq(host_reads | asks),
            port.addr.eq(Mux(host_reads, host.address[1:], word)),
        ]
        with m.If(free):
            m.d.sync += [
                axi.rvalid.eq(asks),
                axi.rlast.eq(left == 1),
                axi.rresp.eq(response),
            ]
        with m.If(asks):
            m.d.sync += [left.eq(left - 1), word.eq(word + 1)]
        with m.If(axi.arready & axi.arvalid):
            m.d.sync += [
                left.eq(axi.arlen + 1),
                word.eq(axi.araddr >> 3),
                response.eq(self._response(m, "ar")),
                axi.rid.eq(axi.arid),
            ]

    def _writes(self, m: Module, port, host_writes: Signal) -> None:
        axi, host = self.m_axi, self.host
        word = Signal(range(self.depth), name="write_word", reset_less=True)
        busy = Signal(name="write_busy")
        response = Signal(2, name="write_response", reset_less=True)
        high = host.address[0]
        m.d.comb += [
            axi.awready.eq(~busy & ~axi.bvalid),
            axi.wready.eq(busy & ~host_writes),
            axi.bresp.eq(response),
            port.addr.eq(Mux(host_writes, host.address[1:], word)),
            port.data.eq(Mux(host_writes, Cat(host.data, host.data), axi.wdata)),
        ]
        with m.If(host_writes):
            m.d.comb += port.en.eq(Mux(high, Const(0xF0, 8), Const(0x0F, 8)))
        with m.Elif(axi.wvalid & axi.wready & ~response.any()):
            m.d.comb += port.en.eq(axi.wstrb)
        with m.If(axi.bready):
            m.d.sync += axi.bvalid.eq(0)
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += word.eq(word + 1)
            with m.If(axi.wlast):
                m.d.sync += [busy.eq(0), axi.bvalid.eq(1)]
        with m.If(axi.awready & axi.awvalid):
            m.d.sync += [
                busy.eq(1),
                word.eq(axi.awaddr >> 3),
                response.eq(self._response(m, "aw")),
                axi.bid.eq(axi.awid),
            ]

"""X buffer: the elements of a tile's blocks, decoded once, read block by block in any order."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.array.config import EngineConfig
from lnpu.array.walk_payloads import fill_command, span_layout
from lnpu.codec.payloads import sparse_beat

__all__ = ["SparseStore", "element_layout"]


def element_layout() -> data.StructLayout:
    """A stored element: channel within the Tile bank, fp8 or fp16 (`wide`) code."""
    return data.StructLayout({"index": 6, "value": 16, "wide": 1})


class SparseStore(wiring.Component):
    """Two banks of elements and of spans, which say where each block's elements are.

    Args:
        config: geometry of the engine.

    Members:
        clear: `In(1)`: forget both banks.
        fill: `In(stream(fill_command))`, one a bank, taken with the bank's last block.
        i: `In(stream(sparse_beat))`: blocks in order; elements of other channels are dropped.
        filled: `Out(2)`, a bit a bank: may be claimed; claim: `In(2)`: a last reader takes the bank, no other
        one may; free: `In(2)`: its reading is over, the bank may be filled again.
        span_read: `In(1)`, bank: `In(1)`, block: `In`; span: `Out(span_layout)`, one cycle later, held.
        read: `In(1)`, read_bank: `In(1)`, place: `In`; element: `Out(element_layout)`, one cycle later, held.
        full: `Out(1)`, sticky until `clear`: a bank had more elements than fit; those are lost.

    Timing: one beat in, one span and one element out a cycle. Both RAMs have one read and one write port.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "clear": In(1),
                "fill": In(stream.Signature(fill_command(config))),
                "i": In(stream.Signature(sparse_beat())),
                "filled": Out(2),
                "claim": In(2),
                "free": In(2),
                "span_read": In(1),
                "bank": In(1),
                "block": In(config.block_bits),
                "span": Out(span_layout(config)),
                "read": In(1),
                "read_bank": In(1),
                "place": In(config.element_bits),
                "element": Out(element_layout()),
                "full": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, fill, beat = self.config, self.fill.payload, self.i.payload
        # Banks as the upper half of one RAM: reads and writes have a port each.
        m.submodules.spans = spans = Memory(shape=span_layout(config), depth=2 << config.block_bits, init=[])
        m.submodules.elements = elements = Memory(
            shape=element_layout(), depth=2 << config.element_bits, init=[]
        )
        span_write, span_read = spans.write_port(), spans.read_port()
        write, read = elements.write_port(), elements.read_port()
        filled = Signal(2)
        claimed = Signal(2)
        block = Signal(config.block_bits)
        start = Signal(config.element_bits + 1)
        count = Signal(7)
        after = Signal(config.element_bits + 1)
        offset = Signal(7)
        keep = Signal()
        taken = Signal()
        final = Signal()
        room = Signal()
        m.d.comb += [
            self.filled.eq(filled & ~claimed),
            self.i.ready.eq(self.fill.valid & ~filled.bit_select(fill.bank, 1)),
            taken.eq(self.i.valid & self.i.ready),
            offset.eq(beat.index - fill.first),
            # An index below the first channel wraps to 64 and more, beyond any number of channels.
            keep.eq(beat.entry & (offset < fill.channels)),
            after.eq(start + count),
            room.eq(~after[-1]),
            final.eq(taken & beat.last & (block == fill.blocks)),
            self.fill.ready.eq(final),
            write.en.eq(taken & keep & room),
            write.addr.eq(Cat(after[:-1], fill.bank)),
            write.data.index.eq(offset),
            write.data.value.eq(beat.value),
            write.data.wide.eq(beat.wide),
            span_write.en.eq(taken & beat.last),
            span_write.addr.eq(Cat(block, fill.bank)),
            span_write.data.start.eq(start),
            span_write.data.count.eq(count + (keep & room)),
            span_read.en.eq(self.span_read),
            span_read.addr.eq(Cat(self.block, self.bank)),
            self.span.eq(span_read.data),
            read.en.eq(self.read),
            read.addr.eq(Cat(self.place, self.read_bank)),
            self.element.eq(read.data),
        ]
        with m.If(taken):
            with m.If(keep & ~room):
                m.d.sync += self.full.eq(1)
            with m.If(beat.last):
                m.d.sync += [start.eq(after + (keep & room)), count.eq(0), block.eq(block + 1)]
            with m.Else():
                m.d.sync += count.eq(count + (keep & room))
        m.d.sync += filled.eq((filled | Cat(final & ~fill.bank, final & fill.bank)) & ~self.free)
        m.d.sync += claimed.eq((claimed | self.claim) & ~self.free)
        with m.If(final):
            m.d.sync += [block.eq(0), start.eq(0)]
        with m.If(self.clear):
            m.d.sync += [s.eq(0) for s in (filled, claimed, block, start, count, self.full)]
        return m

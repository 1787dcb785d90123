"""Blocks to slots: looks up a block's span, drops empty blocks, reads elements, makes slots of them."""

from amaranth.hdl import Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from lnpu.array.config import EngineConfig
from lnpu.array.payloads import slot_layout
from lnpu.array.store import element_layout
from lnpu.array.walk_payloads import pass_layout, span_layout, tap_layout

__all__ = ["Issuer"]

QUEUE = 8
"""Blocks that wait between lookup and reading; they bridge stretches of empty blocks."""


class Issuer(wiring.Component):
    """The last part of the address path.

    Args:
        config: geometry of the engine.

    Members:
        shape: `In(pass_layout)`; clear: `In(1)`: abandon.
        i: `In(stream(tap_layout))`. o: `Out(stream(slot_layout))`.
        span_read, bank, block, span, read, read_bank, place, element, free: to the `SparseStore`.

    Timing: one slot a cycle while blocks wait in the queue; one block a cycle into the queue, empty or not.
    The end of a command is a slot without work, which carries the marks.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "shape": In(pass_layout(config)),
                "clear": In(1),
                "i": In(stream.Signature(tap_layout(config))),
                "o": Out(stream.Signature(slot_layout(config.line))),
                "span_read": Out(1),
                "bank": Out(1),
                "block": Out(config.block_bits),
                "span": In(span_layout(config)),
                "read": Out(1),
                "read_bank": Out(1),
                "place": Out(config.element_bits),
                "element": In(element_layout()),
                "free": Out(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        entry = data.StructLayout({"tap": tap_layout(config), "span": span_layout(config)})
        queue = SyncFIFO(width=entry.size, depth=QUEUE)
        m.submodules.queue = ResetInserter(self.clear)(queue)
        head, tail = data.View(entry, queue.r_data), data.View(entry, queue.w_data)

        # Lookup: the span arrives one cycle after its block and goes to the queue unless it is empty.
        looked = Signal()
        tap = Signal(tap_layout(config), reset_less=True)
        taken = Signal()
        m.d.comb += [
            # One lookup may be under way.
            self.i.ready.eq(queue.w_level < QUEUE - 1),
            taken.eq(self.i.valid & self.i.ready),
            self.span_read.eq(taken),
            self.bank.eq(self.i.payload.x_bank),
            self.block.eq(self.i.payload.block),
            tail.tap.eq(tap),
            tail.span.eq(self.span),
            queue.w_en.eq(looked & (tap.one | tap.end | (self.span.count != 0))),
        ]
        m.d.sync += looked.eq(taken & ~self.clear)
        with m.If(taken):
            m.d.sync += tap.eq(self.i.payload)

        # Read: element after element of the block at the head of the queue.
        number = Signal(7)
        single = Signal()
        final = Signal()
        move = Signal()
        valid = Signal()
        now = Signal(tap_layout(config), reset_less=True)
        leave = Signal()
        m.d.comb += [
            single.eq(head.tap.one | head.tap.end),
            final.eq(single | (number + 1 == head.span.count)),
            move.eq(queue.r_rdy & (~valid | leave)),
            queue.r_en.eq(move & final),
            self.read.eq(move & ~single),
            self.read_bank.eq(head.tap.x_bank),
            self.place.eq(head.span.start + number),
            # All elements of the bank have been read when the end comes by.
            self.free.eq(Mux(move & head.tap.end & head.tap.free, Mux(head.tap.x_bank, 0b10, 0b01), 0)),
        ]
        with m.If(move):
            m.d.sync += [now.eq(head.tap), valid.eq(1), number.eq(Mux(final, 0, number + 1))]
        with m.Elif(leave):
            m.d.sync += valid.eq(0)

        # Slots: an fp16 element goes to lane 0, then to lane 1.
        slot, element = self.o.payload, self.element
        second = Signal()
        wide = Signal()
        m.d.comb += [
            wide.eq(Mux(now.one, self.shape.one_wide, element.wide)),
            self.o.valid.eq(valid),
            leave.eq(self.o.ready & (second | now.end | ~(wide & now.both))),
            slot.work.eq(~now.end),
            slot.dual.eq(~wide),
            slot.lane.eq(second),
            slot.code.eq(Mux(now.one, self.shape.one_code, element.value)),
            slot.tile.eq(now.tile + Mux(now.one, Const(0), element.index)),
            slot.row.eq(now.row),
            slot.tile_bank.eq(now.tile_bank),
            slot.row_bank.eq(now.row_bank),
            slot.release.eq(now.end & now.release),
            slot.last.eq(now.end & now.last),
        ]
        with m.If(valid & self.o.ready):
            m.d.sync += second.eq(~leave)
        with m.If(self.clear):
            m.d.sync += [valid.eq(0), number.eq(0), second.eq(0)]
        return m

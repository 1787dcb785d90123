"""Blocks and their words to slots."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.engine.block_payloads import word_layout
from lnpu.engine.block_queue import issue_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import COUNT_BITS, mark_layout, slot_layout

__all__ = ["Unpack"]


class Unpack(wiring.Component):
    """An element a cycle: fp8 as one slot, fp16 as a slot for lane 0 and, with `both`, one for lane 1.

    The end of a walk does not take a slot of its own if a block stands behind it: its marks go with the
    block's first slot.

    Args:
        config: geometry.

    Members:
        one_code: `In(16)`: code of the constant 1.
        blocks: `In(stream(issue_layout))`; words: `In(stream(word_layout))`, of these blocks in order.
        o: `Out(stream(slot_layout))`. empty: `Out(1)`: nothing is under way.

    Timing: a slot a cycle while there are words, from word to word, block to block and pixel to pixel; an end
    is taken beside the elements of the block before it, if that has two or more slots. A slot follows its
    word by one cycle.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "one_code": In(16),
                "blocks": In(stream.Signature(issue_layout(config))),
                "words": In(stream.Signature(word_layout(config))),
                "o": Out(stream.Signature(slot_layout(config))),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, head = self.config, self.blocks.payload
        slot = Signal(slot_layout(config), reset_less=True)
        full = Signal()  # a slot is offered
        marks = Signal(mark_layout(), reset_less=True)
        pending = Signal()  # the walk before the next block is over
        block = Signal(issue_layout(config), reset_less=True)
        valid, ended = Signal(), Signal()  # a block is under way; `marks` go with its next slot
        wide = Signal(reset_less=True)  # its fp16 elements are under way
        second = Signal()  # lane 1 is
        count = Signal(COUNT_BITS - 1)
        unit = Signal(range(config.units), reset_less=True)

        free, issue, moves, group_end, block_end, finish = (
            Signal(name=name) for name in ("free", "issue", "moves", "group_end", "block_end", "finish")
        )
        last_unit = Signal(range(config.units))
        m.d.comb += [
            free.eq(~full | self.o.ready),
            issue.eq(valid & free & (block.one | self.words.valid)),
            moves.eq(issue & ~(wide & block.both & ~second)),
            group_end.eq(count + 1 == Mux(wide, block.n16, block.n8)),
            block_end.eq(group_end & (wide | (block.n16 == 0))),
            finish.eq(moves & block_end),
            # fp16 elements take two units from an even one on, also behind the last fp8 element.
            last_unit.eq(unit | (wide | group_end)),
            self.words.ready.eq(moves & ~block.one & (block_end | (last_unit == config.units - 1))),
        ]
        with m.If(issue):
            m.d.sync += [second.eq(~moves), ended.eq(0)]
        with m.If(moves):
            m.d.sync += [
                unit.eq(Mux(self.words.ready, 0, last_unit + 1)),
                count.eq(Mux(group_end, 0, count + 1)),
                wide.eq(wide | group_end),
            ]

        absorb, load, alone = Signal(), Signal(), Signal()
        m.d.comb += [
            absorb.eq(self.blocks.valid & head.end & ~pending & ~ended),
            load.eq(self.blocks.valid & ~head.end & (~valid | finish)),
            self.blocks.ready.eq(absorb | load),
            alone.eq(pending & ~valid & ~load & free),
            self.empty.eq(~valid & ~pending & ~full),
        ]
        with m.If(load):
            m.d.sync += [
                block.eq(head),
                valid.eq(1),
                ended.eq(pending),
                wide.eq(head.n8 == 0),
                unit.eq(0),
            ]
        with m.Elif(finish):
            m.d.sync += valid.eq(0)
        with m.If(absorb):
            m.d.sync += pending.eq(1)
            m.d.sync += [marks[name].eq(head[name]) for name in marks.shape().members]
        with m.Elif(load | alone):
            m.d.sync += pending.eq(0)

        pair = self.words.payload[unit[1:]] if config.units > 2 else self.words.payload[0]
        element = Mux(~wide & unit[0], pair[1].as_value(), pair[0].as_value())
        low = Signal.like(pair[0])
        m.d.comb += low.eq(element)
        with m.If(free):
            m.d.sync += [
                full.eq(issue | alone),
                slot.work.eq(issue),
                slot.dual.eq(~wide),
                slot.lane.eq(second),
                slot.code.eq(
                    Mux(block.one, self.one_code, Cat(low.code, Mux(wide, pair[1].code, Const(0, 8))))
                ),
                slot.tile.eq(block.tile + Mux(block.one, 0, low.index)),
                slot.tile_bank.eq(block.tile_bank),
                slot.row.eq(block.row),
                slot.row_bank.eq(block.row_bank),
                slot.end.eq((issue & ended) | alone),
                slot.marks.eq(marks),
            ]
        m.d.comb += [self.o.payload.eq(slot), self.o.valid.eq(full)]
        return m

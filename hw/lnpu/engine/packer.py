"""Elements of blocks to words of the X buffer."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.engine.block_payloads import fetch_layout, look_layout, unit_layout, word_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import COUNT_BITS, span_layout
from lnpu.engine.row_payloads import item_layout

__all__ = ["Packer", "write_layout"]


def write_layout(config: EngineConfig) -> data.StructLayout:
    """Writes to the X buffer: a word (`word_en`, address, units) and a span (`span_en`, its block)."""
    return data.StructLayout(
        {
            "word_en": 1,
            "word_at": fetch_layout(config),
            "word": word_layout(config),
            "span_en": 1,
            "span_at": look_layout(config),
            "span": span_layout(config),
        }
    )


class Packer(wiring.Component):
    """Packs the elements of one decoder into its region of a bank.

    A block starts at a word, its fp16 elements at an even unit. A bad block leaves nothing but an empty span;
    so does a block without room, and so do all later ones of the bank.

    Args:
        config: geometry. index: of the decoder, whose region is words `index * words / decoders` and
            following of each bank.

    Members:
        i: `In(stream(item_layout))`. o: `Out(stream(write_layout))`: to be written in the cycle in which it
        is taken. ended: `Out(2)`, pulse: everything of that bank is written in this cycle, at the latest.
        full: `Out(1)`, pulse: a block had no room.

    Timing: an item a cycle as long as `o` is taken; a word is offered in the cycle behind its last element.
    """

    def __init__(self, config: EngineConfig, index: int):
        self.config, self.index = config, index
        super().__init__(
            {
                "i": In(stream.Signature(item_layout(config))),
                "o": Out(stream.Signature(write_layout(config))),
                "ended": Out(2),
                "full": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, item, out = self.config, self.i.payload, self.o.payload
        region = (config.words // config.decoders - 1).bit_length()
        select = config.word_bits - region

        units = [Signal(unit_layout(), name=f"unit{n}", reset_less=True) for n in range(config.units)]
        unit, next_unit = Signal(range(config.units)), Signal(range(config.units + 1))
        n8, n16 = Signal(COUNT_BITS), Signal(COUNT_BITS)
        word, span = Signal(), Signal()  # are to be written
        at = Signal(look_layout(config), reset_less=True)
        bad = Signal(reset_less=True)
        # The top bit: the region is full.
        start, place, after = Signal(region + 1), Signal(region + 1), Signal(region + 1)
        lost, spilled = Signal(), Signal()  # words of this block, blocks of this bank had no room
        losing, keep = Signal(), Signal()
        written, take = Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(word | span),
            written.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(~self.o.valid | self.o.ready),
            take.eq(self.i.valid & self.i.ready),
            losing.eq(lost | (word & place[-1])),
            keep.eq(~bad & ~spilled & ~losing),
            after.eq(place + (word & ~place[-1])),
            next_unit.eq((unit | (item.wide | item.group_end)) + 1),
            out.word_en.eq(word & ~place[-1]),
            out.word_at.word.eq(Cat(place[:-1], Const(self.index, select))),
            out.word_at.bank.eq(at.bank),
            out.word.as_value().eq(Cat(*units)),
            out.span_en.eq(span),
            out.span_at.eq(at),
            out.span.start.eq(Cat(start[:-1], Const(self.index, select))),
            out.span.n8.eq(Mux(keep, n8, 0)),
            out.span.n16.eq(Mux(keep, n16, 0)),
            self.full.eq(written & span & ~bad & losing),
        ]
        with m.If(written):
            m.d.sync += [word.eq(0), span.eq(0), place.eq(after), lost.eq(losing)]
            with m.If(span):
                m.d.sync += [lost.eq(0), place.eq(Mux(keep, after, start)), start.eq(Mux(keep, after, start))]
        with m.If(self.full):
            m.d.sync += spilled.eq(1)

        store = Signal()
        m.d.comb += store.eq(take & item.element)
        with m.If(take):
            m.d.sync += [
                at.block.eq(item.block),
                at.bank.eq(item.bank),
                bad.eq(item.bad),
                span.eq(item.block_end),
            ]
            m.d.sync += word.eq(item.element & ((next_unit == config.units) | item.block_end))
            with m.If(item.element):
                m.d.sync += unit.eq(Mux(next_unit == config.units, 0, next_unit))
            with m.If(item.block_end):
                m.d.sync += unit.eq(0)
            with m.If(item.end):
                m.d.sync += [place.eq(0), start.eq(0), spilled.eq(0)]
                m.d.comb += self.ended.bit_select(item.bank, 1).eq(1)
        fresh = written & span
        m.d.sync += [
            n8.eq(Mux(fresh, 0, n8) + (store & ~item.wide)),
            n16.eq(Mux(fresh, 0, n16) + (store & item.wide)),
        ]
        # fp16 elements always stand at an even unit, as `next_unit` is even behind the end of a group.
        for n in range(0, config.units, 2):
            here = store & (unit[1:] == n // 2) if config.units > 2 else store
            with m.If(here & ~unit[0]):
                m.d.sync += [units[n].index.eq(item.index), units[n].code.eq(item.code[:8])]
            with m.If(here & (item.wide | unit[0])):
                m.d.sync += [
                    units[n + 1].index.eq(Mux(item.wide, 0, item.index)),
                    units[n + 1].code.eq(Mux(item.wide, item.code[8:], item.code[:8])),
                ]
        return m

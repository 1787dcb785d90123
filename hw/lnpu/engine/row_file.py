"""The Row file of a line: one RAM for all groups, one read and one write a cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.engine.config import EngineConfig
from lnpu.engine.group import NO_CHECK
from lnpu.engine.payloads import WORD, row_beat
from lnpu.engine.sweep import Sweep

__all__ = ["RowFile"]


class RowFile(wiring.Component):
    """Words of a pixel are read and written group after group; what the visits leave belongs to the drain.

    A word has a bit beside it that says whether it counts as sums; else it is zero.

    Args:
        config: geometry.

    Members:
        wg: `In(1)`: Row has operands.
        visit: `In(1)`, row: `In(row_bits)`: read the words of this pixel, from now on a word a cycle;
        store: `In(1)`, store_row: `In(row_bits)`: write the groups' sums, likewise (FP, BP).
        storing: `Out(1)`, index: `Out`: group whose sums must be in `sums` (`In`) now, counted from `store`;
        else `sums` must be zero. In WG they are not written.
        drain: `In(1)`, drain_row: `In(row_bits)`: read this word and mark it as empty in the next cycle;
        allowed only while `idle` (`Out(1)`).
        clear: `In(1)`, clear_row: `In(row_bits)`: mark this word as empty.
        load: `In(struct of valid and beat)`: operands, written in this cycle (WG).
        word: `Out`, full: `Out(1)`: what the last cycle's read gave.
        passing: `Out`: the word that is stored, or that was drained in the last cycle.

    Between `visit` and a `store` of the same sweep lies one cycle, so a cycle without a read of a visit is
    followed by one without a write: there the drain marks its word.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        bits, word = config.row_bits, WORD * config.row_lanes
        super().__init__(
            {
                "wg": In(1),
                "visit": In(1),
                "row": In(bits),
                "store": In(1),
                "store_row": In(bits),
                "storing": Out(1),
                "index": Out(max(1, (config.groups - 1).bit_length())),
                "sums": In(word),
                "idle": Out(1),
                "drain": In(1),
                "drain_row": In(bits),
                "clear": In(1),
                "clear_row": In(bits),
                "load": In(data.StructLayout({"valid": 1, "beat": row_beat(config)})),
                "word": Out(word),
                "full": Out(1),
                "passing": Out(word),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, wg, load = self.config, self.wg, self.load
        word = WORD * config.row_lanes
        m.submodules.words = file = Memory(shape=word + 1, depth=config.row_words, init=[], attrs=NO_CHECK)
        read, write = file.read_port(), file.write_port()
        m.submodules.reads = reads = Sweep(config.row_bits, config.groups)
        m.submodules.writes = writes = Sweep(config.row_bits, config.groups)
        drained = Signal()
        drained_row = Signal(config.row_bits, reset_less=True)
        m.d.sync += [drained.eq(self.drain), drained_row.eq(self.drain_row)]
        m.d.comb += [
            reads.start.eq(self.visit),
            reads.base.eq(self.row),
            reads.half.eq(wg),
            writes.start.eq(self.store),
            writes.base.eq(self.store_row),
            self.storing.eq(writes.busy),
            self.index.eq(writes.index),
            self.idle.eq(~reads.busy),
            read.en.eq(reads.busy | self.drain),
            read.addr.eq(Mux(reads.busy, reads.at, self.drain_row)),
            Cat(self.word, self.full).eq(read.data),
            write.en.eq(Mux(wg, load.valid, writes.busy | drained | self.clear)),
            write.data.eq(Cat(Mux(wg, load.beat.lanes.as_value(), self.passing), writes.busy)),
            # Never both: this shares one level of gates between the RAM and the queue of drained words.
            self.passing.eq(self.sums | (self.word & (self.full & drained).replicate(word))),
        ]
        with m.If(wg):
            m.d.comb += write.addr.eq(load.beat.word)
        with m.Elif(self.clear):
            m.d.comb += write.addr.eq(self.clear_row)
        with m.Elif(drained):
            m.d.comb += write.addr.eq(drained_row)
        with m.Else():
            m.d.comb += write.addr.eq(writes.at)
        return m

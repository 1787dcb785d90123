"""A window on the bits of a row: words in, the next 64 bits out, any number of them taken a cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import WORD_BITS
from lnpu.codec.payloads import HEADER_BITS, word
from lnpu.lib.bits import shift_right

__all__ = ["Window"]


class Window(wiring.Component):
    """Bit-granular read access to a stream of words that is cut into rows.

    Members:
        i: `In(stream(word))`; ready comes from a register.
        bits: next 64 bits of the row; zeros behind its end.
        avail: how many of them are there, 0 to 64.
        final: the row ends behind those `avail` bits; more will not come.
        ended: the row's last word is used up; the window stands before the next row (so after reset).
        whole: at least 64 bits of the row are left, or the row's last word has not arrived.
        take: bits to consume in this cycle, at most `avail` (at most 64 with `restart`).
        drop: discard the front word of the row (nothing happens when there is none or the row ended).
        restart: begin the next row, at `head`; discards the rest of this one, which must be in its last word.
        head, head_valid: the first bits of the next row, once the last word of this row is in front.

    Timing: a word shows in `bits` in the cycle after it was accepted; up to one word a cycle is consumed.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(word())),
                "bits": Out(WORD_BITS),
                "avail": Out(7),
                "final": Out(1),
                "ended": Out(1),
                "whole": Out(1),
                "head": Out(HEADER_BITS),
                "head_valid": Out(1),
                "take": In(7),
                "drop": In(1),
                "restart": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Three words: two make any 64 bits visible, the third keeps `i.ready` out of the parser's loop.
        words = [Signal(WORD_BITS, name=f"word{n}", reset_less=True) for n in range(3)]
        last = [Signal(name=f"last{n}", reset_less=True) for n in range(3)]
        count, offset, ended = Signal(2), Signal(6), Signal(init=1)
        front = Signal()
        m.d.comb += [
            self.i.ready.eq(count != 3),
            front.eq((count != 0) & ~ended),
            self.ended.eq(ended),
            self.head.eq(Mux(ended, words[0], words[1])),
            self.head_valid.eq(Mux(ended, count != 0, last[0] & (count >= 2))),
        ]

        # The word behind the row's last one belongs to the next row.
        joined = Signal(2 * WORD_BITS)
        second = (count >= 2) & ~last[0]
        m.d.comb += joined.eq(Cat(words[0] & front.replicate(64), words[1] & (front & second).replicate(64)))
        m.d.comb += self.bits.eq(shift_right(m, "funnel", joined, offset)[:WORD_BITS])
        with m.If(~front):
            m.d.comb += [self.avail.eq(0), self.final.eq(ended), self.whole.eq(~ended)]
        with m.Elif((count == 1) | last[0]):
            m.d.comb += [
                self.avail.eq(WORD_BITS - offset),
                self.final.eq(last[0]),
                self.whole.eq(~last[0] | (offset == 0)),
            ]
        with m.Else():
            m.d.comb += [self.avail.eq(WORD_BITS), self.whole.eq(1)]

        # offset <= 63 and take <= 64, so at most one word is used up a cycle.
        after, pop = Signal(7), Signal()
        m.d.comb += after.eq(Mux(self.restart, 0, offset) + self.take)
        m.d.sync += offset.eq(after)
        with m.If(self.drop):
            m.d.sync += offset.eq(0)
        m.d.comb += pop.eq((self.drop & front) | (self.restart & ~ended) | (~self.restart & after[6]))
        with m.If(self.restart):
            m.d.sync += ended.eq(0)
        with m.Elif(pop & last[0]):
            m.d.sync += ended.eq(1)

        load, place = Signal(), Signal(2)
        m.d.comb += [load.eq(self.i.valid & self.i.ready), place.eq(count - pop)]
        m.d.sync += count.eq(place + load)
        for n in range(3):
            with m.If(load & (place == n)):
                m.d.sync += [words[n].eq(self.i.payload.data), last[n].eq(self.i.payload.last)]
            if n < 2:
                with m.Elif(pop):
                    m.d.sync += [words[n].eq(words[n + 1]), last[n].eq(last[n + 1])]
        return m

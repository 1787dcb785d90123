"""Fetches the words of blocks ahead of their use."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from lnpu.engine.block_payloads import fetch_layout, word_layout
from lnpu.engine.block_queue import place_layout
from lnpu.engine.config import EngineConfig

__all__ = ["Fetch"]

DEPTH = 8
"""Words of a line that wait: they bridge its turns at the X buffer's port, and blocks of few elements."""


class Fetch(wiring.Component):
    """Blocks to words.

    Args:
        config: geometry.

    Members:
        i: `In(stream(place_layout))`.
        fetch: `Out(stream(fetch_layout))`; data: `In(word_layout)`, one cycle after a request was granted.
        o: `Out(stream(word_layout))`, the words of all blocks in order.
        released: `Out(2)`, pulses: all words of that X bank are read, and a walk frees it.

    Timing: a word a cycle as long as requests are granted; an end or a constant 1 takes a cycle, in which
    no word is requested if it stands behind another one.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        word = word_layout(config)
        super().__init__(
            {
                "i": In(stream.Signature(place_layout(config))),
                "fetch": Out(stream.Signature(fetch_layout(config))),
                "data": In(word),
                "o": Out(stream.Signature(word)),
                "released": Out(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, head = self.config, self.i.payload
        m.submodules.words = words = SyncFIFO(width=word_layout(config).size, depth=DEPTH)
        busy = Signal()
        left = Signal.like(head.units, reset_less=True)
        more, took, asked = Signal(), Signal(), Signal()
        request = Signal(fetch_layout(config), reset_less=True)
        m.d.comb += [
            self.fetch.payload.eq(request),
            # One word may be under way.
            self.fetch.valid.eq(busy & (words.w_level < DEPTH - 1)),
            took.eq(self.fetch.valid & self.fetch.ready),
            more.eq(left > config.units),
            self.i.ready.eq(~busy | (took & ~more)),
        ]
        m.d.sync += [asked.eq(took), self.released.eq(0)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                busy.eq(head.units != 0),
                left.eq(head.units),
                request.word.eq(head.start),
                request.bank.eq(head.x_bank),
            ]
            m.d.sync += self.released.eq(
                Cat(~head.x_bank, head.x_bank) & (head.end & head.x_free).replicate(2)
            )
        with m.Elif(took):
            m.d.sync += [left.eq(left - config.units), request.word.eq(request.word + 1), busy.eq(more)]
        m.d.comb += [
            words.w_data.eq(self.data),
            words.w_en.eq(asked),
            self.o.payload.eq(words.r_data),
            self.o.valid.eq(words.r_rdy),
            words.r_en.eq(self.o.ready),
        ]
        return m

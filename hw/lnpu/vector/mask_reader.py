"""Mask bits from memory, a pair a vector."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import ADDRESS_BITS, command_layout
from lnpu.bus.read import word_layout

__all__ = ["MaskPairs", "MaskRequests"]

PAIRS = 32
"""Of a word."""


class MaskRequests(wiring.Component):
    """Asks for the words that runs of pairs need, each word once.

    Members:
        start: `In(1)`: begin at `base`: `In(32)`.
        pairs: `In(stream(21))`: bits / 2 of the next run.
        requests: `Out(stream(command_layout))`.

    Timing: a run is taken with its request, or at once when it needs no new word.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "base": In(ADDRESS_BITS),
                "pairs": In(stream.Signature(21)),
                "requests": Out(stream.Signature(command_layout())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        rest = Signal(range(PAIRS))  # pairs of the word asked for last that are used
        address = Signal(ADDRESS_BITS)
        total, words = Signal(22), Signal(18)
        log = PAIRS.bit_length() - 1
        m.d.comb += [
            total.eq(self.pairs.payload + rest),
            # A word is asked for when its first pair is used.
            words.eq(((total + PAIRS - 1) >> log) - (rest != 0)),
            self.requests.payload.address.eq(address),
            self.requests.payload.words.eq(words),
            self.requests.valid.eq(self.pairs.valid & (words != 0)),
            self.pairs.ready.eq((words == 0) | self.requests.ready),
        ]
        with m.If(self.pairs.valid & self.pairs.ready):
            m.d.sync += [rest.eq(total), address.eq(address + (words << 3))]
        with m.If(self.start):
            m.d.sync += [rest.eq(0), address.eq(self.base)]
        return m


class MaskPairs(wiring.Component):
    """Cuts words into pairs.

    Members:
        start: `In(1)`: the next word is the first one. i: `In(stream(word_layout))`.
        pair: `Out(2)`, valid: `Out(1)`: the next one. step: `In(1)`: it is used; with it skip: `In(1)`: so is
            the one behind it; last: `In(1)`: the rest of the word is.

    Timing: a word is taken with its last pair.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(word_layout())),
                "pair": Out(2),
                "valid": Out(1),
                "step": In(1),
                "skip": In(1),
                "last": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        at, next_, over = Signal(range(PAIRS)), Signal(range(PAIRS + 2)), Signal()
        m.d.comb += [
            next_.eq(at + 1 + self.skip),
            self.pair.eq(self.i.payload.data.word_select(at, 2)),
            self.valid.eq(self.i.valid),
            over.eq((next_ == PAIRS) | self.last),
            self.i.ready.eq(self.step & over),
        ]
        with m.If(self.step):
            m.d.sync += at.eq(Mux(over, 0, next_))
        with m.If(self.start):
            m.d.sync += at.eq(0)
        return m

"""Vectors of fp16 elements to words of a dense tensor."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.write import strobed_layout
from lnpu.codec.payloads import copy_beat

__all__ = ["CopyWords"]

LANES = 2
"""Elements of a vector: half a word."""


class CopyWords(wiring.Component):
    """Two vectors to a word; a block begins with a new one.

    Members:
        enable: `In(1)`: 0: vectors are taken and dropped.
        i: `In(stream(copy_beat(2)))`. o: `Out(stream(strobed_layout))`.

    Timing: a vector a cycle.
    """

    def __init__(self):
        super().__init__(
            {
                "enable": In(1),
                "i": In(stream.Signature(copy_beat(LANES))),
                "o": Out(stream.Signature(strobed_layout())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        vector, word = self.i.payload, self.o.payload
        low, low_mask, odd = Signal(16 * LANES), Signal(LANES), Signal()
        ends, step = Signal(), Signal()
        content = Cat(*vector.elements)
        mask = Mux(odd, Cat(low_mask, vector.mask), vector.mask)
        m.d.comb += [
            ends.eq(odd | vector.block_last),
            word.data.eq(Mux(odd, Cat(low, content), content)),
            word.strobe.eq(Cat(*(bit.replicate(2) for bit in mask))),
            self.o.valid.eq(self.i.valid & ends & self.enable),
            self.i.ready.eq(~self.enable | ~ends | self.o.ready),
            step.eq(self.i.valid & self.i.ready),
        ]
        with m.If(step):
            m.d.sync += [low.eq(content), low_mask.eq(vector.mask), odd.eq(~ends)]
        return m

"""Cuts a DMA command into AXI bursts."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import ADDRESS_BITS, command_layout

__all__ = ["Splitter", "burst_layout"]


def burst_layout(burst: int) -> data.StructLayout:
    """A burst: `word`: address of its first word (byte address / 8); `length`: words - 1; `final`: it is the
    last one of its command."""
    return data.StructLayout({"word": ADDRESS_BITS - 3, "length": burst.bit_length() - 1, "final": 1})


class Splitter(wiring.Component):
    """Turns commands into bursts that end at multiples of `burst` words.

    The first and the last burst of a command may be shorter. As the size of a burst divides 4 KiB, none
    crosses such a boundary.

    Args:
        burst: words of a burst at most, power of two.

    Members:
        clear: `In(1)`: drop the command at work (an offered burst may fall).
        i: `In(stream of command_layout)`. o: `Out(stream of burst_layout)`.
        busy: `Out(1)`: a command is at work.

    Timing: the first burst two cycles after the command, then one every two cycles.
    """

    def __init__(self, burst: int):
        self.burst = burst
        super().__init__(
            {
                "clear": In(1),
                "i": In(stream.Signature(command_layout())),
                "o": Out(stream.Signature(burst_layout(burst))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = self.burst.bit_length() - 1
        command = self.i.payload
        low_in = command.address[3 : 3 + bits]
        high = Signal(ADDRESS_BITS - 3 - bits, reset_less=True)
        low = Signal(bits, reset_less=True)
        # From the start of the first aligned burst to the last word; one bit more than `words`, so that no
        # value of `words` makes a burst that crosses its boundary.
        end = Signal(len(command.words) + 1, reset_less=True)
        active = Signal()
        final = Signal()
        m.d.comb += [final.eq(end[bits:] == 0), self.busy.eq(active | self.o.valid)]
        burst = self.o.payload

        cut = Signal()
        m.d.comb += cut.eq(active & ~self.o.valid)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(cut):
            m.d.sync += [
                self.o.valid.eq(1),
                burst.word.eq(Cat(low, high)),
                burst.length.eq(Mux(final, end[:bits], self.burst - 1) - low),
                burst.final.eq(final),
                high.eq(high + 1),
                low.eq(0),
                end[bits:].eq(end[bits:] - 1),
                active.eq(~final),
            ]
        m.d.comb += self.i.ready.eq(~active)
        with m.If(self.i.valid & ~active):
            m.d.sync += [
                Cat(low, high).eq(command.address[3:]),
                end.eq(command.words + (low_in - 1)),
                active.eq(command.words != 0),
            ]
        with m.If(self.clear):
            m.d.sync += [active.eq(0), self.o.valid.eq(0)]
        return m

"""Words of several tensors that come piecemeal, to runs for one DMA."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import ADDRESS_BITS, command_layout
from lnpu.bus.write import strobed_layout

__all__ = ["RUN", "Gather"]

RUN = 16
"""Words of a run, but for the last one of a tensor."""


class Gather(wiring.Component):
    """Collects the words of each tensor and writes runs of `RUN` words, lowest number first.

    Args:
        count: tensors.

    Members:
        start: `In(1)`: tensor n begins at `base[n]`: `In(32)`.
        i: `In(stream(64))` for each. flush: `In(1)`: what is there is written, however short.
        empty: `Out(1)`: everything was handed over.
        requests: `Out(stream(command_layout))`, words: `Out(stream(strobed_layout))`: to a `WriteDma`.

    Timing: a word a cycle; 2 cycles between runs.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__(
            {
                "start": In(1),
                "base": In(ADDRESS_BITS).array(count),
                "i": In(stream.Signature(64)).array(count),
                "flush": In(1),
                "empty": Out(1),
                "requests": Out(stream.Signature(command_layout())),
                "words": Out(stream.Signature(strobed_layout())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        count = self.count
        fifos = [SyncFIFOBuffered(width=64, depth=2 * RUN) for _ in range(count)]
        addresses = Array(Signal(ADDRESS_BITS, name=f"address{n}") for n in range(count))
        levels = Array(Signal(range(2 * RUN + 1), name=f"level{n}") for n in range(count))
        chosen, left = Signal(range(count)), Signal(range(RUN + 1))
        asked = Signal()  # the run's words are handed over
        pick = data.StructLayout({"number": range(count), "words": range(RUN + 1)})
        best = Signal(pick)
        m.d.comb += self.empty.eq(~asked & ~self.requests.valid)
        for n in reversed(range(count)):
            fifo = fifos[n]
            m.submodules[f"fifo{n}"] = fifo
            m.d.comb += [
                levels[n].eq(fifo.level),
                fifo.w_en.eq(self.i[n].valid),
                fifo.w_data.eq(self.i[n].payload),
                self.i[n].ready.eq(fifo.w_rdy),
            ]
            with m.If(fifo.level != 0):
                m.d.comb += self.empty.eq(0)
            with m.If((fifo.level >= RUN) | (self.flush & (fifo.level != 0))):
                m.d.comb += [best.number.eq(n), best.words.eq(Mux(fifo.level >= RUN, RUN, fifo.level))]
            with m.If(asked & (chosen == n)):
                m.d.comb += [
                    self.words.valid.eq(fifo.r_rdy),
                    self.words.payload.data.eq(fifo.r_data),
                    fifo.r_en.eq(self.words.ready),
                ]
        m.d.comb += self.words.payload.strobe.eq(0xFF)
        with m.If(~asked & ~self.requests.valid & (best.words != 0)):
            m.d.sync += [
                chosen.eq(best.number),
                left.eq(best.words),
                self.requests.valid.eq(1),
                self.requests.payload.address.eq(addresses[best.number]),
                self.requests.payload.words.eq(best.words),
                addresses[best.number].eq(addresses[best.number] + (best.words << 3)),
            ]
        with m.If(self.requests.valid & self.requests.ready):
            m.d.sync += [self.requests.valid.eq(0), asked.eq(1)]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 1):
                m.d.sync += asked.eq(0)
        with m.If(self.start):
            m.d.sync += [addresses[n].eq(self.base[n]) for n in range(count)]
        return m

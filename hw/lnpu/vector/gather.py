"""Words of several tensors that come piecemeal, to runs for one DMA."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import ADDRESS_BITS, command_layout
from lnpu.bus.limits import MAX_WORDS
from lnpu.bus.write import strobed_layout
from lnpu.vector.places import place_layout

__all__ = ["RUN", "Gather"]

RUN = 16
"""Words of a run, but for the last one of a tensor."""


class Gather(wiring.Component):
    """Collects the words of each tensor and writes runs of `RUN` words, lowest number first.

    Args:
        count: tensors that lie without gaps.

    Members:
        start: `In(1)`: tensor n begins at `base[n]`: `In(32)`.
        i: `In(stream(64))` for each. flush: `In(1)`: what is there is written, however short.
        placed: `In(stream(strobed_layout))`: words of one more tensor, which lies at `places`:
            `In(stream(place_layout))`. It comes last, and needs no flush.
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
                "placed": In(stream.Signature(strobed_layout())),
                "places": In(stream.Signature(place_layout())),
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
        addresses = [Signal(ADDRESS_BITS, name=f"address{n}") for n in range(count)]
        chosen, left = Signal(range(count + 1)), Signal(range(RUN + 1))
        asked = Signal()  # the run's words are handed over
        pick = data.StructLayout(
            {"number": range(count + 1), "words": range(RUN + 1), "address": ADDRESS_BITS}
        )
        best, take = Signal(pick), Signal()
        m.d.comb += [
            self.empty.eq(~asked & ~self.requests.valid),
            self.words.payload.strobe.eq(0xFF),
            take.eq(~asked & ~self.requests.valid & (best.words != 0)),
        ]
        self._placed(m, best, take, asked & (chosen == count))
        for n in reversed(range(count)):
            fifo = fifos[n]
            m.submodules[f"fifo{n}"] = fifo
            m.d.comb += [
                fifo.w_en.eq(self.i[n].valid),
                fifo.w_data.eq(self.i[n].payload),
                self.i[n].ready.eq(fifo.w_rdy),
            ]
            with m.If(fifo.level != 0):
                m.d.comb += self.empty.eq(0)
            with m.If((fifo.level >= RUN) | (self.flush & (fifo.level != 0))):
                words = Mux(fifo.level >= RUN, RUN, fifo.level)
                m.d.comb += [best.number.eq(n), best.words.eq(words), best.address.eq(addresses[n])]
            with m.If(take & (best.number == n)):
                m.d.sync += addresses[n].eq(addresses[n] + (best.words << 3))
            with m.If(asked & (chosen == n)):
                m.d.comb += [
                    self.words.valid.eq(fifo.r_rdy),
                    self.words.payload.data.eq(fifo.r_data),
                    fifo.r_en.eq(self.words.ready),
                ]
        with m.If(take):
            m.d.sync += [
                chosen.eq(best.number),
                left.eq(best.words),
                self.requests.valid.eq(1),
                self.requests.payload.address.eq(best.address),
                self.requests.payload.words.eq(best.words),
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

    def _placed(self, m, best, take, chosen):
        """The tensor that lies at places: runs of at most `RUN` words, when all of them are there."""
        count = self.count
        m.submodules.placed = fifo = SyncFIFOBuffered(width=72, depth=2 * RUN)
        i, o = self.placed, strobed_layout()
        head = data.View(o, fifo.r_data)
        address, left = Signal(ADDRESS_BITS), Signal(MAX_WORDS.bit_length())
        words, mine = Signal(range(RUN + 1)), Signal()
        m.d.comb += [
            fifo.w_en.eq(i.valid),
            fifo.w_data.eq(i.payload),
            i.ready.eq(fifo.w_rdy),
            self.places.ready.eq(left == 0),
            words.eq(Mux(left > RUN, RUN, left)),
            mine.eq(take & (best.number == count)),
        ]
        with m.If((left != 0) | (fifo.level != 0)):
            m.d.comb += self.empty.eq(0)
        with m.If((left != 0) & (fifo.level >= words)):
            m.d.comb += [best.number.eq(count), best.words.eq(words), best.address.eq(address)]
        with m.If(self.places.valid & self.places.ready):
            m.d.sync += [address.eq(self.places.payload.address), left.eq(self.places.payload.words)]
        with m.Elif(mine):
            m.d.sync += [address.eq(address + (words << 3)), left.eq(left - words)]
        with m.If(chosen):
            m.d.comb += [
                self.words.valid.eq(fifo.r_rdy),
                self.words.payload.eq(head),
                fifo.r_en.eq(self.words.ready),
            ]

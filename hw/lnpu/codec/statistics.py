"""Statistics of the encoder: counters, largest exponent and the 32-bin histogram of one tensor."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.codec.descriptor import HISTOGRAM_BINS
from lnpu.codec.quantiser import quantised

__all__ = ["StatisticsUnit"]

_COUNTED = ("fp8", "fp16", "flushed", "saturated")


class StatisticsUnit(wiring.Component):
    """Counts quantised elements.

    Every lane has a histogram of its own, so that equal bins in one vector never meet; the read-out adds
    them.

    Args:
        lanes: elements a cycle.

    Members:
        count: the elements with `mask` are counted in this cycle.
        clear: reset the counters and the bin at `address`.
        fp8, fp16, flushed, saturated: counters. exponent: the largest. invalid: NaN or infinity was met.
        address, bin: read-out of the histogram while nothing is counted.
    """

    def __init__(self, lanes: int):
        super().__init__(
            {
                "count": In(1),
                "elements": In(data.ArrayLayout(quantised(), lanes)),
                "mask": In(lanes),
                "clear": In(1),
                **{name: Out(32) for name in _COUNTED},
                "exponent": Out(5),
                "invalid": Out(1),
                "address": In(range(HISTOGRAM_BINS)),
                "bin": Out(32),
            }
        )
        self.lanes = lanes

    def elaborate(self, platform):
        m = Module()
        active = [self.mask[n] & self.count for n in range(self.lanes)]
        for name in _COUNTED:
            hits = sum(self.elements[n][name] & active[n] for n in range(self.lanes))
            counter = getattr(self, name)
            m.d.sync += counter.eq(Mux(self.clear, 0, counter + hits))
        largest = self.exponent
        for n in range(self.lanes):
            this = Mux(active[n], self.elements[n].exponent, 0)
            step = Signal(5, name=f"largest{n}")
            m.d.comb += step.eq(Mux(this > largest, this, largest))
            largest = step
        invalid = self.invalid
        for n in range(self.lanes):
            invalid = invalid | (active[n] & self.elements[n].invalid)
        m.d.sync += [
            self.exponent.eq(Mux(self.clear, 0, largest)),
            self.invalid.eq(~self.clear & invalid),
        ]

        total = 0
        for n in range(self.lanes):
            bins = Memory(shape=32, depth=HISTOGRAM_BINS, init=[])
            m.submodules[f"bins{n}"] = bins
            write, read = bins.write_port(), bins.read_port(domain="comb")
            address = Mux(self.count, self.elements[n].bin, self.address)
            m.d.comb += [
                read.addr.eq(address),
                write.addr.eq(address),
                write.en.eq(active[n] | self.clear),
                write.data.eq(Mux(self.clear, 0, read.data + 1)),
            ]
            total = total + read.data
        m.d.comb += self.bin.eq(total)
        return m

"""Entries of one group: a vector of elements to at most as many entries, packed without gaps."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.slots import RUN_BITS

__all__ = ["Slotter", "entry_bits", "packed_entries"]


def packed_entries(lanes: int, value_bits: int) -> data.StructLayout:
    """`count` entries in the low bits (zeros above), of which the first `keep` end with an element."""
    widest = value_bits + (4 if value_bits == 8 else 6)
    return data.StructLayout({"bits": lanes * widest, "count": range(lanes + 1), "keep": range(lanes + 1)})


def entry_bits(count, k, value_bits: int):
    """Bits of `count` entries; `k` is 1, 2, 4 or 4, 6 and every case is a sum of shifts."""
    if value_bits == 8:
        return (count << 3) + Mux(k[2], count << 2, Mux(k[1], count << 1, count))
    return (count << 4) + (count << 2) + Mux(k[1], count << 1, 0)


class Slotter(wiring.Component):
    """Run-length codes one group.

    A zero that completes a run of 2**k zeros ends an escape, at once; escapes behind the last element of the
    block are not kept. So every entry ends at an element of its own, and a vector ends at most `lanes`.

    Args:
        lanes: elements of a vector. value_bits: 8 or 16.

    Members:
        present, codes: the group's elements in this vector. k: run width.
        step: take the vector. last: it ends the block.
        o: `Out(packed_entries)`, combinational.
    """

    def __init__(self, lanes: int, value_bits: int):
        super().__init__(
            {
                "present": In(lanes),
                "codes": In(data.ArrayLayout(value_bits, lanes)),
                "k": In(3),
                "step": In(1),
                "last": In(1),
                "o": Out(packed_entries(lanes, value_bits)),
            }
        )
        self.lanes, self.value_bits = lanes, value_bits

    def elaborate(self, platform):
        m = Module()
        lanes, widths = self.lanes, (1, 2, 4) if self.value_bits == 8 else (4, 6)
        longest = Signal(RUN_BITS)
        with m.Switch(self.k):
            for k in widths:
                with m.Case(k):
                    m.d.comb += longest.eq((1 << k) - 1)
        run = Signal(RUN_BITS)  # zeros since the last entry
        before, ends, runs = run, [], []
        for n in range(lanes):
            runs.append(before)
            end, after = Signal(name=f"end{n}"), Signal(RUN_BITS, name=f"run{n}")
            m.d.comb += [
                end.eq(self.present[n] | (before == longest)),
                after.eq(Mux(end, 0, before + 1)),
            ]
            ends.append(end)
            before = after
        with m.If(self.step):
            m.d.sync += run.eq(Mux(self.last, 0, before))

        # Entry number n of the vector comes from lane n or a later one.
        rank = []
        count = 0
        for n in range(lanes):
            rank.append(count)
            following = Signal(range(lanes + 1), name=f"count{n}")
            m.d.comb += following.eq(count + ends[n])
            with m.If(self.present[n]):
                m.d.comb += self.o.keep.eq(following)
            count = following
        m.d.comb += self.o.count.eq(count)
        entry_run = [Signal(RUN_BITS, name=f"entry_run{n}") for n in range(lanes)]
        entry_code = [Signal(self.value_bits, name=f"entry_code{n}") for n in range(lanes)]
        for place in range(lanes):
            for lane in range(place, lanes):
                with m.If(ends[lane] & (rank[lane] == place)):
                    m.d.comb += [
                        entry_run[place].eq(runs[lane]),
                        entry_code[place].eq(Mux(self.present[lane], self.codes[lane], 0)),
                    ]
        with m.Switch(self.k):
            for k in widths:
                with m.Case(k):
                    pairs = zip(entry_run, entry_code, strict=True)
                    m.d.comb += self.o.bits.eq(Cat(*(Cat(r[:k], c) for r, c in pairs)))
        return m

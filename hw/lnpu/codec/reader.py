"""Reader of one group in the dense decoder: several entries a cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import WORD_BITS
from lnpu.codec.loader import group_bits
from lnpu.codec.slots import RUN_BITS, Slots, slot_cases
from lnpu.lib.bits import shift_right

__all__ = ["GroupReader", "entry_layout"]


def entry_layout(value_bits: int) -> data.StructLayout:
    """One entry: run, code, whether it is an escape, whether its code is illegal, whether it has arrived."""
    return data.StructLayout({"run": RUN_BITS, "code": value_bits, "escape": 1, "reserved": 1, "fits": 1})


class GroupReader(wiring.Component):
    """Shows the next `lanes` entries of a group and drops as many as are taken.

    Args:
        lanes: entries a cycle, 1 to 4. value_bits: 8 or 16.

    Members:
        i: `In(stream(group_bits))`. case: run width, see `slots.run_width_index`.
        entries: the next entries. take: how many to drop, 0 to `lanes`, all of which must have arrived.
    """

    def __init__(self, lanes: int, value_bits: int):
        self.cases = [case for case in slot_cases() if case[2] == value_bits]
        self.lanes, self.value_bits = lanes, value_bits
        widest = max(k + v for _, k, v in self.cases)
        # A cycle's entries and a piece of 64 bits, and as much again as a short piece may lack.
        self.capacity = 32 * -(-(lanes * widest + WORD_BITS) // 32)
        super().__init__(
            {
                "i": In(stream.Signature(group_bits())),
                "case": In(3),
                "entries": Out(data.ArrayLayout(entry_layout(value_bits), lanes)),
                "take": In(range(lanes + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        held, fill = Signal(self.capacity), Signal(range(self.capacity + 1))
        slots = Slots(m, "slot", held, fill, self.case, self.lanes, cases=self.cases)
        for n in range(self.lanes):
            m.d.comb += [
                self.entries[n].run.eq(slots.run[n]),
                self.entries[n].code.eq(slots.code[n]),
                self.entries[n].escape.eq(slots.escape[n]),
                self.entries[n].reserved.eq(slots.reserved[n]),
                self.entries[n].fits.eq(slots.fits[n]),
            ]
        amount, rest = Signal.like(fill), Signal.like(fill)
        with m.Switch(self.take):
            for n in range(self.lanes + 1):
                with m.Case(n):
                    m.d.comb += amount.eq(slots.end[n])
        m.d.comb += rest.eq(fill - amount)
        kept = shift_right(m, "kept", held, amount)
        # Zeros above `fill` are an invariant (hence the reset), so an arriving piece is simply ORed in.
        piece = self.i.payload.bits
        arriving = Signal(self.capacity)
        m.d.comb += [
            self.i.ready.eq(rest <= self.capacity - WORD_BITS),
            arriving.eq(Cat(piece) << rest),
        ]
        m.d.sync += [
            held.eq(kept | Mux(self.i.valid & self.i.ready, arriving, 0)),
            fill.eq(rest + Mux(self.i.valid & self.i.ready, self.i.payload.count, 0)),
        ]
        return m

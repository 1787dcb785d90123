"""Two banks of block RAM: one belongs to the slots, the other to a load or a drain."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["BankedFile", "address_layout"]


def address_layout(bits: int) -> data.StructLayout:
    """A place in a file: entry and bank."""
    return data.StructLayout({"entry": bits, "bank": 1})


class BankedFile(wiring.Component):
    """Storage with the ports that a line needs; see `docs/engine.md`, section 2.

    Args:
        entries: words of a bank, at least 2. width: bits of a word.

    Members:
        read: `In(1)`, read_at: `In(address)`; data: `Out(width)`, one cycle later, held until the next
        `read`.
        drain: `In(1)`: `drain_at.bank` belongs to the drain; fetch: `In(1)`: read `drain_at`;
        drained: `Out(width)`, one cycle later, held until the next `fetch` while `drain` lasts.
        write: `In(1)`, write_at: `In(address)`, word: `In(width)`.
        clear: `In(2)`, a bit a bank, clear_entry: `In`: write zero there.

    A bank has one read and one write port: `read` and `drain` must not meet in one bank, nor `write` and
    `clear`. A read that meets a write returns the old word.
    """

    def __init__(self, entries: int, width: int):
        if entries < 2:
            raise ValueError(f"`entries` must be at least 2, not {entries}")
        self.entries, self.width = entries, width
        bits = (entries - 1).bit_length()
        super().__init__(
            {
                "read": In(1),
                "read_at": In(address_layout(bits)),
                "data": Out(width),
                "drain": In(1),
                "drain_at": In(address_layout(bits)),
                "fetch": In(1),
                "drained": Out(width),
                "write": In(1),
                "write_at": In(address_layout(bits)),
                "word": In(width),
                "clear": In(2),
                "clear_entry": In(bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        outputs = []
        for bank in range(2):
            m.submodules[f"bank{bank}"] = memory = Memory(shape=self.width, depth=self.entries, init=[])
            read, write = memory.read_port(), memory.write_port()
            mine = Signal(name=f"drain{bank}")
            clear = self.clear[bank]
            m.d.comb += [
                mine.eq(self.drain & (self.drain_at.bank == bank)),
                read.en.eq(Mux(mine, self.fetch, self.read & (self.read_at.bank == bank))),
                read.addr.eq(Mux(mine, self.drain_at.entry, self.read_at.entry)),
                write.en.eq(clear | (self.write & (self.write_at.bank == bank))),
                write.addr.eq(Mux(clear, self.clear_entry, self.write_at.entry)),
                write.data.eq(Mux(clear, 0, self.word)),
            ]
            outputs.append(read.data)
        which = Signal(reset_less=True)
        with m.If(self.read):
            m.d.sync += which.eq(self.read_at.bank)
        m.d.comb += [
            self.data.eq(Mux(which, outputs[1], outputs[0])),
            self.drained.eq(Mux(self.drain_at.bank, outputs[1], outputs[0])),
        ]
        return m

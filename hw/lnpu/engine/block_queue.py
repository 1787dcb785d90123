"""Queue of blocks with two readers: one fetches words ahead, one issues elements."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.engine.block_payloads import block_layout
from lnpu.engine.config import EngineConfig

__all__ = ["DEPTH", "BlockQueue", "issue_layout", "place_layout"]

DEPTH = 16
"""Blocks of a line that are looked up and not issued yet: a power of two, one RAM primitive deep."""


def _part(layout: data.StructLayout, names: list[str]) -> data.StructLayout:
    return data.StructLayout({name: layout.members[name] for name in names})


def place_layout(config: EngineConfig) -> data.StructLayout:
    """What the fetching reader needs of a block, `start` being its first word."""
    part = _part(block_layout(config), ["units", "x_bank", "end", "x_free"])
    return data.StructLayout({"start": config.word_bits, **part.members})


def issue_layout(config: EngineConfig) -> data.StructLayout:
    """What the issuing reader needs of a block."""
    block = block_layout(config)
    counts = _part(block.members["span"], ["n8", "n16"])
    names = ["one", "tile", "row", "both", "tile_bank", "row_bank", "end", "release", "last"]
    return data.StructLayout({**counts.members, **_part(block, names).members})


class BlockQueue(wiring.Component):
    """Blocks in order, for two readers: first `place` takes an entry, then `issue`, and then it is gone.

    Args:
        config: geometry.

    Members:
        i: `In(stream(block_layout))`. place: `Out(stream(place_layout))`, issue: `Out(stream(issue_layout))`.
        empty: `Out(1)`: `issue` has taken everything.

    Timing: `place` has an entry in the cycle after it was written, `issue` in the cycle after `place` took
    it.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(block_layout(config))),
                "place": Out(stream.Signature(place_layout(config))),
                "issue": Out(stream.Signature(issue_layout(config))),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # One bit more than an address: full and empty differ in it.
        at = Signal(range(2 * DEPTH))
        take = Signal()
        m.d.comb += take.eq(self.i.valid & self.i.ready)
        m.d.sync += at.eq(at + take)
        block = self.i.payload
        written = at
        for name, reader in (("place", self.place), ("issue", self.issue)):
            layout = reader.payload.shape()
            memory = Memory(shape=layout, depth=DEPTH, init=[])
            m.submodules[name] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            next_ = Signal.like(at, name=f"{name}_at")
            entry = Signal(layout, name=f"{name}_entry")
            for key in layout.members:
                inside = key in ("start", "n8", "n16")
                m.d.comb += entry[key].eq(block.span[key] if inside else block[key])
            m.d.comb += [
                write.addr.eq(at),
                write.data.eq(entry),
                write.en.eq(take),
                read.addr.eq(next_),
                reader.payload.eq(read.data),
                reader.valid.eq(next_ != written),
            ]
            m.d.sync += next_.eq(next_ + (reader.valid & reader.ready))
            written = next_  # `issue` sees what `place` has taken
        m.d.comb += [
            self.i.ready.eq(at ^ written != DEPTH),
            self.empty.eq(at == written),
        ]
        return m

"""Packer: the entries of one group to rows of a block memory, committed block by block."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.packet import PacketFifo
from lnpu.codec.slotter import entry_bits, packed_entries

__all__ = ["GroupPacker"]

BLOCK_BITS = 11
"""A group with its header: at most 64 entries of 22 bits, 1408."""


class GroupPacker(wiring.Component):
    """Packs entries into rows of `row_bits`, the first `reserve` bits of a block left zero.

    A vector's entries fill at most one row; what remains at the end of a block is written in the next cycle,
    in which the next block cannot yet fill one: `reserve` and the bits of one vector are fewer than
    `row_bits`.

    Args:
        lanes: entries a cycle at most. value_bits: 8 or 16. row_bits: width of the memory. depth: its rows.

    Members:
        i: entries of a vector. k: run width. reserve: bits before the first entry.
        step: take the vector (only with `room`). last: it ends the block.
        done: one cycle, behind a block's last vector: `count` and `bits` of the finished block are valid
            (`bits` includes the reserve). They reach `o` in the next cycle.
        o: `Out(stream(row_bits))`, ceil(bits / row_bits) rows a block; bits behind its end are undefined.
    """

    def __init__(self, lanes: int, value_bits: int, row_bits: int, depth: int):
        super().__init__(
            {
                "i": In(packed_entries(lanes, value_bits)),
                "k": In(3),
                "reserve": In(4),
                "step": In(1),
                "last": In(1),
                "room": Out(1),
                "done": Out(1),
                "count": Out(7),
                "bits": Out(BLOCK_BITS),
                "o": Out(stream.Signature(row_bits)),
            }
        )
        self.value_bits, self.row_bits, self.depth = value_bits, row_bits, depth

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = PacketFifo(self.row_bits, self.depth)
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        row_bits, shift = self.row_bits, (self.row_bits - 1).bit_length()

        # State of the block that is being packed, as of before this vector.
        fresh = Signal(init=1)
        held, fill = Signal(row_bits, reset_less=True), Signal(range(row_bits))
        rows, total = Signal(range(self.depth)), Signal(BLOCK_BITS)
        entries, kept_entries, kept_bits = Signal(7), Signal(7), Signal(BLOCK_BITS)
        now_fill, now_held = Signal.like(fill), Signal.like(held)
        now_rows, now_total, now_entries = Signal.like(rows), Signal.like(total), Signal(7)
        m.d.comb += [
            now_fill.eq(Mux(fresh, self.reserve, fill)),
            now_held.eq(Mux(fresh, 0, held)),
            now_rows.eq(Mux(fresh, 0, rows)),
            now_total.eq(Mux(fresh, self.reserve, total)),
            now_entries.eq(Mux(fresh, 0, entries)),
        ]
        added, sum_fill = Signal(range(len(self.i.bits) + 1)), Signal(range(2 * row_bits))
        packed = Signal(2 * row_bits)
        next_kept_bits, next_kept = Signal.like(kept_bits), Signal(7)
        m.d.comb += [
            added.eq(entry_bits(self.i.count, self.k, self.value_bits)),
            sum_fill.eq(now_fill + added),
            packed.eq(now_held | (self.i.bits << now_fill)),
            next_kept_bits.eq(Mux(fresh, self.reserve, kept_bits)),
            next_kept.eq(Mux(fresh, 0, kept_entries)),
        ]
        with m.If(self.i.keep != 0):
            m.d.comb += [
                next_kept_bits.eq(now_total + entry_bits(self.i.keep, self.k, self.value_bits)),
                next_kept.eq(now_entries + self.i.keep),
            ]
        full, tail = sum_fill[-1], Signal()
        with m.If(self.step):
            m.d.sync += [
                fresh.eq(self.last),
                held.eq(Mux(full, packed[row_bits:], packed[:row_bits])),
                fill.eq(sum_fill[:-1]),
                rows.eq(now_rows + full),
                total.eq(now_total + added),
                entries.eq(now_entries + self.i.count),
                kept_bits.eq(next_kept_bits),
                kept_entries.eq(next_kept),
            ]
        m.d.sync += tail.eq(self.step & self.last)

        # Behind a block's last vector `held`, `rows` and the kept counts still describe that block.
        keep = Signal(range(self.depth + 1))
        m.d.comb += [
            keep.eq((kept_bits + (row_bits - 1)) >> shift),
            self.done.eq(tail),
            self.count.eq(kept_entries),
            self.bits.eq(kept_bits),
            fifo.commit.eq(tail),
            fifo.keep.eq(keep),
            fifo.write.eq(tail | (self.step & full)),
            fifo.address.eq(Mux(tail, rows, now_rows)),
            fifo.data.eq(Mux(tail, held, packed[:row_bits])),
            # One row for this vector and one for the block's tail, beside the block that is being committed.
            self.room.eq(fifo.level > now_rows + Mux(tail, keep, 0) + 1),
        ]
        return m

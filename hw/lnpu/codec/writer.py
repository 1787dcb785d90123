"""Writer: finished blocks to the words of rows."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import WORD_BITS
from lnpu.codec.packer import BLOCK_BITS
from lnpu.codec.payloads import LENGTH_BITS, word
from lnpu.lib.pipeline import Rank

__all__ = ["RowWriter", "finished_block"]


def finished_block() -> data.StructLayout:
    """A block in the packers' memories; `bits8` includes the header's place, `row_last` ends its row."""
    return data.StructLayout(
        {
            "n8": LENGTH_BITS,
            "n16": LENGTH_BITS,
            "bits8": BLOCK_BITS,
            "bits16": BLOCK_BITS,
            "count_bits": 3,
            "row_last": 1,
        }
    )


def _masked(bits, count):
    return Cat(*(bits[n] & (count > n) for n in range(len(bits))))


class RowWriter(wiring.Component):
    """Joins header, fp8 and fp16 bits of each block and cuts them into words.

    Args:
        wide: rows of the fp16 group have 128 bits, and a cycle takes up to 64 bits of each group (the last
            ones of the first and the first ones of the second together), so a block of b bits never takes
            more than b / 64 + 1 cycles. Else they have 64 bits and a cycle takes a row of one group: one
            cycle more for a block with both groups, and a third of the tables.

    Members:
        block: `In(stream(finished_block))`. fp8: `In(stream(64))`, fp16: `In(stream(64 or 128))`, the groups'
            rows.
        o: `Out(stream(word))`. idle: nothing is held.

    Timing: one word a cycle.
    """

    def __init__(self, *, wide: bool = True) -> None:
        self.wide = wide
        super().__init__(
            {
                "block": In(stream.Signature(finished_block())),
                "fp8": In(stream.Signature(WORD_BITS)),
                "fp16": In(stream.Signature(2 * WORD_BITS if wide else WORD_BITS)),
                "o": Out(stream.Signature(word())),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rank = rank = Rank(word())
        wiring.connect(m, rank.o, wiring.flipped(self.o))
        block = self.block.payload
        most = 2 * WORD_BITS if self.wide else WORD_BITS  # bits that arrive in a cycle

        # ---- output register: up to 63 bits stay, and those that arrive ------------------------------------
        held, fill, closing = Signal(WORD_BITS + most), Signal(8), Signal()
        emit, rest = Signal(), Signal(8)
        m.d.comb += [
            rank.i.valid.eq(fill >= WORD_BITS),
            rank.i.payload.data.eq(held[:WORD_BITS]),
            rank.i.payload.last.eq(closing & (fill == WORD_BITS)),
            emit.eq(rank.i.valid & rank.i.ready),
            rest.eq(Mux(emit, fill - WORD_BITS, fill)),
            self.idle.eq((fill == 0) & ~self.o.valid),
        ]

        # ---- what arrives ----------------------------------------------------------------------------------
        fresh = Signal(init=1)
        left8, left16 = Signal(BLOCK_BITS), Signal(BLOCK_BITS)
        now8, now16 = Signal(BLOCK_BITS), Signal(BLOCK_BITS)
        move, done = Signal(), Signal()
        header = Signal(2 * LENGTH_BITS)
        with m.Switch(block.count_bits):
            for width in range(1, LENGTH_BITS + 1):
                with m.Case(width):
                    m.d.comb += header.eq(Cat(block.n8[:width], block.n16[:width]))
        m.d.comb += [
            now8.eq(Mux(fresh, block.bits8, left8)),
            now16.eq(Mux(fresh, block.bits16, left16)),
            move.eq(self.block.valid & (rest < WORD_BITS)),
            self.block.ready.eq(move & done),
        ]
        first8 = self.fp8.payload | Mux(fresh, header, 0)
        pieces = self._two_groups if self.wide else self._one_group
        bits, size8, size16 = pieces(m, first8, now8, now16, move, done)
        with m.If(move):
            m.d.sync += [fresh.eq(done), left8.eq(now8 - size8), left16.eq(now16 - size16)]

        # A row's last word is filled up with zeros; nothing is added before it has left: until then
        # `rest` is at least 64.
        filled, padded = Signal(8), Signal(8)
        m.d.comb += [
            filled.eq(rest + size8 + size16),
            padded.eq((filled + (WORD_BITS - 1)) & ~(WORD_BITS - 1)),
        ]
        kept = Mux(emit, held >> WORD_BITS, held)
        with m.If(move):
            m.d.sync += [
                held.eq(kept | (bits << rest[:6])),
                fill.eq(Mux(done & block.row_last, padded, filled)),
                closing.eq(done & block.row_last),
            ]
        with m.Else():
            m.d.sync += [held.eq(kept), fill.eq(rest)]
        return m

    def _two_groups(self, m, first8, now8, now16, move, done):
        """Up to a word of each group; returns the bits and how many are of each."""
        a, b = Signal(7), Signal(7)
        upper = Signal()
        half = Array([self.fp16.payload[:WORD_BITS], self.fp16.payload[WORD_BITS:]])[upper]
        first, second = Signal(WORD_BITS), Signal(WORD_BITS)
        joined = Signal(2 * WORD_BITS)
        m.d.comb += [
            a.eq(Mux(now8 > WORD_BITS, WORD_BITS, now8)),
            b.eq(Mux(now8 > WORD_BITS, 0, Mux(now16 > WORD_BITS, WORD_BITS, now16))),
            done.eq((now8 <= WORD_BITS) & (now16 <= WORD_BITS)),
            first.eq(_masked(first8, a)),
            second.eq(_masked(half, b)),
            joined.eq(first | (second << a)),
            self.fp8.ready.eq(move & (a != 0)),
            self.fp16.ready.eq(move & (b != 0) & (upper | (now16 <= WORD_BITS))),
        ]
        with m.If(move & (b != 0)):
            m.d.sync += upper.eq(~upper & ~done)
        return joined, a, b

    def _one_group(self, m, first8, now8, now16, move, done):
        """Up to a word of one group, fp8 first (a header has bits, so a block begins there)."""
        second, size = Signal(), Signal(7)
        now, piece = Signal(BLOCK_BITS), Signal(WORD_BITS)
        m.d.comb += [
            second.eq(now8 == 0),
            now.eq(Mux(second, now16, now8)),
            size.eq(Mux(now > WORD_BITS, WORD_BITS, now)),
            done.eq((now <= WORD_BITS) & (second | (now16 == 0))),
            piece.eq(_masked(Mux(second, self.fp16.payload, first8), size)),
            self.fp8.ready.eq(move & ~second),
            self.fp16.ready.eq(move & second),
        ]
        return piece, Mux(second, 0, size), Mux(second, size, 0)

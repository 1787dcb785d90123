"""Loader of the dense decoder: rows of words to the bits of the two groups, side by side.

The fp16 entries of a block lie behind its fp8 entries; merging both in index order needs them at the same
time. The loader moves up to 64 bits a cycle, the bus width, so it never holds up a bus that is slower.
"""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import CAUSE_BITS, WORD_BITS, Cause
from lnpu.codec.header import Header
from lnpu.codec.packet import PacketFifo
from lnpu.codec.payloads import HEADER_BITS, LENGTH_BITS, dense_command, word
from lnpu.codec.window import Window
from lnpu.lib.bits import shift_right

__all__ = ["GroupLoader", "block_record", "group_bits"]

GROUP_ROWS = 32
"""Pieces of at most 64 bits that each group's memory holds: the largest group of a block has 22 or 23."""


def group_bits() -> data.StructLayout:
    """A piece of a group: `count` bits, zeros above."""
    return data.StructLayout({"bits": WORD_BITS, "count": 7})


def block_record() -> data.StructLayout:
    """What the merger must know of a block whose bits are loaded.

    `first`: first block of its row. `cause`: what the loader found. `lost`: the block has no bits. `blank`:
    no block at all, only a cause behind the row's last block.
    """
    return data.StructLayout(
        {
            "n8": LENGTH_BITS,
            "n16": LENGTH_BITS,
            "length": LENGTH_BITS,
            "k8": 3,
            "k16": 3,
            "bias": 4,
            "first": 1,
            "lost": 1,
            "blank": 1,
            "cause": CAUSE_BITS,
        }
    )


def _low_mask(count: Value, width: int) -> list[Value]:
    return [count > n for n in range(width)]


class GroupLoader(wiring.Component):
    """Splits blocks into the bits of their groups.

    Members:
        command: `In(stream(dense_command))`, one a row. i: `In(stream(word))`.
        fp8, fp16: `Out(stream(group_bits))`, the groups' bits, all blocks one after the other.
        block: `Out(stream(block_record))`, one a block, when its bits are in `fp8` and `fp16`.

    Timing: 64 bits a cycle; at most one block a cycle; one cycle between rows.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "command": In(stream.Signature(dense_command())),
                "i": In(stream.Signature(word())),
                "fp8": Out(stream.Signature(group_bits())),
                "fp16": Out(stream.Signature(group_bits())),
                "block": Out(stream.Signature(block_record())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.window = window = Window()
        m.submodules.fifo8 = fifo8 = PacketFifo(group_bits(), GROUP_ROWS)
        m.submodules.fifo16 = fifo16 = PacketFifo(group_bits(), GROUP_ROWS)
        m.submodules.records = records = PacketFifo(block_record(), 16)
        for inner, outer in ((fifo8.o, self.fp8), (fifo16.o, self.fp16), (records.o, self.block)):
            wiring.connect(m, inner, wiring.flipped(outer))
        wiring.connect(m, wiring.flipped(self.i), window.i)

        row, blocks = Signal(dense_command()), Signal(16)
        n8, n16 = Signal(LENGTH_BITS), Signal(LENGTH_BITS)
        # 64 entries of at most 22 bits: 1408; both groups of a legal header: 768 + 1408 < 2**12.
        left8, left16 = Signal(11), Signal(11)
        left = Signal(12)
        rows8, rows16 = Signal(range(GROUP_ROWS)), Signal(range(GROUP_ROWS))
        first = Signal()
        room = Signal()

        # ---- this cycle's piece of each group --------------------------------------------------------------
        a, b, taken = Signal(7), Signal(7), Signal(7)
        complete, moving = Signal(), Signal()
        m.d.comb += [
            left.eq(left8 + left16),
            a.eq(Mux(left8 >= WORD_BITS, WORD_BITS, left8)),
            complete.eq(left <= WORD_BITS),
            taken.eq(Mux(complete, left, WORD_BITS)),
            b.eq(taken - a),
            moving.eq((window.avail >= taken) & room),
        ]
        upper = shift_right(m, "upper", window.bits, a)
        for fifo, bits, count, rows in ((fifo8, window.bits, a, rows8), (fifo16, upper, b, rows16)):
            for n, keep in enumerate(_low_mask(count, WORD_BITS)):
                m.d.comb += fifo.data.bits[n].eq(bits[n] & keep)
            m.d.comb += [
                fifo.data.count.eq(count),
                fifo.address.eq(rows),
                fifo.keep.eq(rows + fifo.write),
            ]
        # A piece of each group must always find its place, whatever was written since the last commit.
        m.d.comb += room.eq((fifo8.level > rows8) & (fifo16.level > rows16) & (records.level != 0))

        # ---- headers ---------------------------------------------------------------------------------------
        starting, at_header = Signal(), Signal()
        shape = Signal(dense_command())
        behind = Signal(7)
        m.d.comb += [
            shape.eq(Mux(starting, self.command.payload.as_value(), row.as_value())),
            behind.eq(Mux(at_header, 0, taken)),
        ]
        field = shift_right(m, "behind", window.bits, behind)[:HEADER_BITS]
        header_field = Signal(HEADER_BITS)
        m.d.comb += header_field.eq(Mux(starting, window.head, field))
        header = Header(m, "header", header_field, shape.count_bits, shape.length)
        header_fits = Signal()
        m.d.comb += header_fits.eq(window.avail >= behind + header.bits)

        record = records.data
        m.d.comb += [
            record.n8.eq(n8),
            record.n16.eq(n16),
            record.length.eq(row.length),
            record.k8.eq(row.k8),
            record.k16.eq(row.k16),
            record.bias.eq(row.bias),
            record.first.eq(first),
            records.keep.eq(1),
            records.commit.eq(records.write),
        ]
        cause = Signal(CAUSE_BITS)  # of the row, for the next record

        def begin_block(state: str) -> None:
            """Take the header's counts; the state that follows."""
            wide_extra = Mux(shape.k16[1], header.n16 * 6, header.n16 * 4)
            narrow_extra = Mux(shape.k8[2], header.n8 << 2, Mux(shape.k8[1], header.n8 << 1, header.n8))
            m.d.sync += [
                n8.eq(header.n8),
                n16.eq(header.n16),
                left8.eq((header.n8 << 3) + narrow_extra),
                left16.eq((header.n16 << 4) + wide_extra),
                rows8.eq(0),
                rows16.eq(0),
            ]
            with m.If(header.bad):
                m.d.sync += cause.eq(Cause.COUNT)
                m.next = "DROP"
            with m.Else():
                m.next = state

        trailing = Signal()
        m.d.comb += trailing.eq(~window.ended & (window.whole | window.bits.any()))
        with m.FSM():
            with m.State("START"):
                with m.If(trailing):
                    m.d.sync += cause.eq(Cause.TRAILING)
                    m.next = "DROP"
                with m.Elif(self.command.valid & window.head_valid):
                    m.d.comb += [starting.eq(1), self.command.ready.eq(1), window.restart.eq(1)]
                    m.d.sync += [
                        row.eq(self.command.payload),
                        blocks.eq(self.command.payload.blocks),
                        first.eq(1),
                    ]
                    with m.If(self.command.payload.blocks != 0):
                        m.d.comb += window.take.eq(header.bits)
                        begin_block("BODY")
                with m.Else():
                    m.d.comb += window.drop.eq(1)

            with m.State("HEADER"):
                m.d.comb += at_header.eq(1)
                with m.If(header_fits):
                    m.d.comb += window.take.eq(header.bits)
                    begin_block("BODY")
                with m.Elif(window.final):
                    m.d.sync += cause.eq(Cause.TRUNCATED)
                    m.next = "DROP"

            with m.State("BODY"):
                with m.If(window.final & (window.avail < taken)):
                    m.d.sync += cause.eq(Cause.TRUNCATED)
                    m.next = "DROP"
                with m.Elif(moving):
                    m.d.comb += [
                        window.take.eq(taken),
                        fifo8.write.eq(a != 0),
                        fifo16.write.eq(b != 0),
                    ]
                    m.d.sync += [
                        left8.eq(left8 - a),
                        left16.eq(left16 - b),
                        rows8.eq(rows8 + fifo8.write),
                        rows16.eq(rows16 + fifo16.write),
                    ]
                    with m.If(complete):
                        m.d.comb += [fifo8.commit.eq(1), fifo16.commit.eq(1), records.write.eq(1)]
                        m.d.sync += [blocks.eq(blocks - 1), first.eq(0)]
                        with m.If(blocks == 1):
                            m.next = "START"
                        with m.Elif(header_fits):
                            m.d.comb += window.take.eq(taken + header.bits)
                            begin_block("BODY")
                        with m.Else():
                            m.next = "HEADER"

            # The rest of the row: a record for every block, or one for the cause behind the last block.
            with m.State("DROP"):
                m.d.comb += [
                    window.drop.eq(1),
                    record.lost.eq(1),
                    record.blank.eq(blocks == 0),
                    record.cause.eq(cause),
                    record.n8.eq(0),
                    record.n16.eq(0),
                    records.write.eq((records.level != 0) & ((blocks != 0) | (cause != 0))),
                ]
                with m.If(records.write):
                    m.d.sync += [cause.eq(0), first.eq(0)]
                    with m.If(blocks != 0):
                        m.d.sync += blocks.eq(blocks - 1)
                with m.If((blocks == 0) & (cause == 0) & window.ended):
                    m.next = "START"
        return m

"""Sparse parser: rows of words to a stream of elements, one a cycle, escapes and headers without a slot.

A block's elements leave before its end is checked, so that this half has no block buffer; `BlockGuard` holds
them back where a malformed block must leave no trace.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import CAUSE_BITS, Cause
from lnpu.codec.header import Header
from lnpu.codec.payloads import HEADER_BITS, LENGTH_BITS, block_command, sparse_beat, word
from lnpu.codec.slots import Slots, run_width_index
from lnpu.codec.window import Window
from lnpu.lib.pipeline import Rank

__all__ = ["SparseParser"]


class SparseParser(wiring.Component):
    """Decodes rows to elements.

    Args:
        fold: escapes absorbed in the cycle of the non-zero behind them, 1 to 3 (as many as 64 bits hold).

    Members:
        command: `In(stream(block_command))`, one a row.
        i: `In(stream(word))`, the row's words.
        o: `Out(stream(sparse_beat))`; a beat has an element, ends a block, or both. A malformed block ends
            with `bad`; of its elements, those before the defect have already left.
        errors: sticky `Cause` bits of all rows. clear: clears them.

    Timing: one element a cycle within a row; one cycle without a beat between rows; a block without
    elements takes one cycle. Latency: 2 cycles from the word to its element.
    """

    def __init__(self, fold: int = 3):
        super().__init__(
            {
                "command": In(stream.Signature(block_command())),
                "i": In(stream.Signature(word())),
                "o": Out(stream.Signature(sparse_beat())),
                "errors": Out(CAUSE_BITS),
                "clear": In(1),
            }
        )
        self.fold = fold

    def elaborate(self, platform):
        m = Module()
        m.submodules.window = window = Window()
        m.submodules.rank = rank = Rank(sparse_beat())
        wiring.connect(m, wiring.flipped(self.i), window.i)
        wiring.connect(m, rank.o, wiring.flipped(self.o))
        beat = rank.i.payload

        # ---- the row ---------------------------------------------------------------------------------------
        row = Signal(block_command())
        blocks = Signal(16)  # blocks whose end has not been delivered
        raised = Signal(CAUSE_BITS)
        m.d.sync += self.errors.eq(Mux(self.clear, 0, self.errors) | raised)

        # ---- the block -------------------------------------------------------------------------------------
        rem8, rem16 = Signal(LENGTH_BITS), Signal(LENGTH_BITS)
        position, over = Signal(LENGTH_BITS), Signal()
        seen, defects = Signal(64), Signal(CAUSE_BITS)
        wide, rem = Signal(), Signal(LENGTH_BITS)
        m.d.comb += [wide.eq(rem8 == 0), rem.eq(Mux(wide, rem16, rem8))]
        case = Signal(3)
        m.d.comb += case.eq(run_width_index(wide, row.k8, row.k16))
        slots = Slots(m, "slot", window.bits, window.avail, case, self.fold + 1, behind_bits=HEADER_BITS)

        # Escapes first, then at most one element.
        usable = [slots.fits[n] & (rem > n) for n in range(self.fold + 1)]
        used, entry = Signal(range(self.fold + 2)), Signal()
        run, code, reserved = Signal.like(slots.run[0]), Signal(16), Signal()
        skipped = Signal(9)  # at most 4 escapes of 64 elements
        leading = Signal(self.fold + 1)
        for n in range(self.fold + 1):
            before = leading[n - 1] if n else 1
            m.d.comb += leading[n].eq(before & usable[n] & slots.escape[n])
            with m.If(before & usable[n]):
                m.d.comb += used.eq(n + 1)
                with m.If(~slots.escape[n]):
                    m.d.comb += [
                        entry.eq(1),
                        run.eq(slots.run[n]),
                        code.eq(slots.code[n]),
                        reserved.eq(slots.reserved[n]),
                    ]
            with m.If(leading[n]):
                m.d.comb += skipped.eq(slots.step * (n + 1))
        index, reached = Signal(9), Signal(9)
        m.d.comb += [
            index.eq(position + skipped + run),
            reached.eq(position + skipped + Mux(entry, run + 1, 0)),
        ]
        left = Signal(LENGTH_BITS)
        m.d.comb += left.eq(rem - used)
        group_ends, block_ends = Signal(), Signal()
        m.d.comb += [
            group_ends.eq(left == 0),
            block_ends.eq(group_ends & (wide | (rem16 == 0))),
        ]

        # ---- defects of the entries taken in this cycle ----------------------------------------------------
        beyond, inside, found = Signal(), Signal(), Signal(CAUSE_BITS)
        twice = Signal()
        m.d.comb += [
            beyond.eq(over | (reached > row.length)),
            inside.eq(entry & ~beyond),
            twice.eq(inside & wide & seen.bit_select(index[:6], 1)),
            found.eq(
                defects
                | Mux(beyond, Cause.INDEX, 0)
                | Mux(entry & reserved, Cause.VALUE, 0)
                | Mux(group_ends & ~entry & (used != 0), Cause.ESCAPE, 0)
                | Mux(twice, Cause.OVERLAP, 0)
            ),
        ]

        # ---- the header behind this block, or of the next row ----------------------------------------------
        behind, behind_end = Signal(HEADER_BITS), Signal(7)
        with m.Switch(used):
            for n in range(self.fold + 2):
                with m.Case(n):
                    m.d.comb += [behind.eq(slots.behind[n]), behind_end.eq(slots.end[n])]
        starting = Signal()
        field = Signal(HEADER_BITS)
        shape = Signal(block_command())
        m.d.comb += [
            field.eq(Mux(starting, window.head, behind)),
            shape.eq(Mux(starting, self.command.payload.as_value(), row.as_value())),
        ]
        header = Header(m, "header", field, shape.count_bits, shape.length)
        header_fits = Signal()
        m.d.comb += header_fits.eq(window.avail >= behind_end + header.bits)

        def begin_block(state: str) -> None:
            """Take the header's counts; the state that follows."""
            m.d.sync += [
                rem8.eq(header.n8),
                rem16.eq(header.n16),
                position.eq(0),
                over.eq(0),
                seen.eq(0),
                defects.eq(0),
            ]
            with m.If(header.bad):
                m.d.comb += raised.eq(Cause.COUNT)
                m.next = "DROP"
            with m.Else():
                m.next = state

        # ---- control ---------------------------------------------------------------------------------------
        trailing = Signal()
        m.d.comb += trailing.eq(~window.ended & (window.whole | window.bits.any()))
        with m.FSM():
            with m.State("START"):
                with m.If(trailing):
                    m.d.comb += raised.eq(Cause.TRAILING)
                    m.next = "DROP"
                with m.Elif(self.command.valid & window.head_valid):
                    m.d.comb += [
                        starting.eq(1),
                        self.command.ready.eq(1),
                        window.restart.eq(1),
                    ]
                    m.d.sync += [row.eq(self.command.payload), blocks.eq(self.command.payload.blocks)]
                    with m.If(self.command.payload.blocks != 0):
                        m.d.comb += window.take.eq(header.bits)
                        begin_block("BODY")
                with m.Else():
                    m.d.comb += window.drop.eq(1)

            with m.State("HEADER"):
                with m.If(header_fits):
                    m.d.comb += window.take.eq(header.bits)
                    begin_block("BODY")
                with m.Elif(window.final):
                    m.d.comb += raised.eq(Cause.TRUNCATED)
                    m.next = "DROP"

            with m.State("BODY"):
                with m.If((rem != 0) & (used == 0)):
                    with m.If(window.final):
                        m.d.comb += raised.eq(Cause.TRUNCATED)
                        m.next = "DROP"
                with m.Else():
                    m.d.comb += [
                        beat.entry.eq(inside & (found == 0)),
                        beat.last.eq(block_ends),
                        beat.bad.eq(block_ends & (found != 0)),
                        rank.i.valid.eq(beat.entry | beat.last),
                    ]
                    with m.If(beat.entry):
                        m.d.comb += [beat.index.eq(index), beat.value.eq(code), beat.wide.eq(wide)]
                    with m.If(rank.i.ready):
                        m.d.comb += window.take.eq(behind_end)
                        with m.If(wide):
                            m.d.sync += rem16.eq(left)
                        with m.Else():
                            m.d.sync += rem8.eq(left)
                        m.d.sync += [
                            position.eq(Mux(group_ends, 0, reached)),
                            over.eq(beyond & ~group_ends),
                            defects.eq(found),
                        ]
                        with m.If(inside & ~wide):
                            m.d.sync += seen.bit_select(index[:6], 1).eq(1)
                        with m.If(block_ends):
                            m.d.sync += blocks.eq(blocks - 1)
                            with m.If(found != 0):
                                m.d.comb += raised.eq(found)
                                m.next = "DROP"
                            with m.Elif(blocks == 1):
                                m.next = "START"
                            with m.Elif(header_fits):
                                m.d.comb += window.take.eq(behind_end + header.bits)
                                begin_block("BODY")
                            with m.Else():
                                m.next = "HEADER"

            # The rest of the row: every block is empty and bad, every word is discarded.
            with m.State("DROP"):
                m.d.comb += [
                    beat.last.eq(1),
                    beat.bad.eq(1),
                    rank.i.valid.eq(blocks != 0),
                    window.drop.eq(1),
                ]
                with m.If(rank.i.ready & (blocks != 0)):
                    m.d.sync += blocks.eq(blocks - 1)
                with m.If((blocks == 0) & window.ended):
                    m.next = "START"
        return m

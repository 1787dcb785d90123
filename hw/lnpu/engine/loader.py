"""Loader: vectors of weights or gradients to the operand files of the lines."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.buffer.transposer import make_transposer
from lnpu.engine.claims import Claims, flags_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.operands import RowAssembler
from lnpu.engine.payloads import load_command, load_vector, row_beat, tile_beat

__all__ = ["Loader"]


class Loader(wiring.Component):
    """Writes operand banks: Tile straight (FP) or transposed (BP), Row (WG).

    Straight vectors go to the files as they come. Transposed ones go through the transposing buffer: it
    fills with the next tile, of this or of the next command, while the last one leaves. Elements of a
    transposed tile behind `tail` are written as zero.

    Args:
        config: geometry; `config.transposer` names the transposing buffer.

    Members:
        commands: `In(stream(load_command))`. A command waits until all its lines want the bank.
        vectors: `In(stream(load_vector))`, in the order that `load_command` gives.
        wanted: `In(flags_layout)`: per line, which operand banks are empty; must be low in the cycle after
            `loaded`.
        tile_valid: `Out(lines)`: lines that write `tile_beat` (`Out(tile_beat)`) in this cycle.
        row_valid: `Out(lines)`: lines that write `row_beat` (`Out(row_beat)`) in this cycle.
        loaded: `Out(flags_layout)`: one-cycle pulses: the bank is complete. In the cycle after the last beat.

    Timing: one vector a cycle; a pixel of Row takes max(chunks, `operand_words`) cycles. A beat comes 1
    cycle after its vector (Row: 2 cycles after the pixel's last one; transposed: 3 cycles after the tile's
    last one, row by row). Between commands of one kind: no idle cycle straight, at most 1 transposed.
    """

    def __init__(self, config: EngineConfig):
        flags = flags_layout(config.lines)
        super().__init__(
            {
                "commands": In(stream.Signature(load_command(config))),
                "vectors": In(stream.Signature(load_vector(config))),
                "wanted": In(flags),
                "tile_valid": Out(config.lines),
                "tile_beat": Out(tile_beat(config)),
                "row_valid": Out(config.lines),
                "row_beat": Out(row_beat(config)),
                "loaded": Out(flags),
            }
        )
        self.config = config

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.claims = claims = Claims(config.lines)
        m.submodules.transposer = transposer = make_transposer(config.transposer, config.vector)
        m.submodules.rows = rows = RowAssembler(config)
        command = Signal(load_command(config), reset_less=True)  # the command whose vectors come next
        to_feed = Signal()  # it has vectors for the transposing buffer
        to_hand = Signal()  # the writing side has not taken it over yet
        accept = Signal()
        head = self.commands.payload
        m.d.comb += [
            claims.offers.eq(self.wanted),
            claims.lines.eq(head.lines),
            claims.bank.eq(head.bank),
            self.commands.ready.eq(~to_feed & ~to_hand & claims.free),
            accept.eq(self.commands.valid & self.commands.ready),
            claims.claim.eq(accept & head.last),
            self.loaded.eq(claims.done),
        ]
        with m.If(accept):
            m.d.sync += [command.eq(head), to_feed.eq(head.transposed & ~head.row), to_hand.eq(1)]

        straight = self._write(m, claims, transposer, rows, command, to_hand)
        feed = Signal()
        m.d.comb += feed.eq(to_feed & ~straight)
        self._feed(m, transposer, command, to_feed, feed, accept)
        return m

    def _feed(self, m, transposer, command, to_feed, feed, accept):
        """Vectors of a transposed command as columns, while `feed`; `vectors.ready` of the other ones is
        driven where they are written."""
        size = self.config.vector
        index = Signal(range(size))
        chunk = Signal.like(command.chunks)
        left = Signal.like(command.entries)  # entries from this run on, less one
        last_chunk = Signal()
        m.d.comb += [
            last_chunk.eq(chunk == command.chunks),
            transposer.i.valid.eq(feed & self.vectors.valid),
            transposer.i.payload.elements.eq(self.vectors.payload.elements),
            transposer.i.payload.index.eq(index),
            transposer.i.payload.axis.eq(1),
            transposer.i.payload.last.eq(index == Mux(last_chunk, command.tail, size - 1)),
        ]
        with m.If(feed):
            m.d.comb += self.vectors.ready.eq(transposer.i.ready)
        with m.If(accept):
            m.d.sync += [index.eq(0), chunk.eq(0), left.eq(self.commands.payload.entries)]
        with m.Elif(transposer.i.valid & transposer.i.ready):
            m.d.sync += index.eq(index + 1)
            with m.If(transposer.i.payload.last):
                m.d.sync += [index.eq(0), chunk.eq(chunk + 1)]
                with m.If(last_chunk):
                    m.d.sync += [chunk.eq(0), left.eq(left - size)]
                    with m.If(left < size):
                        m.d.sync += to_feed.eq(0)

    def _write(self, m, claims, transposer, rows, command, to_hand):
        """The writing side: counts entries and chunks; returns whether it takes vectors itself."""
        config, size = self.config, self.config.vector
        present = Signal(load_command(config), reset_less=True)
        active = Signal()
        entry = Signal.like(present.first, reset_less=True)
        left = Signal.like(present.entries, reset_less=True)  # entries behind this one
        chunk = Signal.like(present.chunks, reset_less=True)
        index = Signal(range(size), reset_less=True)  # entry of the transposed tile
        transposed = Signal()
        straight = Signal()
        last_chunk = Signal()
        tile_end = Signal()
        step = Signal()
        ends = Signal()
        m.d.comb += [
            transposed.eq(active & present.transposed & ~present.row),
            straight.eq(active & ~(present.transposed & ~present.row)),
            last_chunk.eq(chunk == present.chunks),
            tile_end.eq((index == size - 1) | (left == 0)),
            ends.eq(step & last_chunk & (left == 0)),
            transposer.read.valid.eq(transposed),
            transposer.read.payload.index.eq(index),
            transposer.read.payload.last.eq(tile_end),
            transposer.o.ready.eq(1),
        ]
        # A beat of the transposing buffer that is still on its way goes first.
        direct = Signal()
        m.d.comb += direct.eq(straight & ~present.row & (~transposer.o.valid if transposer.latency else 1))
        with m.If(transposed):
            m.d.comb += step.eq(transposer.read.ready)
        with m.Elif(straight):
            m.d.comb += [
                self.vectors.ready.eq(Mux(present.row, rows.i.ready, direct)),
                step.eq(self.vectors.valid & self.vectors.ready),
            ]

        # Tile and Row end in different cycles after their last vector: one of them at a time.
        hand = Signal()
        between = ~command.row & (rows.busy | (active & present.row))
        m.d.comb += hand.eq(to_hand & (~active | ends) & ~between)
        back = Signal()  # to the first entry of the run, for the next chunk
        m.d.comb += back.eq(transposed & tile_end & ~last_chunk)
        by = Mux(back, -index, Mux(present.row, config.operand_words, 1))
        with m.If(hand):
            m.d.sync += [to_hand.eq(0), active.eq(1), present.eq(command)]
            m.d.sync += [entry.eq(command.first), left.eq(command.entries), chunk.eq(0), index.eq(0)]
        with m.Elif(ends):
            m.d.sync += active.eq(0)
        with m.Elif(step):
            with m.If(transposed | last_chunk):
                m.d.sync += [entry.eq(entry + by), left.eq(left + Mux(back, index, -1))]
            with m.If(transposed):
                m.d.sync += index.eq(Mux(tile_end, 0, index + 1))
            with m.If(~transposed | tile_end):
                m.d.sync += chunk.eq(Mux(last_chunk, 0, chunk + 1))

        m.d.comb += [
            rows.i.valid.eq(straight & present.row & self.vectors.valid),
            rows.i.payload.elements.eq(self.vectors.payload.elements),
            rows.i.payload.chunk.eq(chunk),
            rows.i.payload.end.eq(last_chunk),
            rows.i.payload.word.eq(entry),
            rows.i.payload.lines.eq(present.lines),
            rows.i.payload.bank.eq(present.bank),
            rows.i.payload.final.eq(present.last & (left == 0)),
            self.row_valid.eq(rows.valid),
            self.row_beat.eq(rows.beat),
        ]
        tag = {
            "entry": (config.tile_bits, entry),
            "chunk": (len(chunk), chunk),
            "lines": (config.lines, present.lines),
            "bank": (1, present.bank),
            "final": (1, ends & present.last),
            # Columns that a tile does not have are zero.
            "tail": (len(index), Mux(transposed & last_chunk, present.tail, size - 1)),
        }
        here = Signal(data.StructLayout({name: width for name, (width, _) in tag.items()}))
        m.d.comb += [here[name].eq(value) for name, (_, value) in tag.items()]
        self._finish(m, claims, transposer, rows, here, step & ~present.row, transposed)
        return straight

    def _finish(self, m, claims, transposer, rows, here, valid, transposed):
        """Register of the Tile beats, and the pulses behind the last beat; `here` belongs to the vector that
        is taken or the row that is read in this cycle."""
        config = self.config
        tag = here
        if transposer.latency:
            tag, late = Signal.like(here), here
            for n in range(transposer.latency):  # the buffer's output is always taken
                before, late = late, Signal.like(here, name=f"late{n}", reset_less=True)
                m.d.sync += late.eq(before)
            with m.If(transposer.o.valid):
                m.d.comb += tag.eq(late)
            with m.Else():
                m.d.comb += tag.eq(here)
            write = transposer.o.valid | (valid & ~transposed)
        else:
            write = valid
        beat = Signal(tile_beat(config), reset_less=True)
        lines = Signal(config.lines)
        done_lines = Signal(config.lines)
        bank = Signal(reset_less=True)
        done_bank = Signal(reset_less=True)
        final = Signal(reset_less=True)
        m.d.sync += [
            beat.entry.eq(tag.entry),
            beat.chunk.eq(tag.chunk),
            lines.eq(tag.lines & write.replicate(config.lines)),
            bank.eq(tag.bank),
            final.eq(tag.final),
        ]
        for n in range(config.vector):
            row = transposer.o.payload.elements[n] & (tag.tail >= n).replicate(16)
            m.d.sync += beat.elements[n].eq(Mux(transposer.o.valid, row, self.vectors.payload.elements[n]))
        m.d.comb += [self.tile_beat.eq(beat), self.tile_valid.eq(lines)]

        from_tile = lines & final.replicate(config.lines)
        from_rows = rows.valid & rows.completes.replicate(config.lines)
        m.d.sync += [
            done_lines.eq(from_tile | from_rows),
            done_bank.eq(Mux(rows.valid.any(), rows.bank, bank)),
        ]
        m.d.comb += [claims.done_lines.eq(done_lines), claims.done_bank.eq(done_bank)]

"""X buffer: the blocks of a tile's rows, decoded once, read block by block in any order by all lines."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import CAUSE_BITS
from lnpu.codec.payloads import word
from lnpu.engine.block_payloads import fetch_layout, look_layout, word_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.group import NO_CHECK
from lnpu.engine.packer import Packer, write_layout
from lnpu.engine.payloads import fill_command, span_layout
from lnpu.engine.row_decoder import RowDecoder
from lnpu.engine.row_payloads import job_layout
from lnpu.engine.turns import Turns
from lnpu.lib.pipeline import Rank

__all__ = ["XStore"]


class XStore(wiring.Component):
    """Two banks of words of elements and of spans, which say where each block is.

    Row `i` of a bank goes to decoder `i mod decoders`, which writes to its own region of the bank. A
    malformed block and the rest of its row are empty; so is what finds no room in a region.

    Args:
        config: geometry.

    Members:
        clear: `In(1)`: forget everything, also what is accepted in this cycle; errors and full become 0.
        fills: `In(stream(fill_command))`, one a row; words: `In(stream(word))`, the rows' words.
        filled: `Out(2)`, a bit a bank: complete and not claimed. claim: `In(2)`, pulses: the last walk that
        reads the bank has it, no other one may; free: `In(2)`, pulses: nobody reads it any more.
        look: `In(stream(look_layout))`, always ready; span: `Out(span_layout)`, one cycle later. The `start`
        of an empty span means nothing.
        fetch: `In(stream(fetch_layout))` for each line; data: `Out(word_layout)`, one cycle after a request
        was taken. Lines take turns.
        errors: `Out`, `Cause` bits; full: `Out(1)`: a bank had more elements than fit; both sticky.

    Timing: one span and one word read a cycle. Each decoder takes an entry a cycle, a cycle for each block's
    header and one or two for the end of a row; its next row may wait in its FIFO. A word or span is written
    in the cycle behind its last element's, if no other decoder writes then.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "clear": In(1),
                "fills": In(stream.Signature(fill_command(config))),
                "words": In(stream.Signature(word())),
                "filled": Out(2),
                "claim": In(2),
                "free": In(2),
                "look": In(stream.Signature(look_layout(config))),
                "span": Out(span_layout(config)),
                "fetch": In(stream.Signature(fetch_layout(config))).array(config.lines),
                "data": Out(word_layout(config)),
                "errors": Out(CAUSE_BITS),
                "full": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = ResetInserter(self.clear)(self._rows())
        return m

    def _rows(self):
        m = Module()
        jobs, rows = self._distribute(m)
        packers = []
        errors = []
        arrived = []
        for n in range(self.config.decoders):
            m.submodules[f"decoder{n}"] = decoder = RowDecoder(self.config)
            m.submodules[f"packer{n}"] = packer = Packer(self.config, n)
            wiring.connect(m, jobs[n], decoder.jobs)
            wiring.connect(m, rows[n], decoder.i)
            wiring.connect(m, decoder.o, packer.i)
            m.d.comb += decoder.free.eq(self.free)
            mine = Signal(2, name=f"arrived{n}")
            m.d.sync += mine.eq((mine | packer.ended) & ~self.free)
            arrived.append(mine)
            packers.append(packer)
            errors.append(decoder.errors)
        claimed = Signal(2)
        m.d.sync += claimed.eq((claimed | self.claim) & ~self.free)
        complete = arrived[0]
        every = errors[0]
        for n in range(1, self.config.decoders):
            complete, every = complete & arrived[n], every | errors[n]
        m.d.comb += [self.filled.eq(complete & ~claimed), self.errors.eq(every)]
        with m.If(Cat(packer.full for packer in packers).any()):
            m.d.sync += self.full.eq(1)
        self._banks(m, packers)
        return m

    def _distribute(self, m):
        """Jobs and rows of words for each decoder."""
        count, fill = self.config.decoders, self.fills.payload
        turn = Signal(range(count))  # the decoder of this row or the next one
        busy, closing = Signal(), Signal()  # a row's words come; it is its bank's last one
        jobs, rows, ready = [], [], []
        for n in range(count):
            # The row that is decoded, and one more.
            m.submodules[f"next{n}"] = first = Rank(job_layout(self.config))
            m.submodules[f"job{n}"] = second = Rank(job_layout(self.config))
            wiring.connect(m, first.o, second.i)
            job, mine = first.i.payload, Signal(name=f"mine{n}")
            path = stream.Signature(word()).create(path=(f"row{n}",))
            m.d.comb += [
                mine.eq(turn == n),
                job.row.eq(fill.row),
                job.base.eq(fill.base),
                job.bank.eq(fill.bank),
                job.decode.eq(mine),
                job.end.eq(fill.last),
                first.i.valid.eq(self.fills.valid & self.fills.ready & (mine | fill.last)),
                path.payload.eq(self.words.payload),
                path.valid.eq(busy & mine & self.words.valid),
            ]
            with m.If(mine):
                m.d.comb += self.words.ready.eq(busy & path.ready)
            jobs.append(second.o)
            rows.append(path)
            ready.append(first.i.ready)
        m.d.comb += self.fills.ready.eq(~busy & Cat(*ready).all())
        with m.If(self.fills.valid & self.fills.ready):
            m.d.sync += [busy.eq(1), closing.eq(fill.last)]
        with m.If(self.words.valid & self.words.ready & self.words.payload.last):
            m.d.sync += [busy.eq(0), turn.eq(Mux(closing | (turn == count - 1), 0, turn + 1))]
        return jobs, rows

    def _banks(self, m, packers):
        """Both RAMs: the bank is the top bit of the address, so each has one port a direction."""
        config = self.config
        m.submodules.spans = spans = Memory(
            shape=span_layout(config), depth=2 << config.block_bits, init=[], attrs=NO_CHECK
        )
        m.submodules.store = store = Memory(
            shape=word_layout(config), depth=2 * config.words, init=[], attrs=NO_CHECK
        )

        m.submodules.writers = writers = Turns(len(packers))
        span_write, word_write = spans.write_port(), store.write_port()
        value = None
        for n, packer in enumerate(packers):
            out = packer.o.payload
            m.d.comb += [writers.requests[n].eq(packer.o.valid), packer.o.ready.eq(writers.grants[n])]
            value = Mux(writers.grants[n], out.as_value(), value) if n else out.as_value()
        write = Signal(write_layout(config))
        asked = writers.requests.any()
        m.d.comb += [
            write.eq(value),
            span_write.en.eq(asked & write.span_en),
            word_write.en.eq(asked & write.word_en),
            span_write.addr.eq(write.span_at),
            span_write.data.eq(write.span),
            word_write.addr.eq(write.word_at),
            word_write.data.eq(write.word),
        ]

        m.submodules.readers = readers = Turns(config.lines)
        span_read, word_read = spans.read_port(), store.read_port()
        span_at = Signal.like(span_read.addr)
        m.d.comb += [
            self.look.ready.eq(1),
            span_read.en.eq(self.look.valid),
            span_at.eq(self.look.payload),
            span_read.addr.eq(span_at),
            self.span.eq(span_read.data),
            word_read.en.eq(readers.requests.any()),
            self.data.eq(word_read.data),
        ]
        at = self.fetch[0].payload.as_value()
        for n, fetch in enumerate(self.fetch):
            m.d.comb += [readers.requests[n].eq(fetch.valid), fetch.ready.eq(readers.grants[n])]
            if n:
                at = Mux(readers.grants[n], fetch.payload.as_value(), at)
        m.d.comb += word_read.addr.eq(at)
        return m

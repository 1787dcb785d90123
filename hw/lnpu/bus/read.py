"""DMA from memory to a stream."""

from amaranth.hdl import Cat, Const, Module, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import ADDRESS_BITS, DATA_BITS, Axi4Read, check_burst, command_layout
from lnpu.bus.splitter import Splitter, burst_layout

__all__ = ["ReadDma", "constants", "word_layout"]


def word_layout() -> data.StructLayout:
    """`data`: 64 bits as they stand in memory (first byte low); `last`: the command's last word."""
    return data.StructLayout({"data": DATA_BITS, "last": 1})


def constants(port, prefix: str) -> list:
    """What never changes on a request channel `ar` or `aw`: ID 0, 8 bytes a beat, INCR, modifiable
    and bufferable, unprivileged secure data access."""
    fixed = {"id": 0, "size": 3, "burst": 1, "cache": 0b0011, "prot": 0}
    return [getattr(port, f"{prefix}{name}").eq(value) for name, value in fixed.items()]


class ReadDma(wiring.Component):
    """Reads runs of words from memory, in order.

    A burst is requested only when room for all of it is reserved in the output FIFO, so that `rready` is
    always 1 and a slow consumer never blocks the bus. After an error response the rest of that command's
    words, the faulty one included, are delivered as zeros (and still requested), so that consumers do not
    hang; later commands run as usual.

    Args:
        burst: beats of a burst at most, power of two from 2 to 256.
        outstanding: bursts requested and not answered at most, 1 to 64.
        depth: words of the output FIFO, `burst` to 4096; default `burst * outstanding`, at most 4096.

    Members:
        commands: `In(stream of command_layout)`. o: `Out(stream of word_layout)`.
        m_axi: `Out(Axi4Read)`; every output comes from a register.
        abort: `In(1)`: forget commands and words; requested bursts are awaited and dropped, `busy` falls
            after the last one (never, when the memory does not answer). `o.valid` falls; no command is taken
            until then.
        clear: `In(1)`: clears the sticky error.
        busy: `Out(1)`: a command is at work, an answer is awaited, or words wait at `o`.
        error: `Out(1)`, sticky: a response was SLVERR or DECERR. response: `Out(2)` and error_address:
            `Out(32)`, bytes, those of the first one since `clear`.

    Timing: `arvalid` three cycles after the command; a word is at `o` two cycles after its R beat. A word a
    cycle; a burst every two cycles.

    Raises:
        ValueError: a parameter is out of range.
    """

    def __init__(self, *, burst: int = 16, outstanding: int = 8, depth: int | None = None):
        check_burst(burst)
        if not 1 <= outstanding <= 64:
            raise ValueError(f"`outstanding` must be 1 to 64 bursts, not {outstanding}")
        depth = min(burst * outstanding, 4096) if depth is None else depth
        if not burst <= depth <= 4096:
            raise ValueError(f"`depth` must be {burst} (`burst`) to 4096 words, not {depth}")
        self.burst, self.outstanding, self.depth = burst, outstanding, depth
        super().__init__(
            {
                "commands": In(stream.Signature(command_layout())),
                "o": Out(stream.Signature(word_layout())),
                "m_axi": Out(Axi4Read()),
                "abort": In(1),
                "clear": In(1),
                "busy": Out(1),
                "error": Out(1),
                "response": Out(2),
                "error_address": Out(ADDRESS_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        axi = self.m_axi
        m.submodules.splitter = splitter = Splitter(self.burst)
        layout = burst_layout(self.burst)
        # At least two entries: a FIFO of one has no address.
        m.submodules.asked = asked = SyncFIFO(width=layout.size, depth=max(2, self.outstanding))
        flush = Signal()
        words = SyncFIFOBuffered(width=DATA_BITS + 1, depth=self.depth)
        m.submodules.words = ResetInserter(flush)(words)
        draining = Signal()
        m.d.comb += [
            flush.eq(draining | self.abort),
            splitter.clear.eq(flush),
            splitter.i.payload.eq(self.commands.payload),
            splitter.i.valid.eq(self.commands.valid & ~flush),
            self.commands.ready.eq(splitter.i.ready & ~flush),
        ]

        # Requests: the register keeps what is offered, in a drain too.
        room = Signal(range(self.depth + 1), init=self.depth)
        ask = Signal()
        below = asked.level < self.outstanding
        m.d.comb += [
            ask.eq(splitter.o.valid & ~axi.arvalid & below & (room > splitter.o.payload.length) & ~flush),
            splitter.o.ready.eq(ask),
            asked.w_en.eq(ask),
            asked.w_data.eq(splitter.o.payload),
            *constants(axi, "ar"),
        ]
        with m.If(axi.arready):
            m.d.sync += axi.arvalid.eq(0)
        with m.If(ask):
            m.d.sync += [
                axi.arvalid.eq(1),
                axi.araddr.eq(Cat(Const(0, 3), splitter.o.payload.word)),
                axi.arlen.eq(splitter.o.payload.length),
            ]
        taken = Signal()
        m.d.comb += taken.eq(self.o.valid & self.o.ready)
        m.d.sync += room.eq(room + taken - ((splitter.o.payload.length + 1) & ask.replicate(9)))
        with m.If(flush):
            m.d.sync += room.eq(self.depth)

        # Responses.
        head = data.View(layout, asked.r_data)
        beat = Signal()
        bad = Signal()
        zeros = Signal()
        last = Signal()
        offset = Signal(self.burst.bit_length() - 1)
        m.d.comb += [
            axi.rready.eq(1),
            beat.eq(axi.rvalid & asked.r_rdy),
            asked.r_en.eq(beat & axi.rlast),
            zeros.eq(bad | axi.rresp[1]),
            last.eq(axi.rlast & head.final),
            words.w_en.eq(beat & ~flush),
            words.w_data.eq(Cat(axi.rdata & (~zeros).replicate(DATA_BITS), last)),
            words.r_en.eq(self.o.ready),
            self.o.payload.data.eq(words.r_data[:DATA_BITS]),
            self.o.payload.last.eq(words.r_data[DATA_BITS]),
            self.o.valid.eq(words.r_rdy),
        ]
        with m.If(beat):
            m.d.sync += [offset.eq(offset + 1), bad.eq(zeros & ~last)]
            with m.If(axi.rlast):
                m.d.sync += offset.eq(0)
            with m.If(axi.rresp[1] & ~self.error):
                m.d.sync += [
                    self.error.eq(1),
                    self.response.eq(axi.rresp),
                    self.error_address.eq(Cat(Const(0, 3), (head.word + offset)[: ADDRESS_BITS - 3])),
                ]
        with m.If(self.clear):
            m.d.sync += self.error.eq(0)

        idle = Signal()
        m.d.comb += [
            idle.eq(~axi.arvalid & ~asked.r_rdy),
            self.busy.eq(splitter.busy | ~idle | (words.level != 0) | draining),
        ]
        with m.If(self.abort):
            m.d.sync += draining.eq(1)
        with m.Elif(idle):
            m.d.sync += draining.eq(0)
        with m.If(draining & idle):
            m.d.sync += [bad.eq(0), offset.eq(0)]
        return m

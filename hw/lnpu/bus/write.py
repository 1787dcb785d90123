"""DMA from a stream to memory."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import ADDRESS_BITS, DATA_BITS, WORD_BYTES, Axi4Write, check_burst, command_layout
from lnpu.bus.read import constants
from lnpu.bus.splitter import Splitter

__all__ = ["DONE_BITS", "WriteDma", "strobed_layout"]

DONE_BITS = 16
"""Bits of the count of completed commands; it wraps."""


def strobed_layout() -> data.StructLayout:
    """`data`: 64 bits, first byte low; `strobe`: a bit for each byte that shall be written."""
    return data.StructLayout({"data": DATA_BITS, "strobe": WORD_BYTES})


class WriteDma(wiring.Component):
    """Writes runs of words to memory: command n takes the next `words` words of the stream.

    A command is done when all its bursts are answered; then its words are in memory (as far as the memory
    keeps what BRESP promises).

    Args:
        burst: beats of a burst at most, power of two from 2 to 256.
        outstanding: bursts requested and not answered at most, 1 to 64.

    Members:
        commands: `In(stream of command_layout)`. i: `In(stream of strobed_layout)`; words are taken only for
            a burst that is requested.
        m_axi: `Out(Axi4Write)`; every output comes from a register.
        abort: `In(1)`: forget commands; requested bursts get beats without strobes, as AXI has no way back,
            and are awaited; `busy` falls after the last answer (never, when the memory does not answer). No
            command and no word is taken until then; `done` does not count.
        clear: `In(1)`: clears the sticky error.
        busy: `Out(1)`: a command is at work or an answer is awaited.
        done: `Out(16)`: commands completed since reset, with and without error; wraps.
        error: `Out(1)`, sticky: a response was SLVERR or DECERR. response: `Out(2)` and error_address:
            `Out(32)`, bytes: those of the first one since `clear`; the address is the burst's first.

    Timing: `awvalid` three cycles after the command, `wvalid` one after the word is taken; a word a cycle, a
    burst every two cycles.

    Raises:
        ValueError: a parameter is out of range.
    """

    def __init__(self, *, burst: int = 16, outstanding: int = 8):
        check_burst(burst)
        if not 1 <= outstanding <= 64:
            raise ValueError(f"`outstanding` must be 1 to 64 bursts, not {outstanding}")
        self.burst, self.outstanding = burst, outstanding
        super().__init__(
            {
                "commands": In(stream.Signature(command_layout())),
                "i": In(stream.Signature(strobed_layout())),
                "m_axi": Out(Axi4Write()),
                "abort": In(1),
                "clear": In(1),
                "busy": Out(1),
                "done": Out(DONE_BITS),
                "error": Out(1),
                "response": Out(2),
                "error_address": Out(ADDRESS_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        axi = self.m_axi
        m.submodules.splitter = splitter = Splitter(self.burst)
        burst = splitter.o.payload
        depth = max(2, self.outstanding)
        # What W still has to send, and what B still has to answer.
        m.submodules.lengths = lengths = SyncFIFO(width=len(burst.length), depth=depth)
        answers_layout = data.StructLayout({"word": len(burst.word), "final": 1})
        m.submodules.answers = answers = SyncFIFO(width=answers_layout.size, depth=depth)
        draining = Signal()
        flush = Signal()
        ask = Signal()
        m.d.comb += [
            flush.eq(draining | self.abort),
            splitter.clear.eq(flush),
            splitter.i.payload.eq(self.commands.payload),
            splitter.i.valid.eq(self.commands.valid & ~flush),
            self.commands.ready.eq(splitter.i.ready & ~flush),
            ask.eq(splitter.o.valid & ~axi.awvalid & (answers.level < self.outstanding) & ~flush),
            splitter.o.ready.eq(ask),
            lengths.w_en.eq(ask),
            lengths.w_data.eq(burst.length),
            answers.w_en.eq(ask),
            answers.w_data.eq(Cat(burst.word, burst.final)),
            *constants(axi, "aw"),
        ]
        with m.If(axi.awready):
            m.d.sync += axi.awvalid.eq(0)
        with m.If(ask):
            m.d.sync += [
                axi.awvalid.eq(1),
                axi.awaddr.eq(Cat(Const(0, 3), burst.word)),
                axi.awlen.eq(burst.length),
            ]

        # Words.
        sent = Signal(len(burst.length))
        free = Signal()
        move = Signal()
        last = Signal()
        m.d.comb += [
            free.eq(lengths.r_rdy & (~axi.wvalid | axi.wready)),
            move.eq(free & (self.i.valid | draining)),
            self.i.ready.eq(free & ~draining),
            last.eq(sent == lengths.r_data),
            lengths.r_en.eq(move & last),
        ]
        with m.If(axi.wready):
            m.d.sync += axi.wvalid.eq(0)
        with m.If(move):
            m.d.sync += [
                axi.wvalid.eq(1),
                axi.wdata.eq(self.i.payload.data),
                axi.wstrb.eq(self.i.payload.strobe & (~draining).replicate(WORD_BYTES)),
                axi.wlast.eq(last),
                sent.eq(sent + 1),
            ]
            with m.If(last):
                m.d.sync += sent.eq(0)

        # Answers.
        head = data.View(answers_layout, answers.r_data)
        answer = Signal()
        m.d.comb += [axi.bready.eq(1), answer.eq(axi.bvalid & answers.r_rdy), answers.r_en.eq(answer)]
        with m.If(answer):
            with m.If(head.final & ~flush):
                m.d.sync += self.done.eq(self.done + 1)
            with m.If(axi.bresp[1] & ~self.error):
                m.d.sync += [
                    self.error.eq(1),
                    self.response.eq(axi.bresp),
                    self.error_address.eq(Cat(Const(0, 3), head.word)),
                ]
        with m.If(self.clear):
            m.d.sync += self.error.eq(0)

        # A burst that awaits its answer covers its request and its words.
        m.d.comb += self.busy.eq(splitter.busy | answers.r_rdy | draining)
        with m.If(self.abort):
            m.d.sync += draining.eq(1)
        with m.Elif(~answers.r_rdy):
            m.d.sync += draining.eq(0)
        return m

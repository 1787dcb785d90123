"""UPDATE: a step of SGD."""

import enum
from itertools import pairwise

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import command_layout
from lnpu.bus.read import word_layout
from lnpu.bus.write import strobed_layout
from lnpu.machine.commands import Opcode
from lnpu.machine.payloads import record_layout
from lnpu.vector.combine import finite
from lnpu.vector.fp32 import Weighted
from lnpu.vector.half import ToFp16

__all__ = ["CHUNK", "Update"]

CHUNK = 64
"""Weights that are at work together."""
ONE = 0x3F800000


class _State(enum.IntEnum):
    IDLE = 0
    STEP = 1  # step = scale * gradient + decay * master, as the operands come
    MOMENTUM = 2  # momentum = momentum * momentum + step
    MASTER = 3  # master = master - rate * momentum
    EXPONENT = 4  # all is written; the largest exponent of the copies follows


class _Writing(enum.IntEnum):
    NOTHING = 0
    STATE = 1  # masters and momenta
    WEIGHTS = 2  # their fp16 copies


class Update(wiring.Component):
    """Takes `CHUNK` weights three times through the arithmetic, then writes them while the next ones come.

    Members:
        tasks: `In(stream(record_layout(UPDATE)))`. skip: `In(1)`: a guarded command does nothing.
        a_requests, a_data: a `ReadDma` for the state; b_requests, b_data: one for the gradient. requests,
            words: a `WriteDma`.
        scale_a, a, scale_b, b: `Out(32)`: for the arithmetic, which always moves; sum: `In(32)`, `latency`
            cycles later.
        idle: `Out(1)`. wild: `Out(1)`: a number is NaN or infinity; clipped: `Out(1)`: a copy saturated.

    Timing: about 3.5 cycles a weight.
    """

    def __init__(self):
        super().__init__(
            {
                "tasks": In(stream.Signature(record_layout(Opcode.UPDATE))),
                "skip": In(1),
                **{f"{port}_requests": Out(stream.Signature(command_layout())) for port in "ab"},
                **{f"{port}_data": In(stream.Signature(word_layout())) for port in "ab"},
                "requests": Out(stream.Signature(command_layout())),
                "words": Out(stream.Signature(strobed_layout())),
                **{name: Out(32) for name in ("scale_a", "a", "scale_b", "b")},
                "sum": In(32),
                **{name: Out(1) for name in ("idle", "wild", "clipped")},
            }
        )

    def elaborate(self, platform):
        m = Module()
        task = Signal(self.tasks.payload.shape(), reset_less=True)
        state = Signal(_State)
        left, size = Signal(32), Signal(range(CHUNK + 1))  # weights to come, of the chunk
        begin = Signal()
        m.d.comb += [
            self.idle.eq((state == _State.IDLE) & ~begin),
            self.tasks.ready.eq((state == _State.IDLE) & ~begin),
            size.eq(Mux(left > CHUNK, CHUNK, left)),
        ]
        m.d.sync += begin.eq(0)
        with m.If(self.tasks.valid & self.tasks.ready):
            m.d.sync += task.eq(self.tasks.payload)
            m.d.sync += begin.eq(~(self.skip & self.tasks.payload.guarded.any()))
        self._ask(m, task, begin)
        fed, come = (
            Signal(range(CHUNK + 1)),
            Signal(range(CHUNK + 1)),
        )  # weights into the arithmetic, out of it
        read, read_at = self._memories(m, state, fed, come, size)
        feed, done = Signal(), Signal()
        writing, sent = Signal(_Writing), Signal(range(CHUNK + 1))  # what is written, words of it
        # New masters and momenta take the places of those that are written.
        kept = writing != _Writing.STATE
        free = kept | (fed < sent)
        rest = writing == _Writing.NOTHING
        self._trips(m, task, state, read, fed, come, size, feed, done, free, kept, rest)
        self._control(m, task, state, begin, left, size, done, fed, come, rest)
        self._write(m, task, state, begin, size, read, read_at, done, fed, come, writing, sent)
        return m

    def _ask(self, m, task, begin):
        """Requests of both arrays, chunk after chunk, ahead of the work."""
        for port, address, log in ((self.a_requests, task.state, 0), (self.b_requests, task.gradient, 1)):
            at, rest = Signal(32), Signal(32)
            words = Mux(rest > CHUNK, CHUNK, rest) >> log
            m.d.comb += [
                port.valid.eq(rest != 0),
                port.payload.address.eq(at),
                port.payload.words.eq(words),
            ]
            with m.If(port.valid & port.ready):
                m.d.sync += [at.eq(at + (words << 3)), rest.eq(Mux(rest > CHUNK, rest - CHUNK, 0))]
            with m.If(begin):
                m.d.sync += [at.eq(address), rest.eq(task.count)]

    def _memories(self, m, state, fed, come, size):
        """Masters, momenta and steps of a chunk; what they hold at `read_at`, a cycle later."""
        read_at = Signal(range(CHUNK))
        found = {}
        incoming = state == _State.STEP
        master, wild_master = finite(self.a_data.payload.data[:32])
        momentum, wild_momentum = finite(self.a_data.payload.data[32:])
        _, wild_gradient = finite(self.b_data.payload.data.word_select(fed[0], 32))
        take = self.a_data.valid & self.a_data.ready
        m.d.comb += self.wild.eq(take & (wild_master | wild_momentum | wild_gradient))
        self.ways = way = [Signal(name=f"way{n}") for n in range(Weighted.latency)]
        for name, value, result in (
            ("master", master, _State.MASTER),
            ("momentum", momentum, _State.MOMENTUM),
            ("step", None, _State.STEP),
        ):
            m.submodules[name] = memory = Memory(shape=32, depth=CHUNK, init=[])
            port, out = memory.write_port(), memory.read_port(domain="comb")
            with m.If(way[-1] & (state == result)):
                m.d.comb += [port.en.eq(1), port.addr.eq(come), port.data.eq(self.sum)]
            if value is not None:
                with m.If(incoming & take):
                    m.d.comb += [port.en.eq(1), port.addr.eq(fed), port.data.eq(value)]
            m.d.comb += out.addr.eq(read_at)
            found[name] = out.data
        return found, read_at

    def _trips(self, m, task, state, read, fed, come, size, feed, done, free, kept, rest):
        """Three times through the arithmetic."""
        gradient, _ = finite(self.b_data.payload.data.word_select(fed[0], 32))
        master, _ = finite(self.a_data.payload.data[:32])
        more = fed != size
        there = self.a_data.valid & self.b_data.valid
        m.d.comb += done.eq(come == size)
        with m.Switch(state):
            with m.Case(_State.STEP):
                m.d.comb += [
                    feed.eq(more & there & free),
                    *(self.a.eq(gradient), self.scale_a.eq(task.scale)),
                    *(self.b.eq(master), self.scale_b.eq(task.decay)),
                ]
            with m.Case(_State.MOMENTUM):
                m.d.comb += [
                    feed.eq(more & kept),
                    *(self.a.eq(read["momentum"]), self.scale_a.eq(task.momentum)),
                    *(self.b.eq(read["step"]), self.scale_b.eq(ONE)),
                ]
            with m.Case(_State.MASTER):
                m.d.comb += [
                    feed.eq(more & rest),
                    *(self.a.eq(read["master"]), self.scale_a.eq(ONE)),
                    *(self.b.eq(read["momentum"]), self.scale_b.eq(task.rate ^ (1 << 31))),
                ]
        m.d.comb += [
            self.a_data.ready.eq((state == _State.STEP) & feed),
            self.b_data.ready.eq((state == _State.STEP) & feed & fed[0]),
        ]
        way = self.ways
        m.d.sync += [way[0].eq(feed), *(b.eq(a) for a, b in pairwise(way))]
        with m.If(feed):
            m.d.sync += fed.eq(fed + 1)
        with m.If(way[-1]):
            m.d.sync += come.eq(come + 1)

    def _control(self, m, task, state, begin, left, size, done, fed, come, rest):
        """Trip after trip, chunk after chunk."""
        last = left <= CHUNK
        with m.Switch(state):
            with m.Case(_State.IDLE):
                with m.If(begin):
                    m.d.sync += [state.eq(_State.STEP), left.eq(task.count)]
            for trip, following in (
                (_State.STEP, _State.MOMENTUM),
                (_State.MOMENTUM, _State.MASTER),
                (_State.MASTER, Mux(last, _State.EXPONENT, _State.STEP)),
            ):
                with m.Case(trip), m.If(done):
                    m.d.sync += [state.eq(following), fed.eq(0), come.eq(0)]
                    if trip is _State.MASTER:
                        m.d.sync += left.eq(left - size)
            with m.Case(_State.EXPONENT):
                with m.If(rest & self.words.valid & self.words.ready):
                    m.d.sync += state.eq(_State.IDLE)

    def _write(self, m, task, state, begin, size, read, read_at, done, fed, come, writing, sent):
        """A chunk to memory while the next one comes; at last the exponent."""
        m.submodules.half = half = ToFp16()
        copies = Array(Signal(64, name=f"copies{n}", reset_less=True) for n in range(CHUNK // 4))
        largest = Signal(5)
        m.d.comb += half.i.eq(self.sum)
        made = self.ways[-1] & (state == _State.MASTER)
        with m.If(made):
            m.d.sync += copies[come[2:]].word_select(come[:2], 16).eq(half.o)
            with m.If(half.o[10:15] > largest):
                m.d.sync += largest.eq(half.o[10:15])
        m.d.comb += self.clipped.eq(made & half.saturated)
        state_at, weights_at = Signal(32), Signal(32)
        asked, amount = Signal(), Signal(range(CHUNK + 1))
        request, words = self.requests, self.words
        moved = words.valid & words.ready
        m.d.comb += [read_at.eq(Mux(writing == _Writing.STATE, sent, fed)), words.payload.strobe.eq(0xFF)]
        with m.If(request.valid & request.ready):
            m.d.sync += asked.eq(1)
        with m.If(moved):
            m.d.sync += sent.eq(sent + 1)

        def run(address, count, word, following):
            """A run of words; then `following`."""
            m.d.comb += [
                request.valid.eq(~asked),
                request.payload.address.eq(address),
                request.payload.words.eq(count),
                words.valid.eq(asked),
                words.payload.data.eq(word),
            ]
            with m.If(moved & (sent + 1 == count)):
                m.d.sync += [asked.eq(0), sent.eq(0), writing.eq(following)]

        with m.Switch(writing):
            with m.Case(_Writing.STATE):
                run(state_at, amount, Cat(read["master"], read["momentum"]), _Writing.WEIGHTS)
            with m.Case(_Writing.WEIGHTS):
                run(weights_at, amount >> 2, copies[sent], _Writing.NOTHING)
                with m.If(moved & (sent + 1 == amount >> 2)):
                    m.d.sync += [
                        state_at.eq(state_at + (amount << 3)),
                        weights_at.eq(weights_at + (amount << 1)),
                    ]
            with m.Default():
                with m.If(state == _State.EXPONENT):
                    run(task.exponent, 1, Cat(Const(0, 24), largest), _Writing.NOTHING)
                with m.Elif((state == _State.MASTER) & done):
                    m.d.sync += [writing.eq(_Writing.STATE), amount.eq(size)]
        with m.If(begin):
            m.d.sync += [state_at.eq(task.state), weights_at.eq(task.weights), largest.eq(0)]

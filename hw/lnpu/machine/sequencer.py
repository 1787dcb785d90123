"""Reads a command list and hands its commands to the units."""

import enum

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import command_layout
from lnpu.bus.read import word_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import pass_layout, walk_command
from lnpu.machine.check import misaligned, wrong_shape
from lnpu.machine.commands import ADDRESSES, ELEMENTWISE, Cause, Opcode, known, words_of
from lnpu.machine.payloads import drain_task, element_task, fill_task, load_task, record_layout

__all__ = ["Sequencer"]


class _State(enum.IntEnum):
    IDLE = 0
    REQUEST = 1  # the list is asked for
    HEAD = 2  # first word of a command
    BODY = 3  # its other words
    ISSUE = 4  # it goes to its unit, or waits for all units
    FLUSH = 5  # units are reset, DMAs aborted
    SETTLE = 6  # bursts under way are awaited


def _copy(target, source, prefix: str = "") -> list:
    """Assign the fields of a structure from those of a command, nested ones with an underscore."""
    done = []
    for name, field in target.shape():
        if isinstance(field.shape, data.StructLayout):
            done += _copy(target[name], source, f"{prefix}{name}_")
        else:
            done.append(target[name].eq(source[f"{prefix}{name}"]))
    return done


class Sequencer(wiring.Component):
    """Runs a list of commands (`docs/programming.md`).

    Commands for units wait for nothing but a place in their queue; PASS and END wait until `quiet`.

    Args:
        config: geometry.

    Members:
        start: `In(1)`: run the list of `list_words` words at byte `list_address`; ignored while busy. abort:
            `In(1)`: stop it. reset: `In(1)`: stop it and forget its end.
        watchdog: `In(24)`: cycles / 256 that a command may take, 0: any.
        request: `Out(stream(command_layout))`, words: `In(stream(word_layout))`: the list.
        walks, fills, loads, drains: `Out(stream)` of the engine's walks and of tasks.
        elements: `Out(stream(element_task))`: element-wise commands, offered only when `quiet`.
        shape: `Out(pass_layout)`, begin: `Out(1)`: of the engine. opened: `Out(1)`: a pass is under way.
        quiet: `In(1)`: no unit has work. settled: `In(1)`: no burst is under way.
        read_error, write_error: `In(1)`, stop the list at once; read_address, write_address: `In(32)`.
        blocks, full, overflow: `In(1)`: what a pass found; bad, invalid: `In(1)`: what element-wise commands
            found; looked at by the PASS, END or element-wise command behind it.
        flush: `Out(1)`: units forget what they do; drop: `Out(1)`: its first cycle, in which DMAs do so, too.
        clear: `Out(1)`: DMAs forget their errors.
        busy, done, error: `Out(1)`; cause: `Out(Cause)`, index, address: `Out(32)`: of the last list.
        ended: `Out(1)`: pulse when a list has ended.

    Timing: a word of the list a cycle, 2 cycles more a command.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                **{name: In(1) for name in ("start", "abort", "reset", "quiet", "settled")},
                **{name: In(1) for name in ("read_error", "write_error")},
                **{name: In(1) for name in ("blocks", "full", "overflow", "bad", "invalid")},
                **{name: In(32) for name in ("list_address", "read_address", "write_address")},
                "list_words": In(21),
                "watchdog": In(24),
                "request": Out(stream.Signature(command_layout())),
                "words": In(stream.Signature(word_layout())),
                "walks": Out(stream.Signature(walk_command(config))),
                "fills": Out(stream.Signature(fill_task(config))),
                "loads": Out(stream.Signature(load_task(config))),
                "drains": Out(stream.Signature(drain_task(config))),
                "elements": Out(stream.Signature(element_task())),
                "shape": Out(pass_layout(config)),
                **{
                    name: Out(1)
                    for name in (
                        "begin",
                        "opened",
                        "flush",
                        "drop",
                        "clear",
                        "busy",
                        "done",
                        "error",
                        "ended",
                    )
                },
                "cause": Out(Cause),
                "index": Out(32),
                "address": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        state = Signal(_State)
        record = Array(
            Signal(64, name=f"record{n}", reset_less=True) for n in range(max(map(words_of, Opcode)))
        )
        views = {op: data.View(record_layout(op), Cat(*record[: words_of(op)])) for op in Opcode}
        at = Signal(range(len(record) + 1))
        finished = Signal()  # the list's last word was taken
        passed = Signal()  # the engine's flags belong to a pass of this list
        stop = Signal(Cause)
        place = Signal(32)  # address that the cause speaks of
        m.d.comb += [
            self.busy.eq(state != _State.IDLE),
            self.drop.eq(state == _State.FLUSH),
            self.flush.eq(self.drop | (state == _State.SETTLE)),
            self.request.valid.eq(state == _State.REQUEST),
            self.request.payload.address.eq(self.list_address),
            self.request.payload.words.eq(self.list_words),
            self.words.ready.eq(((state == _State.HEAD) | (state == _State.BODY)) & ~finished),
        ]
        m.d.comb += self.clear.eq((state == _State.IDLE) & self.start)
        m.d.sync += [self.begin.eq(0), self.ended.eq(0)]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += [
                record[at].eq(self.words.payload.data),
                at.eq(at + 1),
                finished.eq(self.words.payload.last),
            ]
        with m.Switch(state):
            with m.Case(_State.IDLE):
                with m.If(self.start):
                    self._start(m, state, stop)
                    m.d.sync += [at.eq(0), finished.eq(0), passed.eq(0), self.opened.eq(0)]
            with m.Case(_State.REQUEST):
                with m.If(self.request.ready):
                    m.d.sync += state.eq(_State.HEAD)
            with m.Case(_State.HEAD):
                with m.If(finished):
                    m.d.comb += stop.eq(Cause.LIST)
                with m.Elif(self.words.valid):
                    self._head(m, state, stop)
            with m.Case(_State.BODY):
                with m.If(finished):
                    m.d.comb += stop.eq(Cause.LIST)
                with m.Elif(self.words.valid & (at + 1 == record[0][8:16])):
                    m.d.sync += state.eq(_State.ISSUE)
            with m.Case(_State.ISSUE):
                next_ = Signal()
                self._issue(m, state, record, views, stop, place, next_, passed)
                with m.If(next_ & (stop == Cause.NONE)):
                    m.d.sync += [state.eq(_State.HEAD), at.eq(0), self.index.eq(self.index + 1)]
            with m.Case(_State.FLUSH):
                m.d.sync += state.eq(_State.SETTLE)
        self._stop(m, state, stop, place)
        return m

    def _start(self, m, state, stop):
        m.d.sync += [
            state.eq(_State.REQUEST),
            *(value.eq(0) for value in (self.done, self.error, self.index, self.address)),
            self.cause.eq(Cause.NONE),
        ]
        with m.If(self.list_words == 0):
            m.d.comb += stop.eq(Cause.LIST)

    def _head(self, m, state, stop):
        """What the first word says must fit."""
        word = self.words.payload.data
        with m.Switch(word[:8]):
            for op in known(self.config):
                with m.Case(op):
                    m.d.sync += state.eq(_State.ISSUE if words_of(op) == 1 else _State.BODY)
                    with m.If(word[8:16] != words_of(op)):
                        m.d.comb += stop.eq(Cause.SHAPE)
            with m.Default():
                m.d.comb += stop.eq(Cause.OPCODE)

    def _issue(self, m, state, record, views, stop, place, next_, passed):
        """The whole command is in `record` and `views`."""
        opcode = record[0][:8]
        fill, load, drain = (views[op] for op in (Opcode.FILL, Opcode.LOAD, Opcode.DRAIN))
        walks, fills, loads, drains = self.walks, self.fills, self.loads, self.drains
        m.d.comb += [
            *_copy(walks.payload, views[Opcode.WALK]),
            *_copy(fills.payload.command, fill),
            *_copy(fills.payload.memory, fill),
            *_copy(loads.payload.command, load),
            *_copy(drains.payload.command, drain),
            *(loads.payload[n].eq(load[n]) for n in ("address", "stride", "rows", "elements", "pad")),
            *(drains.payload[n].eq(drain[n]) for n in ("address", "stride", "elements")),
        ]
        m.d.comb += [self.elements.payload.opcode.eq(opcode), self.elements.payload.record.eq(Cat(*record))]
        streams = {
            Opcode.WALK: walks,
            Opcode.FILL: fills,
            Opcode.LOAD: loads,
            Opcode.DRAIN: drains,
            **{op: self.elements for op in ELEMENTWISE if op in known(self.config)},
        }
        found, opened = Signal(Cause), self.opened
        for flag, cause in (
            (self.overflow & passed, Cause.OVERFLOW),
            (self.full & passed, Cause.FULL),
            (self.blocks & passed | self.bad, Cause.BLOCK),
            (self.invalid, Cause.INVALID),
        ):
            with m.If(flag):  # the later assignment wins
                m.d.comb += found.eq(cause)
        with m.Switch(opcode):
            for op, target in streams.items():
                alone, view = op in ELEMENTWISE, views[op]
                with m.Case(op), m.If(self.quiet if alone else 1):
                    with m.If((found != Cause.NONE) if alone else ~opened):
                        m.d.comb += stop.eq(found if alone else Cause.OPCODE)
                    with m.Elif(misaligned(op, view)):
                        m.d.comb += [
                            stop.eq(Cause.ADDRESS),
                            place.eq(view[ADDRESSES[op][0]] if op in ADDRESSES else 0),
                        ]
                    with m.Elif(wrong_shape(op, view, self.config)):
                        m.d.comb += stop.eq(Cause.SHAPE)
                    with m.Else():
                        m.d.comb += [target.valid.eq(1), next_.eq(target.ready)]
                        if alone:
                            m.d.sync += opened.eq(0)
            for op in (Opcode.PASS, Opcode.END):
                with m.Case(op), m.If(self.quiet):
                    m.d.comb += stop.eq(found)
                    if op == Opcode.END:
                        m.d.sync += state.eq(_State.FLUSH)
                    else:
                        m.d.comb += next_.eq(1)
                        m.d.sync += [
                            *_copy(self.shape, views[op]),
                            self.begin.eq(1),
                            passed.eq(1),
                            opened.eq(1),
                        ]

    def _stop(self, m, state, stop, place):
        """Errors, abort and reset; the end."""
        forget = Signal()
        waited = Signal(32)
        late = Signal()
        m.d.comb += late.eq((self.watchdog != 0) & (waited[8:] >= self.watchdog))
        running = self.busy & ~self.flush
        with m.If(running):
            for fault, cause, address in (
                (late, Cause.WATCHDOG, 0),
                (self.write_error, Cause.WRITE, self.write_address),
                (self.read_error, Cause.READ, self.read_address),
            ):
                with m.If(fault):
                    m.d.comb += [stop.eq(cause), place.eq(address)]
        m.d.sync += waited.eq(Mux((state == _State.HEAD) | ~running, 0, waited + 1))
        with m.If((state == _State.HEAD) & ~self.words.valid):
            m.d.sync += waited.eq(waited + 1)
        with m.If(stop != Cause.NONE):
            m.d.sync += [
                self.cause.eq(stop),
                self.error.eq(1),
                self.address.eq(place),
                self.begin.eq(0),
                state.eq(_State.FLUSH),
            ]
        with m.Elif((self.abort & running) | self.reset):
            m.d.sync += [self.begin.eq(0), state.eq(_State.FLUSH)]
        with m.If((state == _State.SETTLE) & self.settled & ~self.reset):
            m.d.sync += [
                state.eq(_State.IDLE),
                forget.eq(0),
                self.ended.eq(~forget),
                self.done.eq(~forget),
            ]
        with m.If(self.reset):
            m.d.sync += [forget.eq(1), self.error.eq(0), self.done.eq(0), self.cause.eq(Cause.NONE)]

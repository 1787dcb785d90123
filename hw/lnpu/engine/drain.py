"""Drain of a line: requests become reads in cycles that are left over, or slots, and words in a queue."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import line_drain, line_word
from lnpu.engine.sweep import low_bits

__all__ = ["Drain", "queue_depth"]


def queue_depth(config: EngineConfig) -> int:
    """Words of the queue, a power of two.

    It must take what is on its way: 4 cycles and `groups` words of a drained entry behind the one that waits.
    """
    return max(16, 1 << (2 * config.groups + 3).bit_length())


class Drain(wiring.Component):
    """Turns requests into work of the line.

    Args:
        config: geometry.

    Members:
        wg: `In(1)`; active: `In(1)`: requests may begin.
        request: `In(stream(line_drain))`.
        slot: `Out(1)`: the request becomes a slot in this cycle (WG), at most one in `groups` cycles.
        idle: `In(1)`: the Row file has no other read; read: `Out(1)`, row: `Out`: read this word (FP, BP).
        passing: `In(line_word lanes)`: the word read in the last cycle (FP, BP), or a drained slot's;
        groups: `In`, index: `In`, sweep: `In(1)`: of the slot, and of its word that passes (WG).
        o: `Out(stream(line_word))`.

    Timing: a word waits in the queue one cycle after it came by. A request takes place in the queue first.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        self.depth = queue_depth(config)
        group = line_drain(config)["groups"].shape
        lanes = line_word(config)["lanes"].shape
        super().__init__(
            {
                "wg": In(1),
                "active": In(1),
                "request": In(stream.Signature(line_drain(config))),
                "slot": Out(1),
                "idle": In(1),
                "read": Out(1),
                "row": Out(config.row_bits),
                "groups": In(group),
                "index": In(group),
                "sweep": In(1),
                "passing": In(lanes),
                "o": Out(stream.Signature(line_word(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, request, wg = self.config, self.request, self.wg
        address = request.payload.address[: config.row_bits]
        low = low_bits(config.row_bits, config.groups)
        room = Signal(range(self.depth + 1), init=self.depth)
        index = Signal.like(self.index)
        wanted = Signal()
        ready = Signal()
        gap = Signal(range(config.groups))
        push = Signal()
        word = Signal(line_word(config))
        m.d.comb += [
            ready.eq(request.valid & self.active),
            self.slot.eq(wg & ready & (gap == 0) & (room >= config.groups)),
            wanted.eq(index <= request.payload.groups),
            self.read.eq(~wg & ready & self.idle & (room != 0)),
            self.row[:low].eq(address[:low] + index),
            self.row[low:].eq(address[low:]),
            request.ready.eq(self.slot | (self.read & (index == config.groups - 1))),
        ]
        with m.If(self.slot):
            m.d.sync += gap.eq(config.groups - 1)
        with m.Elif(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        with m.If(self.read):
            m.d.sync += index.eq(Mux(request.ready, 0, index + 1))

        pushed = Signal()
        last = Signal(reset_less=True)
        m.d.sync += [pushed.eq(self.read & wanted), last.eq(index == request.payload.groups)]
        m.d.comb += [
            push.eq(Mux(wg, self.sweep & (self.index <= self.groups), pushed)),
            word.lanes.eq(self.passing),
            word.last.eq(Mux(wg, self.index == self.groups, last)),
        ]
        taken = Mux(self.slot, request.payload.groups + 1, self.read & wanted)
        m.d.sync += room.eq(room - taken + (self.o.valid & self.o.ready))

        m.submodules.queue = queue = Memory(shape=line_word(config), depth=self.depth, init=[])
        write, read = queue.write_port(), queue.read_port(domain="comb")
        # One bit more than an address tells a full queue from an empty one.
        head = Signal(range(2 * self.depth))
        tail = Signal(range(2 * self.depth))
        m.d.comb += [
            write.addr.eq(tail),
            write.en.eq(push),
            write.data.eq(word),
            read.addr.eq(head),
            self.o.valid.eq(head != tail),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += [tail.eq(tail + push), head.eq(head + (self.o.valid & self.o.ready))]
        return m

"""Results of the engine to memory, as fp32."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import command_layout
from lnpu.bus.write import strobed_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import drain_command, result_beat
from lnpu.machine.commands import check_machine
from lnpu.machine.fp32 import ToFp32
from lnpu.machine.payloads import drain_task

__all__ = ["Drain"]


class Drain(wiring.Component):
    """Puts the lanes of a pixel or entry in the order of channels, converts them and writes them.

    Args:
        config: geometry.

    Members:
        tasks: `In(stream(drain_task))`. drains: `Out(stream(drain_command))`, results:
            `In(stream(result_beat))`: of the engine. requests: `Out(stream(command_layout))`, words:
            `Out(stream(strobed_layout))`: to a `WriteDma`. top: `In(signed(9))`: of the window, constant.
        idle: `Out(1)`: nothing is at work here.

    Timing: an item is collected while the one before is written, two numbers a cycle.
    """

    def __init__(self, config: EngineConfig):
        check_machine(config)
        self.config = config
        super().__init__(
            {
                "tasks": In(stream.Signature(drain_task(config))),
                "drains": Out(stream.Signature(drain_command(config))),
                "results": In(stream.Signature(result_beat(config))),
                "requests": Out(stream.Signature(command_layout())),
                "words": Out(stream.Signature(strobed_layout())),
                "top": In(signed(9)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        lanes = data.ArrayLayout(signed(config.sum_bits), config.lanes)
        item = Signal(lanes, reset_less=True)
        hand, complete = Signal(), Signal()
        address = Signal(32, reset_less=True)
        task = Signal(drain_task(config), reset_less=True)
        active = self._collect(m, task, address, item, complete, hand)
        sending = self._send(m, task, address, item, complete, hand)
        m.d.comb += self.idle.eq(~active & ~sending)
        return m

    def _collect(self, m, task, address, item, complete, hand):
        """Words of an item, group after group; `complete`: it waits to be handed over."""
        config, head, beat = self.config, self.tasks.payload, self.results
        active, told = Signal(), Signal()
        group = Signal.like(head.command.groups, name="group")
        final = Signal()
        m.d.comb += [
            self.tasks.ready.eq(~active),
            self.drains.valid.eq(active & ~told),
            self.drains.payload.eq(task.command),
            beat.ready.eq(active & ~complete),
        ]
        with m.If(self.tasks.valid & ~active):
            m.d.sync += [active.eq(1), told.eq(0), task.eq(head), address.eq(head.address), group.eq(0)]
        with m.If(self.drains.valid & self.drains.ready):
            m.d.sync += told.eq(1)
        with m.If(beat.valid & beat.ready):
            m.d.sync += [group.eq(group + 1), final.eq(beat.payload.last)]
            with m.If(group == task.command.groups):
                m.d.sync += [group.eq(0), complete.eq(1)]
            for number in range(config.groups):
                with m.If(group == number):
                    for pe in range(number * config.group, min((number + 1) * config.group, config.pes)):
                        low = pe - number * config.group
                        m.d.sync += [
                            item[pe].eq(beat.payload.lanes[low]),
                            item[config.pes + pe].eq(beat.payload.lanes[config.group + low]),
                        ]
        with m.If(hand):
            m.d.sync += [complete.eq(0), address.eq(address + task.stride)]
            with m.If(final):
                m.d.sync += active.eq(0)
        return active

    def _send(self, m, task, address, item, complete, hand):
        """An item to a request and words."""
        config = self.config
        bits = config.sum_bits
        request = self.requests
        rest = Signal(bits * config.lanes, reset_less=True)
        left = Signal(range(config.lanes + 1))  # elements
        shift, go, ask, asked = Signal(), Signal(), Signal(), Signal()
        latency = ToFp32.latency
        valid = Signal(latency)
        odd = Signal(latency, reset_less=True)
        m.d.comb += [
            # The next item follows its forerunner's last elements at once; its request is ahead of it.
            ask.eq(complete & ~asked & ~request.valid),
            hand.eq(complete & (asked | ask) & ((left == 0) | (shift & (left <= 2)))),
            go.eq(~valid[-1] | self.words.ready),
            shift.eq(go & (left != 0)),
            self.words.valid.eq(valid[-1]),
            self.words.payload.strobe.eq(Mux(odd[-1], 0x0F, 0xFF)),
        ]
        with m.If(request.ready):
            m.d.sync += request.valid.eq(0)
        with m.If(shift):
            m.d.sync += [rest.eq(rest[2 * bits :]), left.eq(Mux(left > 2, left - 2, 0))]
        with m.If(ask):
            m.d.sync += [
                asked.eq(1),
                request.valid.eq(1),
                request.payload.address.eq(address),
                request.payload.words.eq((task.elements + 1) >> 1),
            ]
        with m.If(hand):
            m.d.sync += [asked.eq(0), rest.eq(item.as_value()), left.eq(task.elements)]
        with m.If(go):
            m.d.sync += [valid.eq(Cat(shift, valid)), odd.eq(Cat(left == 1, odd))]
        numbers = []
        for n in range(2):
            m.submodules[f"fp32_{n}"] = unit = ToFp32(bits)
            m.d.comb += [
                unit.go.eq(go),
                unit.top.eq(self.top),
                unit.i.eq(rest[n * bits : (n + 1) * bits].as_signed()),
            ]
            numbers.append(Mux(odd[-1], Const(0, 32), unit.o) if n else unit.o)
        m.d.comb += self.words.payload.data.eq(Cat(*numbers))
        return (left != 0) | request.valid | (valid != 0) | complete

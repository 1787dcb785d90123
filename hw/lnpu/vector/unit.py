"""All element-wise commands behind one set of ports."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import command_layout
from lnpu.bus.read import word_layout
from lnpu.bus.write import strobed_layout
from lnpu.machine.payloads import element_task

__all__ = ["VectorUnit"]


class VectorUnit(wiring.Component):
    """Hands each command to the unit that executes it, and that unit the ports to memory.

    Members:
        tasks: `In(stream(element_task))`, one at a time.
        a_requests, b_requests: `Out(stream(command_layout))`; a_data, b_data: `In(stream(word_layout))`: two
            `ReadDma`. requests: `Out(stream(command_layout))`, words: `Out(stream(strobed_layout))`: a
            `WriteDma`.
        idle: `Out(1)`: no command is at work.
        opcode: `Out(8)`, gradient: `Out(1)`: of the command at work.
        bad: `Out(1)`: a malformed block was met; invalid: `Out(1)`: NaN or infinity; saturated: `Out(1)`: a
            value was clamped to the largest fp16 number: sticky until clear: `In(1)`.
    """

    def __init__(self):
        super().__init__(
            {
                "tasks": In(stream.Signature(element_task())),
                **{f"{port}_requests": Out(stream.Signature(command_layout())) for port in "ab"},
                **{f"{port}_data": In(stream.Signature(word_layout())) for port in "ab"},
                "requests": Out(stream.Signature(command_layout())),
                "words": Out(stream.Signature(strobed_layout())),
                "opcode": Out(8),
                **{name: Out(1) for name in ("idle", "gradient", "bad", "invalid", "saturated")},
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        active = Signal()
        m.d.comb += [self.idle.eq(~active), self.tasks.ready.eq(~active)]
        return m

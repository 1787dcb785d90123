"""Rows of the sparse input from memory to the engine."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import command_layout
from lnpu.bus.read import word_layout
from lnpu.codec.payloads import word
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import fill_command
from lnpu.machine.payloads import fill_task

__all__ = ["Fill"]


class Fill(wiring.Component):
    """Splits tasks into commands for the DMA and for the engine; words pass through.

    Args:
        config: geometry.

    Members:
        tasks: `In(stream(fill_task))`. requests: `Out(stream(command_layout))`, to a `ReadDma`; data:
            `In(stream(word_layout))`, from it. fills: `Out(stream(fill_command))`, words:
            `Out(stream(word))`, to the engine.

    Timing: no latency; a task is taken when both commands are.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "tasks": In(stream.Signature(fill_task(config))),
                "requests": Out(stream.Signature(command_layout())),
                "data": In(stream.Signature(word_layout())),
                "fills": Out(stream.Signature(fill_command(config))),
                "words": Out(stream.Signature(word())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        tasks, asked, told = self.tasks, Signal(), Signal()
        done = Signal()
        m.d.comb += [
            self.requests.payload.eq(tasks.payload.memory),
            self.requests.valid.eq(tasks.valid & ~asked),
            self.fills.payload.eq(tasks.payload.command),
            self.fills.valid.eq(tasks.valid & ~told),
            done.eq((asked | self.requests.ready) & (told | self.fills.ready)),
            tasks.ready.eq(done),
            self.words.payload.data.eq(self.data.payload.data),
            self.words.payload.last.eq(self.data.payload.last),
            self.words.valid.eq(self.data.valid),
            self.data.ready.eq(self.words.ready),
        ]
        with m.If(tasks.valid):
            m.d.sync += [
                asked.eq((asked | self.requests.ready) & ~done),
                told.eq((told | self.fills.ready) & ~done),
            ]
        return m

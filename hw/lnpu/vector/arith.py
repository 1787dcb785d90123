"""COMBINE and UPDATE on one arithmetic path."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import command_layout
from lnpu.bus.read import word_layout
from lnpu.bus.write import strobed_layout
from lnpu.machine.commands import Opcode, words_of
from lnpu.machine.payloads import element_task, record_layout
from lnpu.vector.combine import Combine, finite
from lnpu.vector.fp32 import Weighted
from lnpu.vector.update import Update

__all__ = ["ArithUnit"]


class ArithUnit(wiring.Component):
    """Executes COMBINE and UPDATE; one of them at a time.

    Members:
        tasks: `In(stream(element_task))`. a_requests, a_data, b_requests, b_data: two `ReadDma`. requests,
            words: a `WriteDma`. skip: `In(1)`: see `Update`.
        idle: `Out(1)`. invalid, saturated: `Out(1)`, sticky until clear: `In(1)`.
    """

    def __init__(self):
        super().__init__(
            {
                "tasks": In(stream.Signature(element_task())),
                **{f"{port}_requests": Out(stream.Signature(command_layout())) for port in "ab"},
                **{f"{port}_data": In(stream.Signature(word_layout())) for port in "ab"},
                "requests": Out(stream.Signature(command_layout())),
                "words": Out(stream.Signature(strobed_layout())),
                "skip": In(1),
                "clear": In(1),
                **{name: Out(1) for name in ("idle", "invalid", "saturated")},
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.combine = combine = Combine()
        m.submodules.update = update = Update()
        m.submodules.weighted = weighted = Weighted()
        record = self.tasks.payload.record
        second = self.tasks.payload.opcode == Opcode.UPDATE
        updating = Signal()
        for unit, op, chosen in ((combine, Opcode.COMBINE, ~second), (update, Opcode.UPDATE, second)):
            view = data.View(record_layout(op), record[: 64 * words_of(op)])
            m.d.comb += [
                unit.tasks.payload.eq(view),
                unit.tasks.valid.eq(self.tasks.valid & chosen & self.idle),
            ]
        m.d.comb += [
            self.idle.eq(combine.idle & update.idle),
            self.tasks.ready.eq(self.idle),
            update.skip.eq(self.skip),
        ]
        with m.If(self.tasks.valid & self.tasks.ready):
            m.d.sync += updating.eq(second)
        for chosen, unit in ((~updating, combine), (updating, update)):
            for port in "ab":
                source, target = getattr(self, f"{port}_data"), getattr(unit, f"{port}_data")
                m.d.comb += [target.payload.eq(source.payload), target.valid.eq(source.valid & chosen)]
                with m.If(chosen):
                    m.d.comb += source.ready.eq(target.ready)
            for name in ("a_requests", "b_requests", "requests", "words"):
                source, target = getattr(unit, name), getattr(self, name)
                with m.If(chosen):
                    m.d.comb += [
                        target.payload.eq(source.payload),
                        target.valid.eq(source.valid),
                        source.ready.eq(target.ready),
                    ]
        scales = {"scale_a": combine.task.scale_a, "scale_b": combine.task.scale_b}
        own = {**scales, "a": combine.a, "b": combine.b}
        wild = Signal()
        m.d.comb += [
            weighted.go.eq(Mux(updating, 1, combine.go)),
            *(
                getattr(weighted, name).eq(finite(Mux(updating, getattr(update, name), value))[0])
                for name, value in own.items()
            ),
            combine.sum.eq(weighted.o),
            update.sum.eq(weighted.o),
            wild.eq(Mux(updating, update.wild, combine.wild)),
        ]
        m.d.sync += [
            self.invalid.eq(~self.clear & (self.invalid | wild)),
            self.saturated.eq(~self.clear & (self.saturated | (updating & update.clipped))),
        ]
        return m

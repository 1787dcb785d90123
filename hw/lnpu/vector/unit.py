"""All element-wise commands behind one set of ports."""

from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import command_layout
from lnpu.bus.read import word_layout
from lnpu.bus.write import strobed_layout
from lnpu.machine.commands import ELEMENTWISE, Opcode, places, words_of
from lnpu.machine.payloads import element_task, record_layout
from lnpu.vector.arith import ArithUnit
from lnpu.vector.decode import DecodeUnit
from lnpu.vector.encode import EncodeUnit

__all__ = ["VectorUnit"]


class VectorUnit(wiring.Component):
    """Hands each command to the unit that executes it, and that unit the ports to memory.

    Args:
        decode: the command DECODE is there.

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

    def __init__(self, *, decode: bool = True):
        self.has_decode = decode
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
        m.submodules.encode = encode = EncodeUnit()
        m.submodules.arith = arith = ArithUnit()
        units = {encode: (Opcode.ENCODE, Opcode.MASK), arith: (Opcode.COMBINE, Opcode.UPDATE)}
        if self.has_decode:
            m.submodules.decode = decode = DecodeUnit()
            units[decode] = (Opcode.DECODE,)
            m.d.comb += [
                self.bad.eq(decode.bad),
                decode.tasks.payload.eq(data.View(record_layout(Opcode.DECODE), self._record(Opcode.DECODE))),
            ]
        head = self.tasks.payload
        views = {op: data.View(record_layout(op), self._record(op)) for op in ELEMENTWISE}
        self._tasks(m, head, views, encode, arith, units)
        m.d.comb += [
            self.idle.eq(Cat(*(unit.idle for unit in units)).all()),
            self.invalid.eq(encode.invalid | arith.invalid),
            self.saturated.eq(encode.saturated | arith.saturated),
            arith.skip.eq(self.saturated),
            *(unit.clear.eq(self.clear) for unit in units),
        ]
        with m.If(self.tasks.valid & self.tasks.ready):
            m.d.sync += self.opcode.eq(head.opcode)
            for op in (Opcode.ENCODE, Opcode.DECODE):
                with m.If(head.opcode == op):
                    m.d.sync += self.gradient.eq(views[op].gradient.any())
        for unit, opcodes in units.items():
            mine = Cat(*(self.opcode == op for op in opcodes)).any()
            for port in "ab":
                source, target = getattr(self, f"{port}_data"), getattr(unit, f"{port}_data")
                m.d.comb += [target.payload.eq(source.payload), target.valid.eq(source.valid & mine)]
                with m.If(mine):
                    m.d.comb += source.ready.eq(target.ready)
            for name in ("a_requests", "b_requests", "requests", "words"):
                source, target = getattr(unit, name), getattr(self, name)
                with m.If(mine):
                    m.d.comb += [
                        target.payload.eq(source.payload),
                        target.valid.eq(source.valid),
                        source.ready.eq(target.ready),
                    ]
        return m

    def _record(self, opcode):
        return self.tasks.payload.record[: 64 * words_of(opcode)]

    def _tasks(self, m, head, views, encode, arith, units):
        """Each command to its unit, when none is at work."""
        dense = encode.tasks.payload.dense
        m.d.comb += [
            dense.eq(head.opcode == Opcode.MASK),
            encode.tasks.payload.record.eq(views[Opcode.ENCODE]),
            arith.tasks.payload.opcode.eq(head.opcode),
            arith.tasks.payload.record.eq(head.record),
        ]
        with m.If(dense):
            for name in places(Opcode.MASK):
                m.d.comb += encode.tasks.payload.record[name].eq(views[Opcode.MASK][name])
        with m.If(self.idle):
            for unit, ops in units.items():
                with m.If(Cat(*(head.opcode == op for op in ops)).any()):
                    m.d.comb += [unit.tasks.valid.eq(self.tasks.valid), self.tasks.ready.eq(unit.tasks.ready)]

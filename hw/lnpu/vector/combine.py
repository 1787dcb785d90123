"""COMBINE: a weighted sum of two arrays."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from lnpu.bus.axi import command_layout
from lnpu.bus.read import word_layout
from lnpu.bus.write import strobed_layout
from lnpu.machine.commands import Opcode
from lnpu.machine.payloads import record_layout
from lnpu.vector.fp32 import Weighted
from lnpu.vector.runs import Runs

__all__ = ["Combine", "finite"]


def finite(code):
    """What the units make of an exponent field of 255: the largest number; and whether it was that."""
    wild = code[23:31].all()
    return Mux(wild, Cat(Const(0x7F7FFFFF, 31), code[31]), code), wild


class Combine(wiring.Component):
    """Reads two arrays, hands numbers to the arithmetic, writes the sums.

    Members:
        tasks: `In(stream(record_layout(COMBINE)))`. a_requests, a_data, b_requests, b_data: two `ReadDma`.
            requests, words: a `WriteDma`.
        go: `Out(1)`: the arithmetic moves; a, b: `Out(32)`: numbers for it, sum: `In(32)`: what comes out,
            `latency` cycles of `go` later.
        idle: `Out(1)`. wild: `Out(1)`: a number is NaN or infinity.

    Timing: a number a cycle.
    """

    def __init__(self):
        super().__init__(
            {
                "tasks": In(stream.Signature(record_layout(Opcode.COMBINE))),
                **{f"{port}_requests": Out(stream.Signature(command_layout())) for port in "ab"},
                **{f"{port}_data": In(stream.Signature(word_layout())) for port in "ab"},
                "requests": Out(stream.Signature(command_layout())),
                "words": Out(stream.Signature(strobed_layout())),
                "task": Out(record_layout(Opcode.COMBINE)),
                "go": Out(1),
                "a": Out(32),
                "b": Out(32),
                "sum": In(32),
                "idle": Out(1),
                "wild": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        task = Signal(self.tasks.payload.shape(), reset_less=True)
        begin, active = Signal(), Signal()
        single = task.single.any()
        words = Signal(21)
        runs = {}
        for name, port in (("a", self.a_requests), ("b", self.b_requests), ("target", self.requests)):
            m.submodules[name] = runs[name] = Runs()
            unit = runs[name]
            m.d.comb += [
                unit.start.eq(begin & (~single if name == "b" else 1)),
                unit.base.eq(task[name]),
                unit.column.eq(task[f"{name}_column"]),
                unit.row.eq(task[f"{name}_row"]),
                unit.columns.eq(task.columns),
                unit.rows.eq(task.rows),
                unit.words.eq(words),
            ]
            connect(m, unit.o, wiring.flipped(port))
        m.d.comb += [
            self.task.eq(task),
            words.eq((task.elements + 1) >> 1),
            self.tasks.ready.eq(~active & ~begin),
            self.idle.eq(~active & ~begin),
        ]
        m.d.sync += begin.eq(0)
        with m.If(self.tasks.valid & self.tasks.ready):
            m.d.sync += [task.eq(self.tasks.payload), begin.eq(1)]
        # Numbers into the arithmetic
        index, x, y = (Signal(16, name=name) for name in ("index", "x", "y"))
        feeding, take, ends, all_ = Signal(), Signal(), Signal(), Signal()
        low = index[0]
        there = self.a_data.valid & (self.b_data.valid | single)
        numbers = [finite(port.payload.data.word_select(low, 32)) for port in (self.a_data, self.b_data)]
        m.d.comb += [
            self.a.eq(numbers[0][0]),
            self.b.eq(Mux(single, 0, numbers[1][0])),
            take.eq(feeding & there & self.go),
            self.wild.eq(take & (numbers[0][1] | (numbers[1][1] & ~single))),
            ends.eq(index + 1 == task.elements),
            all_.eq(ends & (x + 1 == task.columns) & (y + 1 == task.rows)),
            self.a_data.ready.eq(take & (low | ends)),
            self.b_data.ready.eq(take & (low | ends) & ~single),
        ]
        with m.If(take):
            m.d.sync += index.eq(Mux(ends, 0, index + 1))
            with m.If(ends):
                m.d.sync += x.eq(Mux(x + 1 == task.columns, 0, x + 1))
                with m.If(x + 1 == task.columns):
                    m.d.sync += y.eq(y + 1)
            with m.If(all_):
                m.d.sync += feeding.eq(0)
        with m.If(begin):
            m.d.sync += [active.eq(1), feeding.eq(1), index.eq(0), x.eq(0), y.eq(0)]
        # Sums out of it
        latency = Weighted.latency
        way = [Signal(4, name=f"way{n}") for n in range(latency)]  # valid, high half, end of run, end of all
        word, full, half, final = Signal(64), Signal(), Signal(), Signal()
        come = way[-1]
        with m.If(self.go):
            m.d.sync += way[0].eq(Mux(take, Cat(1, low, ends, all_), 0))
            m.d.sync += [after.eq(before) for before, after in pairwise(way)]
            with m.If(come[0]):
                m.d.sync += word.word_select(come[1], 32).eq(self.sum)
                m.d.sync += [full.eq(come[1] | come[2]), half.eq(~come[1]), final.eq(come[3])]
        with m.If(self.words.valid & self.words.ready & ~(self.go & come[0] & (come[1] | come[2]))):
            m.d.sync += full.eq(0)
        with m.If(self.words.valid & self.words.ready & final):
            m.d.sync += active.eq(0)
        m.d.comb += [
            self.go.eq(~full | self.words.ready),
            self.words.valid.eq(full),
            self.words.payload.data.eq(word),
            self.words.payload.strobe.eq(Mux(half, 0x0F, 0xFF)),
        ]
        return m

"""Dense operands from memory to the engine: addresses and vectors."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import command_layout
from lnpu.bus.read import word_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import load_command, load_vector
from lnpu.machine.commands import check_machine
from lnpu.machine.payloads import SIZE_BITS, load_task

__all__ = ["Load"]


class Load(wiring.Component):
    """Reads rows of fp16 elements and cuts them into vectors.

    Straight: row by row, each filled with zeros to whole vectors. Transposed: for each run of `vector`
    elements of the rows, row by row, then `pad` vectors of zeros.

    Args:
        config: geometry.

    Members:
        tasks: `In(stream(load_task))`. requests: `Out(stream(command_layout))`, to a `ReadDma`; data:
            `In(stream(word_layout))`, from it. loads: `Out(stream(load_command))`, vectors:
            `Out(stream(load_vector))`, to the engine. idle: `Out(1)`: nothing is at work.

    Timing: a request and a word (4 elements) a cycle. Requests run up to two tasks ahead of the vectors.
    """

    def __init__(self, config: EngineConfig):
        check_machine(config)
        self.config = config
        super().__init__(
            {
                "tasks": In(stream.Signature(load_task(config))),
                "requests": Out(stream.Signature(command_layout())),
                "data": In(stream.Signature(word_layout())),
                "loads": Out(stream.Signature(load_command(config))),
                "vectors": Out(stream.Signature(load_vector(config))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ahead = ahead = SyncFIFOBuffered(width=load_task(self.config).size, depth=2)
        asking = self._ask(m, ahead)
        working = self._work(m, ahead)
        m.d.comb += self.idle.eq(~asking & ~working & (ahead.level == 0) & ~self.vectors.valid)
        return m

    def _ask(self, m, ahead):
        """Requests of a task, which goes on to the vectors' side first."""
        step = self.config.vector // 4
        active = Signal()
        task = Signal(load_task(self.config), reset_less=True)
        address, base = (Signal(32, name=name, reset_less=True) for name in ("address", "base"))
        row, left = (Signal(SIZE_BITS, name=name, reset_less=True) for name in ("row", "left"))
        head = self.tasks.payload
        m.d.comb += [
            self.tasks.ready.eq(~active & ahead.w_rdy),
            ahead.w_en.eq(self.tasks.valid & ~active),
            ahead.w_data.eq(head.as_value()),
            self.requests.valid.eq(active),
            self.requests.payload.address.eq(address),
            self.requests.payload.words.eq(Mux(task.command.transposed & (left > step), step, left)),
        ]
        with m.If(self.tasks.valid & self.tasks.ready):
            m.d.sync += [
                active.eq(1),
                task.eq(head),
                address.eq(head.address),
                base.eq(head.address),
                row.eq(0),
                left.eq((head.elements + 3) >> 2),
            ]
        with m.If(active & self.requests.ready):
            m.d.sync += [row.eq(row + 1), address.eq(address + task.stride)]
            with m.If(row + 1 == task.rows):
                m.d.sync += [
                    row.eq(0),
                    base.eq(base + 8 * step),
                    address.eq(base + 8 * step),
                    left.eq(left - step),
                    active.eq(task.command.transposed & (left > step)),
                ]
        return active

    def _work(self, m, ahead):
        """Words to vectors."""
        step = self.config.vector // 4
        task = data.View(load_task(self.config), ahead.r_data)
        told = Signal()
        row, word, start = (Signal(SIZE_BITS, name=f"work_{n}") for n in ("row", "word", "start"))
        part = Signal(range(step)) if step > 1 else Signal(1, name="part")
        chunk = Signal.like(task.command.chunks, name="chunk")
        words = Signal(SIZE_BITS)
        need, move, full, row_ends, run_ends, ends = (
            Signal(name=n) for n in ("need", "move", "full", "row_ends", "run_ends", "ends")
        )
        beat = Signal(64)
        kept = Signal(64 * max(1, step - 1), reset_less=True)
        out, out_valid = Signal(16 * self.config.vector, reset_less=True), Signal()
        taken = self.vectors.ready | ~out_valid
        m.d.comb += [
            self.loads.valid.eq(ahead.r_rdy & ~told),
            self.loads.payload.eq(task.command),
            words.eq((task.elements + 3) >> 2),
            need.eq((row < task.rows) & (word < words)),
            full.eq(part == step - 1),
            move.eq(told & (~need | self.data.valid) & (~full | taken)),
            self.data.ready.eq(told & need & (~full | taken)),
            row_ends.eq(full & (task.command.transposed | (chunk == task.command.chunks))),
            run_ends.eq(row_ends & (row + 1 == task.rows + task.pad)),
            ends.eq(move & run_ends & (~task.command.transposed | (start + step >= words))),
            ahead.r_en.eq(ends),
            self.vectors.valid.eq(out_valid),
            self.vectors.payload.eq(out),
        ]
        for n in range(4):
            with m.If(need & (Cat(Const(n, 2), word) < task.elements)):
                m.d.comb += beat[16 * n : 16 * n + 16].eq(self.data.payload.data[16 * n : 16 * n + 16])
        with m.If(self.loads.valid & self.loads.ready):
            m.d.sync += told.eq(1)
        with m.If(taken):
            m.d.sync += out_valid.eq(0)
        with m.If(move):
            m.d.sync += [part.eq(part + 1), word.eq(word + 1)]
            if step > 1:
                m.d.sync += Array(kept[64 * n : 64 * n + 64] for n in range(step - 1))[part].eq(beat)
            with m.If(full):
                m.d.sync += [
                    part.eq(0),
                    chunk.eq(chunk + 1),
                    out_valid.eq(1),
                    out.eq(Cat(kept, beat) if step > 1 else beat),
                ]
            with m.If(row_ends):
                m.d.sync += [chunk.eq(0), row.eq(row + 1), word.eq(start)]
            with m.If(run_ends):
                m.d.sync += [row.eq(0), start.eq(start + step), word.eq(start + step)]
            with m.If(ends):
                m.d.sync += [start.eq(0), word.eq(0), told.eq(0)]
        return told

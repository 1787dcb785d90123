"""The machine behind its registers: sequencer, queues, units, engine and DMAs."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect

from lnpu.bus.arbiter import ReadArbiter
from lnpu.bus.axi import Axi4
from lnpu.bus.read import ReadDma
from lnpu.bus.write import WriteDma
from lnpu.engine.config import EngineConfig
from lnpu.engine.counters import counts_layout
from lnpu.engine.engine import Engine
from lnpu.machine.commands import Cause, Opcode
from lnpu.machine.drain import Drain
from lnpu.machine.fill import Fill
from lnpu.machine.load import Load
from lnpu.machine.sequencer import Sequencer
from lnpu.vector.unit import VectorUnit

__all__ = ["QUEUE", "Core", "traffic_layout"]

QUEUE = 4
"""Commands of each kind that wait for their unit."""


def traffic_layout() -> data.StructLayout:
    """Bytes moved, by class, modulo 2^32: `x`: compressed activations; `w`: weights, dW, optimiser; `d`:
    gradients; `result`: fp32 results, masks; `command`."""
    names = ("read_x", "read_w", "read_d", "read_result", "read_command")
    names += ("write_x", "write_w", "write_d", "write_result")
    return data.StructLayout(dict.fromkeys(names, 32))


def _moved(port):
    """1 in the cycle of a transfer."""
    return port.valid & port.ready


def _share(m, second, target, *sources):
    """A stream's source is the first of two, or with `second` the other one."""
    for chosen, source in zip((~second, second), sources, strict=True):
        m.d.comb += source.ready.eq(target.ready & chosen)
        with m.If(chosen):
            m.d.comb += [target.valid.eq(source.valid), target.payload.eq(source.payload)]


def _deal(m, second, source, *targets):
    """A stream goes to the first of two, or with `second` to the other one."""
    for chosen, target in zip((~second, second), targets, strict=True):
        m.d.comb += [target.valid.eq(source.valid & chosen), target.payload.eq(source.payload)]
        with m.If(chosen):
            m.d.comb += source.ready.eq(target.ready)


class Core(wiring.Component):
    """Everything but registers.

    Args:
        config: geometry.

    Members:
        start, abort, reset, list_address, list_words, watchdog: `In`; busy, done, error, cause, index,
            address, ended: `Out`: see `Sequencer`.
        m_axi: `Out(Axi4)`; every output comes from a register.
        counts: `Out(counts_layout)`: of the last pass. cycles: `Out(32)`: cycles of the last list; traffic:
            `Out(traffic_layout)`: of the last list.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                **{name: In(1) for name in ("start", "abort", "reset")},
                "list_address": In(32),
                "list_words": In(21),
                "watchdog": In(24),
                **{name: Out(1) for name in ("busy", "done", "error", "ended")},
                "cause": Out(Cause),
                "index": Out(32),
                "address": Out(32),
                "m_axi": Out(Axi4()),
                "counts": Out(counts_layout()),
                "cycles": Out(32),
                "traffic": Out(traffic_layout()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.engine = engine = Engine(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        reset = ResetInserter(sequencer.flush)
        m.submodules.fill = fill = reset(Fill(config))
        m.submodules.load = load = reset(Load(config))
        m.submodules.drain = drain = reset(Drain(config))
        m.submodules.write = write = WriteDma(outstanding=16)
        m.submodules.arbiter = arbiter = ReadArbiter(3, outstanding=48)
        reads = [ReadDma(outstanding=2), ReadDma(outstanding=4), ReadDma(outstanding=32, depth=256)]
        for name, dma, client in zip(("list", "rows", "operands"), reads, arbiter.clients, strict=True):
            m.submodules[f"read_{name}"] = dma
            connect(m, dma.m_axi, client)
        for name, _, _ in arbiter.m_axi.signature.flatten(arbiter.m_axi):
            self._pass(m, arbiter.m_axi, name[0])
        for name, _, _ in write.m_axi.signature.flatten(write.m_axi):
            self._pass(m, write.m_axi, name[0])
        listed, rows, operands = reads
        connect(m, sequencer.request, listed.commands)
        connect(m, listed.o, sequencer.words)
        m.submodules.vector = vector = reset(VectorUnit(decode=bool(config.decode_units)))
        connect(m, sequencer.elements, vector.tasks)
        busy = ~vector.idle
        _share(m, busy, rows.commands, fill.requests, vector.b_requests)
        _share(m, busy, operands.commands, load.requests, vector.a_requests)
        _share(m, busy, write.commands, drain.requests, vector.requests)
        _share(m, busy, write.i, drain.words, vector.words)
        _deal(m, busy, rows.o, fill.data, vector.b_data)
        _deal(m, busy, operands.o, load.data, vector.a_data)
        connect(m, fill.fills, engine.fills)
        connect(m, fill.words, engine.words)
        connect(m, load.loads, engine.loads)
        connect(m, load.vectors, engine.vectors)
        connect(m, drain.drains, engine.drains)
        connect(m, engine.o, drain.results)
        waiting = [
            self._queue(m, reset, name, getattr(sequencer, name), target)
            for name, target in (
                ("walks", engine.walks),
                ("fills", fill.tasks),
                ("loads", load.tasks),
                ("drains", drain.tasks),
            )
        ]
        bursts = write.busy | rows.busy | operands.busy
        work = Signal()
        m.d.comb += work.eq(bursts | busy | ~load.idle | ~drain.idle | Cat(*waiting).any())
        self._control(m, sequencer, engine, vector, reads, write)
        m.d.comb += [
            drain.top.eq(engine.shape.top),
            sequencer.quiet.eq(~work),
            sequencer.settled.eq(~(bursts | listed.busy)),
        ]
        self._count(m, sequencer, fill, load, drain, listed, vector)
        return m

    def _pass(self, m, port, name):
        """One signal of a DMA's port."""
        mine, inner = getattr(self.m_axi, name), getattr(port, name)
        out = self.m_axi.signature.members[name].flow is Out
        m.d.comb += mine.eq(inner) if out else inner.eq(mine)

    def _queue(self, m, reset, name, source, target):
        """Commands wait here; returns how many."""
        fifo = SyncFIFOBuffered(width=source.payload.shape().size, depth=QUEUE)
        m.submodules[f"queue_{name}"] = reset(fifo)
        m.d.comb += [
            fifo.w_en.eq(source.valid),
            fifo.w_data.eq(source.payload.as_value()),
            source.ready.eq(fifo.w_rdy),
            target.valid.eq(fifo.r_rdy),
            target.payload.eq(fifo.r_data),
            fifo.r_en.eq(target.ready),
        ]
        return fifo.level

    def _control(self, m, sequencer, engine, vector, reads, write):
        for name in ("start", "abort", "reset", "list_address", "list_words", "watchdog"):
            m.d.comb += getattr(sequencer, name).eq(getattr(self, name))
        for name in ("busy", "done", "error", "ended", "cause", "index", "address"):
            m.d.comb += getattr(self, name).eq(getattr(sequencer, name))
        for dma in (*reads, write):
            m.d.comb += [dma.abort.eq(sequencer.drop), dma.clear.eq(sequencer.clear)]
        for dma in reads:
            with m.If(dma.error):
                m.d.comb += [sequencer.read_error.eq(1), sequencer.read_address.eq(dma.error_address)]
        m.d.comb += [
            sequencer.write_error.eq(write.error),
            sequencer.write_address.eq(write.error_address),
            engine.shape.eq(sequencer.shape),
            engine.start.eq(sequencer.begin),
            sequencer.blocks.eq(engine.errors.any()),
            sequencer.full.eq(engine.full),
            sequencer.overflow.eq(engine.overflow),
            sequencer.bad.eq(vector.bad),
            sequencer.invalid.eq(vector.invalid),
            vector.clear.eq(sequencer.clear),
            self.counts.eq(engine.counts),
        ]

    def _count(self, m, sequencer, fill, load, drain, listed, vector):
        shape, traffic = sequencer.shape, self.traffic
        row_task = Signal()  # the vectors are gradients
        with m.If(load.loads.valid):
            m.d.sync += row_task.eq(load.loads.payload.row)
        gradient, opcode = vector.gradient, vector.opcode
        update, decode = opcode == Opcode.UPDATE, opcode == Opcode.DECODE
        coded = decode | (opcode == Opcode.ENCODE)
        read = _moved(vector.a_data) + _moved(vector.b_data)
        rows, operands, results = map(_moved, (fill.data, load.data, drain.words))
        written = _moved(vector.words)
        counted = {
            "read_x": (rows & ~shape.backward) + Mux(decode & ~gradient, read, 0),
            "read_w": (operands & ~row_task) + Mux(update, read, 0),
            "read_d": (operands & row_task) + (rows & shape.backward) + Mux(decode & gradient, read, 0),
            "read_result": Mux(update | decode, 0, read),
            "read_command": _moved(listed.o),
            "write_x": written & coded & ~gradient,
            "write_w": (results & shape.wg) + (written & update),
            "write_d": written & coded & gradient,
            "write_result": (results & ~shape.wg) + (written & ~coded & ~update),
        }
        for name, words in counted.items():
            m.d.sync += traffic[name].eq(traffic[name] + (words << 3))
        with m.If(self.busy):
            m.d.sync += self.cycles.eq(self.cycles + 1)
        with m.If(sequencer.clear):
            m.d.sync += [traffic.eq(0), self.cycles.eq(0)]

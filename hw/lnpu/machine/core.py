"""The machine behind its registers: sequencer, queues, units, engine and DMAs."""

from amaranth.hdl import Cat, Module, ResetInserter, Signal
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
from lnpu.machine.commands import Cause
from lnpu.machine.drain import Drain
from lnpu.machine.fill import Fill
from lnpu.machine.load import Load
from lnpu.machine.sequencer import Sequencer

__all__ = ["QUEUE", "Core", "traffic_layout"]

QUEUE = 4
"""Commands of each kind that wait for their unit."""


def traffic_layout() -> data.StructLayout:
    """Bytes moved, by class, modulo 2^32: `read_x`: sparse inputs of FP and WG; `read_w`: weights; `read_d`:
    gradients; `read_command`; `write_w`: dW; `write_result`: results of FP and BP."""
    names = ("read_x", "read_w", "read_d", "read_command", "write_w", "write_result")
    return data.StructLayout(dict.fromkeys(names, 32))


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
        m.submodules.write = write = WriteDma()
        m.submodules.arbiter = arbiter = ReadArbiter(3, outstanding=32)
        reads = [ReadDma(outstanding=2), ReadDma(outstanding=4), ReadDma(outstanding=16, depth=64)]
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
        connect(m, fill.requests, rows.commands)
        connect(m, rows.o, fill.data)
        connect(m, load.requests, operands.commands)
        connect(m, operands.o, load.data)
        connect(m, drain.requests, write.commands)
        connect(m, drain.words, write.i)
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
        m.d.comb += work.eq(bursts | ~load.idle | ~drain.idle | Cat(*waiting).any())
        self._control(m, sequencer, engine, reads, write)
        m.d.comb += [
            drain.top.eq(engine.shape.top),
            sequencer.quiet.eq(~work),
            sequencer.settled.eq(~(bursts | listed.busy)),
        ]
        self._count(m, sequencer, fill, load, drain, listed, operands)
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

    def _control(self, m, sequencer, engine, reads, write):
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
            self.counts.eq(engine.counts),
        ]

    def _count(self, m, sequencer, fill, load, drain, listed, operands):
        shape, traffic = sequencer.shape, self.traffic
        row_task = Signal()  # the vectors are gradients
        with m.If(load.loads.valid):
            m.d.sync += row_task.eq(load.loads.payload.row)
        words = {
            "read_x": fill.data.valid & fill.data.ready & ~shape.backward,
            "read_w": load.data.valid & load.data.ready & ~row_task,
            "read_d": (load.data.valid & load.data.ready & row_task)
            | (fill.data.valid & fill.data.ready & shape.backward),
            "read_command": listed.o.valid & listed.o.ready,
            "write_w": drain.words.valid & drain.words.ready & shape.wg,
            "write_result": drain.words.valid & drain.words.ready & ~shape.wg,
        }
        for name, moved in words.items():
            with m.If(moved):
                m.d.sync += traffic[name].eq(traffic[name] + 8)
        with m.If(self.busy):
            m.d.sync += self.cycles.eq(self.cycles + 1)
        with m.If(sequencer.clear):
            m.d.sync += [traffic.eq(0), self.cycles.eq(0)]

"""Two DMAs of each direction behind arbiters: what stands behind one `m_axi`."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.bus.arbiter import ReadArbiter, WriteArbiter
from lnpu.bus.axi import Axi4, command_layout
from lnpu.bus.read import ReadDma, word_layout
from lnpu.bus.write import WriteDma, strobed_layout

CLIENTS = 2


class BusUnit(wiring.Component):
    """`rc<n>`, `ro<n>`: commands and words of reader n; `wc<n>`, `wi<n>`: of writer n; `busy`."""

    def __init__(self):
        ports = {"m_axi": Out(Axi4()), "busy": Out(1), "error": Out(1)}
        for n in range(CLIENTS):
            ports[f"rc{n}"] = In(stream.Signature(command_layout()))
            ports[f"ro{n}"] = Out(stream.Signature(word_layout()))
            ports[f"wc{n}"] = In(stream.Signature(command_layout()))
            ports[f"wi{n}"] = In(stream.Signature(strobed_layout()))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        m.submodules.reads = reads = ReadArbiter(CLIENTS)
        m.submodules.writes = writes = WriteArbiter(CLIENTS)
        units = []
        for n in range(CLIENTS):
            m.submodules[f"reader{n}"] = reader = ReadDma(outstanding=4)
            m.submodules[f"writer{n}"] = writer = WriteDma(outstanding=4)
            connect(m, reader.m_axi, reads.clients[n])
            connect(m, writer.m_axi, writes.clients[n])
            connect(m, flipped(getattr(self, f"rc{n}")), reader.commands)
            connect(m, flipped(getattr(self, f"ro{n}")), reader.o)
            connect(m, flipped(getattr(self, f"wc{n}")), writer.commands)
            connect(m, flipped(getattr(self, f"wi{n}")), writer.i)
            units += [reader, writer]
        for arbiter in (reads, writes):
            for name, member in arbiter.m_axi.signature.members.items():
                here, there = getattr(self.m_axi, name), getattr(arbiter.m_axi, name)
                m.d.comb += here.eq(there) if member.flow is Out else there.eq(here)
        m.d.comb += [
            self.busy.eq(sum(unit.busy for unit in units) != 0),
            self.error.eq(sum(unit.error for unit in units) != 0),
        ]
        return m

"""Dense decoder: rows of words to vectors of fp16 elements, both groups merged."""

from amaranth.hdl import Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import CAUSE_BITS
from lnpu.codec.loader import GroupLoader
from lnpu.codec.merger import Merger
from lnpu.codec.payloads import dense_beat, dense_command, word
from lnpu.codec.reader import GroupReader
from lnpu.codec.slots import run_width_index
from lnpu.codec.vectors import VectorStore

__all__ = ["DenseDecoder"]


class DenseDecoder(wiring.Component):
    """Decodes rows to `lanes` elements a cycle.

    Args:
        lanes: elements of a vector, 1, 2 or 4.

    Members:
        command: `In(stream(dense_command))`, one a row. i: `In(stream(word))`, the row's words.
        o: `Out(stream(dense_beat(lanes)))`, ceil(length / lanes) vectors a block, the last one with `last`;
            a malformed block is zero and `bad`.
        errors: sticky `Cause` bits. clear: clears them.

    Timing: one vector a cycle, sustained, as long as the words come at the pace that they need (a block
    of b bits needs b / 64 cycles). Latency: about two blocks.
    """

    def __init__(self, lanes: int = 4):
        super().__init__(
            {
                "command": In(stream.Signature(dense_command())),
                "i": In(stream.Signature(word())),
                "o": Out(stream.Signature(dense_beat(lanes))),
                "errors": Out(CAUSE_BITS),
                "clear": In(1),
            }
        )
        self.lanes = lanes

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader = loader = GroupLoader()
        m.submodules.reader8 = reader8 = GroupReader(self.lanes, 8)
        m.submodules.reader16 = reader16 = GroupReader(self.lanes, 16)
        m.submodules.merger = merger = Merger(self.lanes)
        m.submodules.store = store = VectorStore(self.lanes)
        wiring.connect(m, wiring.flipped(self.command), loader.command)
        wiring.connect(m, wiring.flipped(self.i), loader.i)
        wiring.connect(m, loader.fp8, reader8.i)
        wiring.connect(m, loader.fp16, reader16.i)
        wiring.connect(m, loader.block, merger.block)
        wiring.connect(m, store.o, wiring.flipped(self.o))
        block = loader.block.payload
        m.d.comb += [
            reader8.case.eq(run_width_index(0, block.k8, block.k16)),
            reader16.case.eq(run_width_index(1, block.k8, block.k16)),
            merger.entries8.eq(reader8.entries),
            merger.entries16.eq(reader16.entries),
            reader8.take.eq(merger.take8),
            reader16.take.eq(merger.take16),
            merger.ready.eq(store.ready),
            store.write.eq(merger.write),
            store.elements.eq(merger.elements),
            store.last.eq(merger.last),
            store.finish.eq(merger.finish),
            store.bad.eq(merger.bad),
        ]
        m.d.sync += self.errors.eq(Mux(self.clear, 0, self.errors) | merger.raised)
        return m

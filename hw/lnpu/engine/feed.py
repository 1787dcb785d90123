"""Feed of a line: its blocks to slots."""

from amaranth.hdl import Module, ResetInserter
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.engine.block_payloads import block_layout, fetch_layout, word_layout
from lnpu.engine.block_queue import BlockQueue
from lnpu.engine.config import EngineConfig
from lnpu.engine.fetch import Fetch
from lnpu.engine.payloads import slot_layout
from lnpu.engine.unpack import Unpack

__all__ = ["Feed"]


class Feed(wiring.Component):
    """Queue of blocks, word fetch and unpacking of one line.

    Args:
        config: geometry.

    Members:
        start: `In(1)`: begin a pass, from any state. one_code: `In(16)`: code of the constant 1.
        blocks: `In(stream(block_layout))`, from the dealer.
        fetch: `Out(stream(fetch_layout))`; data: `In(word_layout)`, one cycle after a request was granted.
        released: `Out(2)`, pulses: see `Fetch`. idle: `Out(1)`: everything given has been issued.
        slots: `Out(stream(slot_layout))`.

    Timing: a slot a cycle as long as there are blocks and words. With an idle X buffer a block's first slot
    comes 5 cycles after the block.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "one_code": In(16),
                "blocks": In(stream.Signature(block_layout(config))),
                "fetch": Out(stream.Signature(fetch_layout(config))),
                "data": In(word_layout(config)),
                "released": Out(2),
                "idle": Out(1),
                "slots": Out(stream.Signature(slot_layout(config))),
            }
        )

    def elaborate(self, platform):
        outer = Module()
        outer.submodules.core = ResetInserter(self.start)(self._core())
        return outer

    def _core(self):
        m = Module()
        m.submodules.queue = queue = BlockQueue(self.config)
        m.submodules.fetch = fetch = Fetch(self.config)
        m.submodules.unpack = unpack = Unpack(self.config)
        connect(m, flipped(self.blocks), queue.i)
        connect(m, queue.place, fetch.i)
        connect(m, queue.issue, unpack.blocks)
        connect(m, fetch.o, unpack.words)
        connect(m, fetch.fetch, flipped(self.fetch))
        connect(m, unpack.o, flipped(self.slots))
        m.d.comb += [
            fetch.data.eq(self.data),
            unpack.one_code.eq(self.one_code),
            self.released.eq(fetch.released),
            self.idle.eq(queue.empty & unpack.empty),
        ]
        return m

"""The engine: compressed rows, weights and gradients go in with their commands, accumulators come out."""

from amaranth.hdl import Cat, Module, ResetInserter
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import CAUSE_BITS
from lnpu.codec.payloads import word
from lnpu.engine.collector import Collector
from lnpu.engine.config import EngineConfig
from lnpu.engine.counters import Cause, Counters, counts_layout
from lnpu.engine.dealer import Dealer
from lnpu.engine.feed import Feed
from lnpu.engine.line import Line
from lnpu.engine.loader import Loader
from lnpu.engine.payloads import (
    drain_command,
    fill_command,
    load_command,
    load_vector,
    pass_layout,
    result_beat,
    walk_command,
)
from lnpu.engine.store import XStore

__all__ = ["Engine"]


class Engine(wiring.Component):
    """Lines with X buffer, balancer, loader and collector (`docs/engine.md`).

    Args:
        config: geometry.

    Members:
        start: `In(1)`: begin a pass from any state; what was under way is forgotten.
        shape: `In(pass_layout)`, constant from `start` to the end of the pass.
        walks: `In(stream(walk_command))`; fills: `In(stream(fill_command))`, words: `In(stream(word))`: rows
        of the sparse input; loads: `In(stream(load_command))`, vectors: `In(stream(load_vector))`: the other
        operand; drains: `In(stream(drain_command))`, o: `Out(stream(result_beat))`.
        overflow: `Out(1)`, a sum saturated; full: `Out(1)`, an X bank overflowed; errors: `Out`, `Cause` bits
        of malformed rows; all sticky until `start`. counts: `Out(counts_layout)`.

    Timing: `start` clears the accumulators in at most as many cycles as the larger file has words; commands
    may wait from then on.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "shape": In(pass_layout(config)),
                "walks": In(stream.Signature(walk_command(config))),
                "fills": In(stream.Signature(fill_command(config))),
                "words": In(stream.Signature(word())),
                "loads": In(stream.Signature(load_command(config))),
                "vectors": In(stream.Signature(load_vector(config))),
                "drains": In(stream.Signature(drain_command(config))),
                "o": Out(stream.Signature(result_beat(config))),
                "overflow": Out(1),
                "full": Out(1),
                "errors": Out(CAUSE_BITS),
                "counts": Out(counts_layout()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.store = store = XStore(config)
        m.submodules.dealer = dealer = Dealer(config)
        m.submodules.loader = loader = ResetInserter(self.start)(Loader(config))
        m.submodules.collector = collector = ResetInserter(self.start)(Collector(config))
        m.submodules.counters = counters = Counters(config.lines)
        for mine, inner in (
            (self.walks, dealer.walks),
            (self.fills, store.fills),
            (self.words, store.words),
            (self.loads, loader.commands),
            (self.vectors, loader.vectors),
            (self.drains, collector.commands),
        ):
            wiring.connect(m, wiring.flipped(mine), inner)
        wiring.connect(m, collector.o, wiring.flipped(self.o))
        wiring.connect(m, dealer.look, store.look)
        m.d.comb += [
            store.clear.eq(self.start),
            store.claim.eq(dealer.claim),
            store.free.eq(dealer.free),
            dealer.start.eq(self.start),
            dealer.shape.eq(self.shape),
            dealer.filled.eq(store.filled),
            dealer.span.eq(store.span),
            dealer.table_at.eq(collector.table_at),
            collector.table_line.eq(dealer.table_line),
            dealer.drained.eq(collector.drained[0]),
            counters.start.eq(self.start),
            counters.drained.eq(self.o.valid & self.o.ready & self.o.payload.last),
            self.full.eq(store.full),
            self.errors.eq(store.errors),
            self.counts.eq(counters.counts),
        ]
        overflows = []
        for n in range(config.lines):
            m.submodules[f"feed{n}"] = feed = Feed(config)
            m.submodules[f"line{n}"] = line = Line(config)
            self._line(m, n, feed, line, store, dealer, loader, collector)
            self._causes(m, n, feed, line, dealer, counters)
            overflows.append(line.overflow)
        m.d.comb += self.overflow.eq(Cat(*overflows).any())
        return m

    def _line(self, m, n, feed, line, store, dealer, loader, collector):
        """Connects a line and its feed with everything that all lines share."""
        wiring.connect(m, dealer.blocks[n], feed.blocks)
        wiring.connect(m, feed.fetch, store.fetch[n])
        wiring.connect(m, feed.slots, line.slots)
        wiring.connect(m, collector.drain[n], line.drain)
        wiring.connect(m, line.words, collector.words[n])
        m.d.comb += [
            feed.start.eq(self.start),
            feed.one_code.eq(self.shape.one_code),
            feed.data.eq(store.data),
            dealer.released[n].eq(feed.released),
            dealer.idle[n].eq(feed.idle),
            line.start.eq(self.start),
            line.wg.eq(self.shape.wg),
            line.scale.eq(self.shape.scale),
            line.top.eq(self.shape.top),
            line.tile_valid.eq(loader.tile_valid[n]),
            line.tile_beat.eq(loader.tile_beat),
            line.row_valid.eq(loader.row_valid[n]),
            line.row_beat.eq(loader.row_beat),
            line.loaded.eq(loader.loaded[n]),
            line.drained.eq(collector.drained[n]),
            loader.wanted[n].eq(line.wanted),
            collector.complete[n].eq(line.complete),
        ]

    def _causes(self, m, n, feed, line, dealer, counters):
        """What the line did with this cycle."""
        cause = counters.causes[n]
        m.d.comb += [
            cause[Cause.ISSUE8].eq(line.issue8),
            cause[Cause.ISSUE16].eq(line.issue16),
            cause[Cause.PIXEL].eq(line.lost_pixel),
            cause[Cause.TILE].eq(line.lost_tile),
            cause[Cause.DRAIN].eq(line.lost_drain),
            cause[Cause.BACKPRESSURE].eq(line.lost_backpressure),
            cause[Cause.FILL].eq(line.empty & feed.idle & dealer.filling),
            cause[Cause.STARVED].eq(line.empty & (~feed.idle | dealer.looking) & ~cause[Cause.FILL]),
            cause[Cause.TAIL].eq(line.empty & ~cause[Cause.FILL] & ~cause[Cause.STARVED]),
        ]

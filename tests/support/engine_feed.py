"""Dealer and feeds on a plain X buffer: walks in, what each line is told out."""

import functools

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.engine.collector import table_layout
from lnpu.engine.config import EngineConfig, Policy
from lnpu.engine.dealer import Dealer
from lnpu.engine.feed import Feed
from lnpu.engine.payloads import pass_layout, slot_layout, span_layout, walk_command
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.engine.dealing import SLOT
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from support.engine_walks import MARKS

FEED_CONFIGS = {
    "four": EngineConfig(blocks=64, row_entries=64),
    "three": EngineConfig(
        lines=3, pes=5, blocks=50, words=512, units=6, row_entries=9, tile_entries=77, policy=Policy.ROTATE
    ),
    "two": EngineConfig(lines=2, blocks=64, words=512, row_entries=16, policy=Policy.NONE),
    "one": EngineConfig(lines=1, pes=4, blocks=128, units=2, row_entries=32),
}
"""Configurations of the tests; every one is a build."""


class FeedRig(wiring.Component):
    """Dealer, feeds, and RAM in place of the X buffer: a fill shows a page of it as a bank.

    `spans`, `words` write the RAM. `slow`: every other request of a span or word is turned down. `held`: Row
    banks that are not drained. `lost`, a line: cycles between two slots of a walk in which none was offered;
    `frees`: banks freed.
    """

    def __init__(self, config):
        self.config = config
        self.block_bits, self.word_bits = config.block_bits + 2, config.word_bits + 2
        fill = data.StructLayout({"page": 2, "bank": 1})
        span = data.StructLayout({"at": self.block_bits, "span": span_layout(config)})
        words = data.StructLayout({"at": self.word_bits, "data": 14 * config.units})
        super().__init__(
            {
                "start": In(1),
                "slow": In(1),
                "held": In(2),
                "shape": In(pass_layout(config)),
                "walks": In(stream.Signature(walk_command(config))),
                "fills": In(stream.Signature(fill)),
                "spans": In(stream.Signature(span)),
                "words": In(stream.Signature(words)),
                "slots": Out(stream.Signature(slot_layout(config))).array(config.lines),
                "lost": Out(32).array(config.lines),
                "frees": Out(16),
                "table_at": In(table_layout(config)),
                "table_line": Out(config.line_bits),
            }
        )

    def elaborate(self, platform):
        outer = Module()
        outer.submodules.core = ResetInserter(self.start)(self._core())
        return outer

    def _core(self):
        m = Module()
        config = self.config
        m.submodules.dealer = dealer = Dealer(config)
        feeds = [Feed(config) for _ in range(config.lines)]
        m.d.comb += [
            dealer.shape.eq(self.shape),
            dealer.walks.payload.eq(self.walks.payload),
            dealer.walks.valid.eq(self.walks.valid),
            self.walks.ready.eq(dealer.walks.ready),
            dealer.table_at.eq(self.table_at),
            dealer.drained.eq(~self.held),
            self.table_line.eq(dealer.table_line),
        ]
        filled, used, pages = Signal(2), Signal(2), Array([Signal(2), Signal(2)])
        fill = self.fills.payload
        m.d.comb += [dealer.filled.eq(filled), self.fills.ready.eq(~(used.bit_select(fill.bank, 1)))]
        put = Mux(self.fills.valid & self.fills.ready, Mux(fill.bank, 2, 1), 0)
        m.d.sync += [
            filled.eq((filled & ~dealer.claim) | put),
            used.eq((used & ~dealer.free) | put),
            self.frees.eq(self.frees + dealer.free[0] + dealer.free[1]),
        ]
        with m.If(self.fills.valid & self.fills.ready):
            m.d.sync += pages[fill.bank].eq(fill.page)

        m.submodules.spans = spans = Memory(
            shape=span_layout(config).size, depth=1 << self.block_bits, init=[]
        )
        m.submodules.words = words = Memory(shape=14 * config.units, depth=1 << self.word_bits, init=[])
        for memory, source, name in ((spans, self.spans, "span"), (words, self.words, "data")):
            port = memory.write_port()
            m.d.comb += [
                source.ready.eq(1),
                port.en.eq(source.valid),
                port.addr.eq(source.payload.at),
                port.data.eq(source.payload[name]),
            ]
        beat = Signal()
        m.d.sync += beat.eq(~beat & self.slow)
        span, word = spans.read_port(), words.read_port()
        look = dealer.look
        m.d.comb += [
            look.ready.eq(~beat),
            span.addr.eq(Cat(look.payload.block, pages[look.payload.bank])),
            span.en.eq(look.valid & look.ready),
            dealer.span.as_value().eq(span.data),
        ]
        turn = Signal(range(config.lines))  # the line that was served last
        for last in range(config.lines):
            with m.If((turn == last) & ~beat):
                granted = Const(0)
                for n in [(last + 1 + k) % config.lines for k in range(config.lines)]:
                    at = feeds[n].fetch.payload
                    with m.If(feeds[n].fetch.valid & ~granted):
                        m.d.comb += [
                            feeds[n].fetch.ready.eq(1),
                            word.addr.eq(Cat(at.word, pages[at.bank])),
                            word.en.eq(1),
                        ]
                        m.d.sync += turn.eq(n)
                    granted |= feeds[n].fetch.valid
        for n, feed in enumerate(feeds):
            m.submodules[f"feed{n}"] = feed
            slots = self.slots[n]
            m.d.comb += [
                feed.one_code.eq(self.shape.one_code),
                feed.blocks.payload.eq(dealer.blocks[n].payload),
                feed.blocks.valid.eq(dealer.blocks[n].valid),
                dealer.blocks[n].ready.eq(feed.blocks.ready),
                feed.data.as_value().eq(word.data),
                dealer.released[n].eq(feed.released),
                dealer.idle[n].eq(feed.idle),
                slots.payload.eq(feed.slots.payload),
                slots.valid.eq(feed.slots.valid),
                feed.slots.ready.eq(slots.ready),
            ]
            gap, running = Signal(16, name=f"gap{n}"), Signal(name=f"running{n}")
            with m.If(~slots.valid):
                m.d.sync += gap.eq(gap + 1)
            with m.Elif(slots.ready & (slots.payload.end | slots.payload.work)):
                m.d.sync += [gap.eq(0), running.eq(slots.payload.work)]
                with m.If(running & ~slots.payload.end):
                    m.d.sync += self.lost[n].eq(self.lost[n] + gap)
        return m


@functools.cache
def compiled_rig(config):
    unit = FeedRig(config)
    return build([to_verilog(unit, "rig", flat_ports(unit))], "rig")


def load_pages(unit, config, pages):
    """Write pages of blocks into the RAM."""
    unit["start"] = 1
    unit.step()
    unit["start"] = 0
    count = 1 << config.block_bits
    span = {
        "spans_at": np.arange(count * len(pages)),
        **{
            f"spans_span_{name}": np.concatenate([spans[name] for _, spans, _ in pages])
            for name in ("start", "n8", "n16")
        },
    }
    at = np.concatenate([np.arange(len(raw)) + n * config.words for n, (_, _, raw) in enumerate(pages)])
    flat = [word for _, _, raw in pages for word in raw]
    chunks = -(-14 * config.units // 64)
    words = np.array([[w >> 64 * k & (1 << 64) - 1 for k in range(chunks)] for w in flat], np.uint64)
    words = words.reshape(-1, chunks)
    words = words if chunks > 1 else words[:, 0]
    sources = [
        Source(span, "spans_valid", "spans_ready"),
        Source({"words_at": at, "words_data": words}, "words_valid", "words_ready"),
    ]
    unit.run_streams(sources, [], idle_limit=20)


def columns(records):
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def prepare(unit, constants, slow=False):
    """Begin a pass."""
    for port in unit.ports:
        if port.endswith("_valid") and not unit.ports[port].output:
            unit[port] = 0
    unit["slow"], unit["held"] = int(slow), 0
    for name, value in constants.items():
        unit[f"shape_{name}"] = value
    unit["start"] = 1
    unit.step()
    unit["start"] = 0


def play(unit, config, constants, walks, fills, most, pattern="none", seed=1, slow=False):
    """Run walks; for each line its events, and the stream result."""
    source, sink = STALL_PATTERNS[pattern]
    prepare(unit, constants, slow)
    fields = [*SLOT, "work", "end", *(f"marks_{name}" for name in MARKS)]
    sinks = [
        Sink([f"slots{n}_{f}" for f in fields], f"slots{n}_valid", f"slots{n}_ready", sink, most)
        for n in range(config.lines)
    ]
    sources = [
        Source({f"walks_{k}": v for k, v in columns(walks).items()}, "walks_valid", "walks_ready", source),
        Source({f"fills_{k}": v for k, v in columns(fills).items()}, "fills_valid", "fills_ready", source),
    ]
    idle = 1000 + 26 * config.tile_pixels  # a walk may have nothing but empty blocks
    result = unit.run_streams(sources, sinks, seed=seed, idle_limit=idle, until_quiet=True)
    lines = []
    for n in range(config.lines):
        part = {name: result[f"slots{n}_{name}"].astype(np.int64) for name in fields}
        zero = np.zeros_like(part["end"])
        ends = np.stack([zero + 1, *(part[f"marks_{name}"] for name in MARKS), zero, zero, zero], axis=1)
        slots = np.stack([zero, *(part[name] for name in SLOT)], axis=1)
        events = np.stack([ends, slots], axis=1).reshape(-1, 8)
        lines.append(events[np.stack([part["end"], part["work"]], axis=1).reshape(-1) == 1])
    return lines, result


def check(unit, config, constants, walks, fills, want, pattern="none", seed=1, slow=False):
    """Every line must be told what the model says; returns the stream result."""
    most = max(map(len, want)) + 10
    got, result = play(unit, config, constants, walks, fills, most, pattern, seed, slow)
    for n, (mine, right) in enumerate(zip(got, want, strict=True)):
        short = min(len(mine), len(right))
        wrong = np.flatnonzero((mine[:short] != right[:short]).any(axis=1))
        at = int(wrong[0]) if len(wrong) else short
        if len(wrong) or len(mine) != len(right):
            raise AssertionError(
                f"pattern {pattern}, seed {seed}, line {n}, event {at} of {len(right)} (got {len(mine)}): "
                f"{mine[at : at + 3].tolist()} instead of {right[at : at + 3].tolist()}"
            )
    assert unit["frees"] == len(fills), f"{unit['frees']} banks freed of {len(fills)}"
    return result

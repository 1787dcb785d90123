"""Dealer and feeds on a plain X buffer, random walks, and what each line must be told."""

import functools

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.engine.block_payloads import word_layout
from lnpu.engine.collector import table_layout
from lnpu.engine.config import Convolution, Pass
from lnpu.engine.dealer import Dealer
from lnpu.engine.feed import Feed
from lnpu.engine.payloads import pass_layout, slot_layout, span_layout, walk_command
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.engine.dealing import SLOT, Blocks, DealingModel
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build

PAGES = 4
"""Contents of X banks that a run can use."""

MARKS = ("release", "last", "tile_bank", "row_bank")


class FeedRig(wiring.Component):
    """Dealer, feeds, and RAM in place of the X buffer: a fill shows a page of it as a bank.

    `spans`, `words` write the RAM. `slow`: every other request of a span or word is turned down. `lost`, a line:
    cycles between two slots of a walk in which none was offered; `frees`: banks freed.
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


def random_blocks(config, rng, empty=0.3, most=64, wide=0.3, fixed=None):
    """A page of blocks for all block numbers, and its words (uint64 pairs of ports over 64 bits); blocks have
    `most` elements at most, or about `fixed`; a share `wide` of the elements is fp16."""
    count = 1 << config.block_bits
    total = rng.integers(1, most + 1, count) if fixed is None else rng.binomial(64, fixed, count)
    total[rng.random(count) < empty] = 0
    n16 = rng.binomial(total, wide)
    n8 = total - n16
    units = n8 + (n8 & 1) * (n16 > 0) + 2 * n16
    words = -(-units // config.units)
    while words.sum() > config.words:  # empty some until they fit
        at = rng.integers(count)
        for part in (n8, n16, units, words):
            part[at] = 0
    start = np.cumsum(n8 + n16) - n8 - n16
    first = np.cumsum(words) - words
    index, code, raw = [], [], []
    for b in range(count):
        places = rng.permutation(64)[: n8[b] + n16[b]]
        values = np.concatenate([rng.integers(0, 256, n8[b]), rng.integers(0, 65536, n16[b])])
        index.append(places)
        code.append(values)
        line = [int(i | v << 6) for i, v in zip(places[: n8[b]], values[: n8[b]], strict=True)]
        if n16[b] and n8[b] % 2:
            line.append(int(rng.integers(1 << 14)))  # padding is never looked at
        for i, v in zip(places[n8[b] :].tolist(), values[n8[b] :].tolist(), strict=True):
            line += [i | (v & 255) << 6, v >> 8 << 6]
        line += [0] * (words[b] * config.units - len(line))
        for at in range(0, len(line), config.units):
            raw.append(sum(u << 14 * k for k, u in enumerate(line[at : at + config.units])))
    spans = {"start": first & (config.words - 1), "n8": n8, "n16": n16}
    return Blocks(start, n8, n16, np.concatenate(index), np.concatenate(code)), spans, raw


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
    words = words if chunks > 1 else words[:, 0]
    sources = [
        Source(span, "spans_valid", "spans_ready"),
        Source({"words_at": at, "words_data": words}, "words_valid", "words_ready"),
    ]
    unit.run_streams(sources, [], idle_limit=20)


def random_pass(config, rng, kind, shape=None, images=None):
    """Constants of a pass, and its layer."""
    if shape is None:
        kernel = int(rng.integers(1, 6))
        height, width = rng.integers(kernel, 10, 2).tolist()
        padding = int(rng.integers(0, min(kernel, 3)))
        shape = Convolution(height, width, 1, 1, kernel, int(rng.integers(1, 4)), padding)
    backward = kind is Pass.BP
    out = shape.output_height, shape.output_width
    rows, columns = (shape.height, shape.width) if backward else out
    height, width = out if backward else (shape.height, shape.width)
    x, y = (shape.valid_taps(kind, size, 0) for size in (shape.width, shape.height))
    constants = {
        "wg": int(kind is Pass.WG),
        "backward": int(backward),
        "stride": shape.stride,
        "kernel_last": shape.kernel - 1,
        "height_last": height - 1,
        "width_last": width - 1,
        "image": height * width & ((2 << config.block_bits) - 1),
        "rows_last": rows - 1,
        "columns_last": columns - 1,
        "x_tap": x.tap,
        "x_pixel": x.pixel,
        "y_tap": y.tap,
        "y_pixel": y.pixel,
        "y_offset": y.pixel * width & ((1 << config.block_bits) - 1),
        "one_code": int(rng.integers(256)),
        "one_wide": int(rng.integers(2)),
        "scale": 0,
        "top": 0,
    }
    return constants, shape, images or int(rng.integers(1, 4))


def random_walks(config, rng, kind, constants, shape, images, count, whole=False):
    """Walks of a pass in any order, and the page of each; `whole`: of all pixels and all taps."""
    rows, columns = constants["rows_last"] + 1, constants["columns_last"] + 1
    height, width = constants["height_last"] + 1, constants["width_last"] + 1
    total, block_mask = images * rows * columns, (1 << config.block_bits) - 1
    tile_mask, row_mask = (1 << config.tile_bits) - 1, (1 << config.row_bits) - 1
    walks, pages, fills = [], [], []
    dealt = [None, None]
    for n in range(count):
        all_ = int(kind is Pass.WG and rng.random() < 0.5)
        row_bank = int(rng.integers(2))
        capacity = int(rng.integers(2, config.row_entries + 1))
        most = min(config.tile_pixels if kind is Pass.WG else config.lines * capacity, total)
        start = int(rng.integers(total))
        pixels = int(rng.integers(1, min(most, total - start) + 1))
        if whole:
            start, pixels = 0, min(most, total)
        replay = int(kind is not Pass.WG and dealt[row_bank] is not None and rng.random() < 0.5)
        if replay:
            start, pixels, capacity = dealt[row_bank]
        elif kind is not Pass.WG:
            dealt[row_bank] = start, pixels, capacity
        image, rest = divmod(start, rows * columns)
        y, x = divmod(rest, columns)
        ys, xs = shape.valid_taps(kind, shape.height, y), shape.valid_taps(kind, shape.width, x)
        base = image * height * width - int(rng.integers(height * width))
        ky, kx = (sorted(rng.integers(0, shape.kernel, 2).tolist()) for _ in range(2))
        if whole:
            ky, kx = [0, shape.kernel - 1], [0, shape.kernel - 1]
        if not fills or rng.random() < 0.5:
            if fills:
                walks[-1]["x_free"] = 1
            fills.append({"page": int(rng.integers(PAGES)), "bank": len(fills) & 1})
        walks.append(
            {
                "pixels": pixels - 1,
                "x_tap": xs.tap,
                "x_pixel": xs.pixel,
                "y_tap": ys.tap,
                "y_pixel": ys.pixel,
                "y_block": base + ys.pixel * width & block_mask,
                "base": base & block_mask,
                "columns": columns - 1 - x,
                "rows": rows - 1 - y,
                "ky_first": ky[0],
                "ky_last": ky[1],
                "kx_first": kx[0],
                "kx_last": kx[1],
                "tile": int(rng.integers(tile_mask + 1)),
                "x_pitch": int(rng.integers(tile_mask + 1)),
                "y_pitch": int(rng.integers(tile_mask + 1)),
                "one": int(rng.random() < 0.3),
                "one_tile": int(rng.integers(tile_mask + 1)),
                "both": int(rng.integers(2)),
                "replay": replay,
                "all": all_,
                "row": int(rng.integers(row_mask + 1)),
                "row_step": int(rng.integers(row_mask + 1)),
                "capacity": capacity,
                "x_bank": fills[-1]["bank"],
                "x_free": 0,
                "tile_bank": int(rng.integers(2)),
                "row_bank": row_bank,
                "release": int(rng.integers(2)),
                "last": int(rng.integers(2)),
            }
        )
        pages.append(fills[-1]["page"])
    walks[-1]["x_free"] = 1
    return walks, pages, fills


def expected(config, constants, walks, blocks):
    """For each line its events: [0, slot] or [1, marks]; and the walks as dealt."""
    model = DealingModel(config, constants)
    dealt = [model.walk(walk, page) for walk, page in zip(walks, blocks, strict=True)]
    lines = []
    for n in range(config.lines):
        parts = []
        for walk, done in zip(walks, dealt, strict=True):
            slots = done.slots[n]
            parts.append(np.pad(slots, ((0, 0), (1, 0))))
            parts.append(np.array([[1, *(walk[name] for name in MARKS), 0, 0, 0]]))
        lines.append(np.concatenate(parts))
    return lines, dealt


def columns(records):
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def play(unit, config, constants, walks, fills, most, pattern="none", seed=1, slow=False):
    """Run walks; for each line its events, and the stream result."""
    source, sink = STALL_PATTERNS[pattern]
    for port in unit.ports:
        if port.endswith("_valid") and not unit.ports[port].output:
            unit[port] = 0
    unit["slow"] = int(slow)
    for name, value in constants.items():
        unit[f"shape_{name}"] = value
    unit["start"] = 1
    unit.step()
    unit["start"] = 0
    fields = [*SLOT, "work", "end", *(f"marks_{name}" for name in MARKS)]
    sinks = [
        Sink([f"slots{n}_{f}" for f in fields], f"slots{n}_valid", f"slots{n}_ready", sink, most)
        for n in range(config.lines)
    ]
    sources = [
        Source({f"walks_{k}": v for k, v in columns(walks).items()}, "walks_valid", "walks_ready", source),
        Source({f"fills_{k}": v for k, v in columns(fills).items()}, "fills_valid", "fills_ready", source),
    ]
    result = unit.run_streams(sources, sinks, seed=seed, idle_limit=300, until_quiet=True)
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

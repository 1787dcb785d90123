"""Rows played through a compiled X buffer, and everything that its lines read back."""

import functools
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.codec.payloads import word
from lnpu.engine.block_payloads import fetch_layout, look_layout
from lnpu.engine.payloads import UNIT_BITS, fill_command, span_layout
from lnpu.engine.store import XStore
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.engine.store import UNUSED, StoredBank, store_bank
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from support.ram import blank, hostile


class StoreBench(wiring.Component):
    """An X buffer and its readers: `look` and each line's `fetch` wait until their bank is filled and stop at
    a beat with `end`; when all have met it, the bank is claimed and, a cycle later, freed (`freed` tells
    which). `wrong`: a bank was reported as filled though it was claimed."""

    def __init__(self, config):
        self.config = config

        def request(layout):
            return In(stream.Signature(data.StructLayout({"to": layout, "end": 1})))

        super().__init__(
            {
                "clear": In(1),
                "fills": In(stream.Signature(fill_command(config))),
                "words": In(stream.Signature(word())),
                "look": request(look_layout(config)),
                "fetch": request(fetch_layout(config)).array(config.lines),
                "span_valid": Out(1),
                "span": Out(span_layout(config)),
                "got_valid": Out(1),
                "got": Out(data.StructLayout({"line": config.lines, "word": config.units * UNIT_BITS})),
                "freed_valid": Out(1),
                "freed": Out(2),
                "wrong": Out(1),
                "errors": Out(7),
                "full": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = XStore(self.config)
        connect(m, flipped(self.fills), store.fills)
        connect(m, flipped(self.words), store.words)
        done, bank, claimed = Signal(1 + self.config.lines), Signal(), Signal()
        mask = Cat(~bank, bank)
        readers = [(self.look, store.look), *zip(self.fetch, store.fetch, strict=True)]
        took = Signal(len(readers))
        for n, (ours, theirs) in enumerate(readers):
            beat = ours.payload
            here = Signal(name=f"here{n}")
            m.d.comb += [
                here.eq(ours.valid & ~done[n] & store.filled.bit_select(beat.to.bank, 1)),
                theirs.valid.eq(here & ~beat.end),
                theirs.payload.eq(beat.to),
                ours.ready.eq(here & (beat.end | theirs.ready)),
                took[n].eq(theirs.valid & theirs.ready),
            ]
            with m.If(here & beat.end):
                m.d.sync += [done[n].eq(1), bank.eq(beat.to.bank)]
        with m.If(done.all()):
            m.d.sync += claimed.eq(~claimed)
            with m.If(claimed):
                m.d.comb += [store.free.eq(mask), self.freed.eq(mask), self.freed_valid.eq(1)]
                m.d.sync += done.eq(0)
                with m.If((store.filled & mask).any()):
                    m.d.sync += self.wrong.eq(1)
            with m.Else():
                m.d.comb += store.claim.eq(mask)
        last = Signal(len(readers))
        m.d.sync += last.eq(took)
        m.d.comb += [
            store.clear.eq(self.clear),
            self.span_valid.eq(last[0]),
            self.span.eq(store.span),
            self.got_valid.eq(last[1:].any()),
            self.got.line.eq(last[1:]),
            self.got.word.eq(store.data.as_value()),
            self.errors.eq(store.errors),
            self.full.eq(store.full),
        ]
        with m.If(self.clear):
            m.d.sync += [done.eq(0), claimed.eq(0), last.eq(0), self.wrong.eq(0)]
        return m


def bench_verilog(config):
    unit = StoreBench(config)
    ports = {}
    for name, (signal, out) in flat_ports(unit).items():
        if isinstance(signal, data.View) and isinstance(signal.shape(), data.StructLayout):
            ports.update({f"{name}_{key}": (signal[key], out) for key, _ in signal.shape()})
        else:
            ports[name] = (signal, out)
    return to_verilog(unit, "store", ports)


@functools.cache
def compiled_store(config):
    """With RAMs that start with rubbish, and return it where a read meets a write."""
    return build([hostile(blank(bench_verilog(config)))], "store")


@dataclass(frozen=True)
class Bank:
    """Rows for one bank: `fills` fields, `rows` of words, and what the model stores."""

    fills: dict
    rows: list
    want: StoredBank


def make_bank(config, rows, bank, length=None, order=None):
    """A bank of `support.codec.Rows`; row `n` gets the blocks `order[n] * blocks` and following."""
    count = len(rows.rows)
    fields = {
        "row_blocks": rows.blocks,
        "row_length": length or rows.length,
        "row_count_bits": rows.count_bits,
        "row_k8": rows.fmt.k8,
        "row_k16": rows.fmt.k16,
        "base": rows.blocks * (np.arange(count) if order is None else order),
        "bank": bank,
        "last": np.arange(count) == count - 1,
    }
    fills = {k: np.broadcast_to(np.asarray(v, np.int64), count).copy() for k, v in fields.items()}
    return Bank(fills, rows.rows, store_bank(fills, rows.rows, config))


def composed_row(rng, fmt, blocks, length, count_bits):
    """A row of entries drawn one by one: escapes anywhere, reserved codes, indices in both groups."""
    bits, size = 0, 0
    for _ in range(blocks):
        counts = [int(rng.choice([0, 1, 2, 5, length])) % (length + 1) for _ in range(2)]
        fields = [(count, count_bits) for count in counts]
        for count, k, width in zip(counts, (fmt.k8, fmt.k16), (8, 16), strict=True):
            good = (0x38, 0x7E, 0x88) if width == 8 else (0x3C00, 0x7BFF, 0x8400)
            for _ in range(count):
                longest = (1 << k) - 1
                run = int(rng.choice([0, 0, 1, longest])) if rng.random() < 0.97 else longest
                code = int(rng.choice(good))
                if rng.random() < 0.15:
                    run, code = longest, 0
                elif rng.random() < 0.01:
                    code = int(rng.integers(1 << width))
                fields += [(run, k), (code, width)]
        for value, width in fields:
            bits |= value << size
            size += width
    return np.array([bits >> at & 2**64 - 1 for at in range(0, size, 64)], np.uint64)


def inputs(banks):
    """Beats of fill commands and of words."""
    fills = {f"fills_{name}": np.concatenate([b.fills[name] for b in banks]) for name in banks[0].fills}
    rows = [row for bank in banks for row in bank.rows]
    last = np.concatenate([np.arange(len(row)) == len(row) - 1 for row in rows])
    return fills, {"words_data": np.concatenate(rows), "words_last": last}


def clear(unit):
    for port in unit.ports:
        if port.endswith("_valid") and not unit.ports[port].output:
            unit[port] = 0
    unit["clear"] = 1
    unit.step()
    unit["clear"] = 0


def play_store(unit, config, banks, pattern="none", seed=1, fetches=40):
    """Fill banks, read all spans and words that count in random order, and `fetches` more words a line (None:
    read nothing); check everything; the stream result."""
    rng = np.random.default_rng(seed)
    source, sink = STALL_PATTERNS[pattern]
    fills, words = inputs(banks)
    looks, wanted = [], [[] for _ in range(config.lines)]
    for bank in banks:
        number = int(bank.fills["bank"][0])
        base = bank.fills["base"][:, None] + np.arange(bank.fills["row_blocks"][0])
        blocks = rng.permutation(base.reshape(-1)) if fetches is not None else base[:0].reshape(-1)
        looks += [(int(block), number, 0) for block in blocks] + [(0, number, 1)]
        used = np.flatnonzero((bank.want.words != UNUSED).any(axis=1))
        share = rng.integers(0, config.lines, len(used))
        for line in range(config.lines):
            mine = used[share == line] if fetches is not None else used[:0]
            if len(used) and fetches:
                mine = np.concatenate((mine, rng.choice(used, fetches)))
            wanted[line] += [(int(at), number, 0) for at in rng.permutation(mine)] + [(0, number, 1)]

    def requests(name, beats, field):
        columns = np.array(beats).T
        ports = {f"{name}_to_{field}": columns[0], f"{name}_to_bank": columns[1], f"{name}_end": columns[2]}
        return Source(ports, f"{name}_valid", f"{name}_ready", sink)

    clear(unit)
    lines = range(config.lines)
    count = sum(1 for line in wanted for beat in line if not beat[2])
    result = unit.run_streams(
        [
            Source(fills, "fills_valid", "fills_ready", source),
            Source(words, "words_valid", "words_ready", source),
            requests("look", looks, "block"),
            *(requests(f"fetch{n}", wanted[n], "word") for n in lines),
        ],
        [
            Sink(
                ["span_start", "span_n8", "span_n16"], "span_valid", None, beats=sum(not b[2] for b in looks)
            ),
            Sink(["got_line", "got_word"], "got_valid", None, beats=count),
            Sink(["freed"], "freed_valid", None, beats=len(banks)),
        ],
        seed=seed,
        idle_limit=5000,
    )
    why = f"pattern {pattern}, seed {seed}"
    _check_spans(banks, looks, result, why)
    _check_words(config, banks, wanted, result, why)
    assert result["freed"].tolist() == [1 << int(bank.fills["bank"][0]) for bank in banks], why
    assert unit["errors"] == np.bitwise_or.reduce([bank.want.errors for bank in banks]), why
    assert unit["full"] == any(bank.want.full for bank in banks), why
    assert unit["wrong"] == 0, f"{why}: a claimed bank is offered"
    return result


def _check_spans(banks, looks, result, why):
    source, n = iter(banks), 0
    bank = next(source)
    for block, _, end in looks:
        if end:
            bank = next(source, None)
            continue
        have = int(result["span_n8"][n]), int(result["span_n16"][n])
        want = int(bank.want.n8[block]), int(bank.want.n16[block])
        assert have == want, f"{why}: look {n}, block {block}: {have}, not {want}"
        if sum(want):
            start = int(result["span_start"][n])
            assert start == bank.want.start[block], f"{why}: look {n}, block {block}: starts at {start}"
        n += 1


def _check_words(config, banks, wanted, result, why):
    units = unpacked_units(result["got_word"], config.units)
    for line, beats in enumerate(wanted):
        have = units[result["got_line"] == 1 << line]
        expect, source = [], iter(banks)
        bank = next(source)
        for at, _, end in beats:
            if end:
                bank = next(source, None)
            else:
                expect.append(bank.want.words[at])
        if not expect:
            assert len(have) == 0
            continue
        expect = np.array(expect)
        np.testing.assert_array_equal(np.where(expect == UNUSED, UNUSED, have), expect, f"{why}: line {line}")


def unpacked_units(words, units):
    """[beats, units] of a wide port's words."""
    width = -(-units * UNIT_BITS // 64)
    words = words.reshape(len(words), width)
    bits = (words[:, :, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    bits = bits.reshape(len(words), 64 * width)[:, : units * UNIT_BITS].astype(np.int64)
    return (bits.reshape(len(words), units, UNIT_BITS) << np.arange(UNIT_BITS)).sum(axis=2)

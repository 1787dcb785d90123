"""Drain commands played through a compiled Collector with lines that answer from an address."""

import functools

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.engine.collector import Collector, table_layout
from lnpu.engine.payloads import drain_command, line_drain, line_word, result_beat
from lnpu.export.verilog import to_verilog
from lnpu.lib.pipeline import Rank
from lnpu_sim.engine.collecting import collect
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from support.engine_loads import bench_ports
from support.words import unpacked

FACTOR = 0x9E3779B1


def answer(line, address, group, lane):
    """What a line's file holds: 32 bits, signed."""
    value = ((lane << 28) ^ (line << 24) ^ (group << 20) ^ address) * FACTOR % 2**32
    return value - (value >> 31 << 32)


class LineStub(wiring.Component):
    """Answers requests in order, a word a cycle, 3 cycles after the request; a word takes a beat of
    `credits`."""

    def __init__(self, config, line):
        self.config, self.line = config, line
        super().__init__(
            {
                "drain": In(stream.Signature(line_drain(config))),
                "words": Out(stream.Signature(line_word(config))),
                "credits": In(stream.Signature(1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        layout = line_drain(config)
        m.submodules.asked = asked = SyncFIFOBuffered(width=layout.size, depth=4)
        m.submodules.rank = rank = Rank(line_word(config))
        request = data.View(layout, asked.r_data)
        group = Signal(4)
        last = group == request.groups
        m.d.comb += [
            asked.w_data.eq(self.drain.payload),
            asked.w_en.eq(self.drain.valid),
            self.drain.ready.eq(asked.w_rdy),
            rank.i.valid.eq(asked.r_rdy),
            asked.r_en.eq(rank.i.ready & last),
            rank.i.payload.last.eq(last),
        ]
        with m.If(rank.i.valid & rank.i.ready):
            m.d.sync += group.eq(Mux(last, 0, group + 1))
        for lane in range(config.row_lanes):
            place = Signal(32, name=f"place{lane}")
            m.d.comb += [
                place.eq(Const((lane << 28) ^ (self.line << 24), 32) ^ (group << 20) ^ request.address),
                rank.i.payload.lanes[lane].eq((place * FACTOR)[:32]),
            ]
        m.d.comb += [
            self.words.valid.eq(rank.o.valid & self.credits.valid),
            self.words.payload.eq(rank.o.payload),
            rank.o.ready.eq(self.words.ready & self.credits.valid),
            self.credits.ready.eq(rank.o.valid & self.words.ready),
        ]
        return m


class CollectorBench(wiring.Component):
    """A Collector, its assignment table (written by `deal`) and lines. A beat of `close` completes a bank in
    some lines as soon as it is not complete there. `early`: a line was asked, by an address of a bank (of the
    Tile or of the Row file: `tile`) that was not complete, or was told `drained` then. Pulses come with the
    words that lines delivered so far."""

    def __init__(self, config):
        self.config = config
        deal = {"at": table_layout(config), "line": config.line_bits}
        pulse = {"first": config.lines, "second": config.lines, "words": 24}
        close = {"lines": config.lines, "bank": 1}
        ports = {
            "commands": In(stream.Signature(drain_command(config))),
            "deal": In(stream.Signature(data.StructLayout(deal))),
            "close": In(stream.Signature(data.StructLayout(close))),
            "tile": In(1),
            "o": Out(stream.Signature(result_beat(config))),
            "pulse_valid": Out(1),
            "pulse": Out(data.StructLayout(pulse)),
            "early": Out(1),
        }
        for n in range(config.lines):
            ports[f"credits{n}"] = In(stream.Signature(1))
            ports[f"asked{n}_valid"] = Out(1)
            ports[f"asked{n}"] = Out(line_drain(config))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.collector = collector = Collector(config)
        connect(m, flipped(self.commands), collector.commands)
        connect(m, collector.o, flipped(self.o))
        size = table_layout(config).size
        m.submodules.table = table = Memory(shape=config.line_bits, depth=1 << size, init=[])
        write, read = table.write_port(), table.read_port()
        m.d.comb += [
            self.deal.ready.eq(1),
            write.en.eq(self.deal.valid),
            write.addr.eq(self.deal.payload.at),
            write.data.eq(self.deal.payload.line),
            read.addr.eq(collector.table_at),
            collector.table_line.eq(read.data),
        ]
        words = Signal(24)
        fires, busy = [], []
        for n in range(config.lines):
            m.submodules[f"line{n}"] = line = LineStub(config, n)
            connect(m, collector.drain[n], line.drain)
            connect(m, line.words, collector.words[n])
            credits = getattr(self, f"credits{n}")
            full = Signal(2, name=f"full{n}")
            told = self.close.valid & self.close.ready & self.close.payload.lines[n]
            asked = line.drain.valid & line.drain.ready
            address = line.drain.payload.address
            half = Mux(self.tile, config.tile_entries, config.row_entries * config.groups)
            for bank in range(2):
                with m.If(~full[bank] & ((asked & ((address >= half) == bank)) | collector.drained[n][bank])):
                    m.d.sync += self.early.eq(1)
                with m.If(collector.drained[n][bank]):
                    m.d.sync += full[bank].eq(0)
                with m.Elif(told & (self.close.payload.bank == bank)):
                    m.d.sync += full[bank].eq(1)
            m.d.comb += [
                line.credits.valid.eq(credits.valid),
                credits.ready.eq(line.credits.ready),
                getattr(self, f"asked{n}_valid").eq(asked),
                getattr(self, f"asked{n}").eq(line.drain.payload),
                collector.complete[n].eq(full),
                self.pulse.first[n].eq(collector.drained[n][0]),
                self.pulse.second[n].eq(collector.drained[n][1]),
            ]
            fires.append(line.words.valid & line.words.ready)
            busy.append(self.close.payload.lines[n] & Mux(self.close.payload.bank, full[1], full[0]))
        m.d.sync += words.eq(words + sum(fires))
        m.d.comb += [
            self.close.ready.eq(~Cat(busy).any()),
            self.pulse.words.eq(words),
            self.pulse_valid.eq((self.pulse.first | self.pulse.second) != 0),
        ]
        return m


def collector_ports(unit):
    """Flat ports of a Collector alone: `drain_0_valid`, `words_0_lanes`, ..."""
    ports = {}
    for path, member, signal in unit.signature.flatten(unit):
        name, out = "_".join(map(str, path)).replace("_payload", ""), member.flow is Out
        if isinstance(signal, data.View) and isinstance(signal.shape(), data.StructLayout):
            ports |= {f"{name}_{key}": (Value.cast(signal[key]), out) for key, _ in signal.shape()}
        else:
            ports[name] = (Value.cast(signal), out)
    return ports


@functools.cache
def compiled_collector(config):
    unit = CollectorBench(config)
    return build([to_verilog(unit, "drains", bench_ports(unit))], "drains")


def command(**fields):
    names = ("tile", "bank", "first", "step", "count", "table", "turn", "groups", "lines", "last")
    empty = dict.fromkeys(names, 0)
    return {**empty, **fields}


def bank_order(banks, rng, regular):
    """In turn; if not `regular`, sometimes the same bank again."""
    change = np.ones(banks, np.int64) if regular else rng.integers(0, 4, banks) > 0
    return [int(bank) for bank in np.cumsum(change) % 2]


def row_drains(config, banks, rng, size=None, groups=None, blocks=None):
    """Row banks, each drained by one command a lane block."""
    records = []
    for bank in bank_order(banks, rng, size is not None):
        blocks_here = blocks or int(rng.integers(1, 4))
        pixels = size or int(rng.integers(1, config.row_entries // blocks_here + 1))
        records += [
            command(
                bank=bank,
                first=(bank * config.row_entries + block) * config.groups,
                step=blocks_here * config.groups,
                count=pixels - 1,
                table=int(rng.integers(0, 2)),
                turn=int(rng.integers(0, config.lines)),
                groups=int(rng.integers(0, config.groups)) if groups is None else groups - 1,
                lines=int(rng.integers(0, 1 << config.lines)),  # does not matter
                last=int(block == blocks_here - 1),
            )
            for block in range(blocks_here)
        ]
    return columns(records)


def tile_drains(config, banks, rng, size=None, lines=None):
    """Tile banks, drained in parts, and by commands for different lines."""
    records = []
    for bank in bank_order(banks, rng, size is not None):
        rest = list(rng.permutation(config.lines))
        while rest:
            take = rest[: rng.integers(1, len(rest) + 1)] if lines is None else rest
            rest = rest[len(take) :]
            mask = sum(1 << int(line) for line in take)
            parts = int(rng.integers(1, 3)) if size is None else 1
            for part in range(parts):
                count = size or int(rng.integers(1, config.tile_entries + 1))
                start = int(rng.integers(0, config.tile_entries - count + 1))
                records.append(
                    command(
                        tile=1,
                        bank=bank,
                        first=bank * config.tile_entries + start,
                        count=count - 1,
                        groups=int(rng.integers(0, config.groups)) if size is None else config.groups - 1,
                        lines=mask,
                        last=int(part == parts - 1),
                    )
                )
    return columns(records)


def columns(records):
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def check_drains(unit, config, drains, table, pattern="none", seed=1):
    """The Collector must ask and deliver what the model does; returns the stream result."""
    source, sink = STALL_PATTERNS[pattern]
    lanes = np.arange(config.row_lanes)

    @functools.cache
    def read(line, address, group):
        return np.array([answer(line, address, group, int(lane)) for lane in lanes])

    want = collect(config, drains, table, read)
    pixels = table.shape[1]
    deal = {
        "deal_at_pixel": np.tile(np.arange(pixels), 2),
        "deal_at_bank": np.repeat([0, 1], pixels),
        "deal_line": table.reshape(-1),
    }
    for port in unit.ports:
        if port.endswith("_valid") and not unit.ports[port].output:
            unit[port] = 0
    unit["tile"] = int(drains["tile"][0])
    unit.run_streams([Source(deal, "deal_valid", "deal_ready")], [])
    credits = [
        Source(
            {f"credits{n}": np.zeros(int((asked[:, 1] + 1).sum()), np.int64)},
            f"credits{n}_valid",
            f"credits{n}_ready",
            source,
        )
        for n, asked in enumerate(want.requests)
    ]
    result = unit.run_streams(
        [
            Source(
                {f"commands_{k}": v for k, v in drains.items()}, "commands_valid", "commands_ready", source
            ),
            Source(
                {"close_lines": want.drained[:, 0], "close_bank": want.drained[:, 1]},
                "close_valid",
                "close_ready",
                source,
            ),
            *credits,
        ],
        [
            Sink(["o_lanes", "o_last"], "o_valid", "o_ready", sink, len(want.last)),
            Sink(
                ["pulse_first", "pulse_second", "pulse_words"], "pulse_valid", None, beats=len(want.drained)
            ),
            *[
                Sink([f"asked{n}_address", f"asked{n}_groups"], f"asked{n}_valid", None, beats=len(asked))
                for n, asked in enumerate(want.requests)
            ],
        ],
        seed=seed,
    )
    why = f"pattern {pattern}, seed {seed}"
    for n, asked in enumerate(want.requests):
        np.testing.assert_array_equal(result[f"asked{n}_address"], asked[:, 0], why)
        np.testing.assert_array_equal(result[f"asked{n}_groups"], asked[:, 1], why)
    np.testing.assert_array_equal(wide(result["o_lanes"], config.row_lanes, config.sum_bits), want.lanes, why)
    np.testing.assert_array_equal(result["o_last"], want.last, why)
    second = want.drained[:, 1] == 1
    np.testing.assert_array_equal(result["pulse_first"], np.where(second, 0, want.drained[:, 0]), why)
    np.testing.assert_array_equal(result["pulse_second"], np.where(second, want.drained[:, 0], 0), why)
    # Lines hear of it in the cycle behind the last word that they gave.
    np.testing.assert_array_equal(result["pulse_words"], want.given[want.drained[:, 2] - 1], why)
    assert not unit["early"], f"{why}: a line was asked for a bank that was not complete"
    return result


def wide(words, lanes, bits):
    """Signed lanes of any width from a wide port's words."""
    if bits == 32:
        return unpacked(words, lanes, 32)
    words = words.reshape(len(words), -1)
    out = np.zeros((len(words), lanes), np.int64)
    for n, row in enumerate(words):
        value = sum(int(word) << 64 * k for k, word in enumerate(row))
        for lane in range(lanes):
            part = value >> lane * bits & (1 << bits) - 1
            out[n, lane] = part - (part >> bits - 1 << bits)
    return out

"""Load commands played through a compiled Loader whose lines release their banks when they are told to."""

import functools

import numpy as np
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.engine.loader import Loader
from lnpu.engine.payloads import load_command, load_vector, row_beat, tile_beat
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.engine.loading import load, vectors_of
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from support.words import packed, unpacked


class LoaderBench(wiring.Component):
    """A Loader and what lines do for it: a bank is wanted until it is loaded, and again when a beat of
    `release` (`lines`: mask, `bank`) finds it loaded in these lines. `early`: a bank was written or
    reported as complete while it was not wanted. Pulses come with the beats so far."""

    def __init__(self, config):
        self.config = config
        beat = {"lines": config.lines, "beat": tile_beat(config)}
        word = {"lines": config.lines, "beat": row_beat(config)}
        pulse = {"first": config.lines, "second": config.lines, "tile": 24, "row": 24}
        release = {"lines": config.lines, "bank": 1}
        super().__init__(
            {
                "commands": In(stream.Signature(load_command(config))),
                "vectors": In(stream.Signature(load_vector(config))),
                "release": In(stream.Signature(data.StructLayout(release))),
                "tile_valid": Out(1),
                "tile": Out(data.StructLayout(beat)),
                "row_valid": Out(1),
                "row": Out(data.StructLayout(word)),
                "pulse_valid": Out(1),
                "pulse": Out(data.StructLayout(pulse)),
                "early": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.loader = loader = Loader(config)
        connect(m, flipped(self.commands), loader.commands)
        connect(m, flipped(self.vectors), loader.vectors)
        tile_bank = loader.tile_beat.entry >= config.tile_entries
        row_bank = loader.row_beat.word >= config.row_entries * config.groups
        tiles, rows = Signal(24), Signal(24)
        m.d.sync += [tiles.eq(tiles + self.tile_valid), rows.eq(rows + self.row_valid)]
        m.d.comb += [
            self.tile_valid.eq(loader.tile_valid.any()),
            self.tile.lines.eq(loader.tile_valid),
            self.tile.beat.eq(loader.tile_beat),
            self.row_valid.eq(loader.row_valid.any()),
            self.row.lines.eq(loader.row_valid),
            self.row.beat.eq(loader.row_beat),
            self.pulse.tile.eq(tiles),
            self.pulse.row.eq(rows),
            self.pulse_valid.eq((self.pulse.first | self.pulse.second) != 0),
        ]
        wants = []
        for n in range(config.lines):
            full = Signal(2, name=f"full{n}")
            told = self.release.valid & self.release.ready & self.release.payload.lines[n]
            for bank in range(2):
                write = (loader.tile_valid[n] & (tile_bank == bank)) | (
                    loader.row_valid[n] & (row_bank == bank)
                )
                with m.If(full[bank] & (write | loader.loaded[n][bank])):
                    m.d.sync += self.early.eq(1)
                with m.If(loader.loaded[n][bank]):
                    m.d.sync += full[bank].eq(1)
                with m.Elif(told & (self.release.payload.bank == bank)):
                    m.d.sync += full[bank].eq(0)
            m.d.comb += [
                loader.wanted[n].eq(~full),
                self.pulse.first[n].eq(loader.loaded[n][0]),
                self.pulse.second[n].eq(loader.loaded[n][1]),
            ]
            here = Mux(self.release.payload.bank, full[1], full[0])
            wants.append(~self.release.payload.lines[n] | here)
        m.d.comb += self.release.ready.eq(sum(~w[0] for w in wants) == 0)
        return m


def bench_ports(unit):
    """Flat ports, nested payloads included."""
    ports = {}
    for name, (signal, out) in flat_ports(unit).items():
        if isinstance(signal, data.View) and isinstance(signal.shape(), data.StructLayout):
            ports.update({f"{name}_{key}": (signal[key], out) for key, _ in signal.shape()})
        else:
            ports[name] = (signal, out)
    return ports


@functools.cache
def compiled_loader(config):
    unit = LoaderBench(config)
    return build([to_verilog(unit, "loads", bench_ports(unit))], "loads")


def random_loads(config, count, rng, kinds=("straight", "transposed", "row")):
    """Commands for `count` banks, each filled by one to three of them, and a vector stream for all."""
    records, bank = [], 0
    for _ in range(count):
        kind = str(rng.choice(kinds))
        row = kind == "row"
        base = bank * (config.row_entries * config.groups if row else config.tile_entries)
        room = config.row_entries * config.groups // config.operand_words if row else config.tile_entries
        lines = int(rng.integers(1, 1 << config.lines))
        parts = int(rng.integers(1, 4))
        for part in range(parts):
            size = int(rng.choice([1, 2, config.vector, config.vector + 1, 3 * config.vector, 50]))
            size = min(size, room)
            start = int(rng.integers(0, room - size + 1))
            record = {
                "lines": lines,
                "row": int(row),
                "bank": bank,
                "first": base + start * (config.operand_words if row else 1),
                "entries": size - 1,
                "chunks": int(rng.integers(0, config.chunks)),
                "transposed": int(kind == "transposed"),
                "tail": int(rng.choice([0, config.vector - 1, rng.integers(0, config.vector)])),
                "last": int(part == parts - 1),
            }
            records.append(record)
        bank = 1 - bank if rng.integers(4) else bank
    return with_vectors(config, records, rng)


def with_vectors(config, records, rng):
    total = sum(vectors_of(config, record) for record in records)
    loads = {name: np.array([record[name] for record in records]) for name in records[0]}
    return loads, rng.integers(0, 2**16, (total, config.vector))


def check_loads(unit, config, loads, vectors, pattern="none", seed=1):
    """The Loader must write what the model writes; returns the stream result."""
    source, sink = STALL_PATTERNS[pattern]
    want = load(config, loads, vectors)
    complete = want.complete
    result = unit.run_streams(
        [
            Source({"vectors_elements": packed(vectors, 16)}, "vectors_valid", "vectors_ready", source),
            Source(
                {f"commands_{k}": v for k, v in loads.items()}, "commands_valid", "commands_ready", source
            ),
            Source(
                {"release_lines": complete["lines"], "release_bank": complete["bank"]},
                "release_valid",
                "release_ready",
                sink,
            ),
        ],
        [
            Sink(
                ["tile_lines", "tile_beat_entry", "tile_beat_chunk", "tile_beat_elements"],
                "tile_valid",
                None,
                beats=len(want.tile_elements),
            ),
            Sink(
                ["row_lines", "row_beat_word", "row_beat_lanes"], "row_valid", None, beats=len(want.row_lanes)
            ),
            Sink(
                ["pulse_first", "pulse_second", "pulse_tile", "pulse_row"],
                "pulse_valid",
                None,
                beats=len(complete["lines"]),
            ),
        ],
        seed=seed,
    )
    why = f"pattern {pattern}, seed {seed}"
    for name, port in (("lines", "tile_lines"), ("entry", "tile_beat_entry"), ("chunk", "tile_beat_chunk")):
        np.testing.assert_array_equal(result[port], want.tile[name], why)
    if len(want.tile_elements):
        got = unpacked(result["tile_beat_elements"], config.vector, 16) & 0xFFFF
        np.testing.assert_array_equal(got, want.tile_elements, why)
    np.testing.assert_array_equal(result["row_lines"], want.row["lines"], why)
    np.testing.assert_array_equal(result["row_beat_word"], want.row["word"], why)
    if len(want.row_lanes):
        got = unpacked(result["row_beat_lanes"], 2 * config.row_lanes, 16) & 0xFFFF
        np.testing.assert_array_equal(got, want.row_lanes, why)
    second = complete["bank"] == 1
    np.testing.assert_array_equal(result["pulse_first"], np.where(second, 0, complete["lines"]), why)
    np.testing.assert_array_equal(result["pulse_second"], np.where(second, complete["lines"], 0), why)
    # A pulse comes in the cycle behind the bank's last beat, so no beat of a later command is before it.
    np.testing.assert_array_equal(result["pulse_tile"], complete["tile"], why)
    np.testing.assert_array_equal(result["pulse_row"], complete["row"], why)
    assert not unit["early"], f"{why}: a bank was written that was not wanted"
    return result

"""Slot programs for a line: random ones, and a bench that plays them through its compiled Verilog."""

import functools
import re

import numpy as np
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.engine.line import CAUSES, Line
from lnpu.engine.payloads import line_drain, line_word, row_beat, slot_layout, tile_beat
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.engine.line import LineDrains, LineLoads, LineModel, LineProgram
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from support.ram import hostile
from support.words import packed, unpacked

MARKS = {
    "release": "marks_release",
    "last": "marks_last",
    "end_tile_bank": "marks_tile_bank",
    "end_row_bank": "marks_row_bank",
}


class LineBench(wiring.Component):
    """A line with the manners of a loader and a collector, so that a test is nothing but streams."""

    def __init__(self, config):
        self.config = config
        marks = {"bank": 1, "last": 1}
        self.line = Line(config)
        super().__init__(
            {
                "start": In(1),
                "wg": In(1),
                "scale": In(signed(9)),
                "top": In(signed(9)),
                "slots": In(stream.Signature(slot_layout(config))),
                "loads": In(
                    stream.Signature(
                        data.StructLayout({**marks, "tile": tile_beat(config), "row": row_beat(config)})
                    )
                ),
                "drains": In(stream.Signature(data.StructLayout({**marks, "ask": line_drain(config)}))),
                "words": Out(stream.Signature(line_word(config))),
                "overflow": Out(1),
                **{f"count_{name}": Out(32) for name in (*CAUSES, "cycles")},
                "unsound": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.line = line = self.line
        for name in ("slots", "words"):
            connect(m, flipped(getattr(self, name)), getattr(line, name))
        for name in ("start", "wg", "scale", "top"):
            m.d.comb += getattr(line, name).eq(getattr(self, name))
        loads, drains = self.loads, self.drains
        load, ask = loads.payload, drains.payload
        write = loads.valid & loads.ready
        m.d.comb += [
            self.overflow.eq(line.overflow),
            loads.ready.eq(line.wanted.bit_select(load.bank, 1)),
            line.tile_valid.eq(write & ~self.wg),
            line.row_valid.eq(write & self.wg),
            line.tile_beat.eq(load.tile),
            line.row_beat.eq(load.row),
            line.loaded.eq(Cat(~load.bank, load.bank) & (write & load.last).replicate(2)),
        ]
        waiting = Signal(16)
        ending, bank = Signal(), Signal()
        emptied = Signal()
        m.d.comb += [
            line.drain.valid.eq(drains.valid & ~ending & line.complete.bit_select(ask.bank, 1)),
            line.drain.payload.eq(ask.ask),
            drains.ready.eq(line.drain.valid & line.drain.ready),
            emptied.eq(ending & (waiting == 0)),
            line.drained.eq(Cat(~bank, bank) & emptied.replicate(2)),
        ]
        out = line.words.valid & line.words.ready & line.words.payload.last
        m.d.sync += waiting.eq(waiting + drains.ready - out)
        with m.If(emptied):
            m.d.sync += ending.eq(0)
        with m.If(drains.ready & ask.last):
            m.d.sync += [ending.eq(1), bank.eq(ask.bank)]
        causes = Cat(getattr(line, cause) for cause in CAUSES)
        with m.If(~self.start & ((causes == 0) | ((causes & (causes - 1)) != 0))):
            m.d.sync += self.unsound.eq(1)
        for cause in CAUSES:
            count = getattr(self, f"count_{cause}")
            m.d.sync += count.eq(count + getattr(line, cause))
        m.d.sync += self.count_cycles.eq(self.count_cycles + 1)
        with m.If(self.start):
            counts = [getattr(self, f"count_{name}") for name in (*CAUSES, "cycles")]
            m.d.sync += [signal.eq(0) for signal in (*counts, waiting, ending)]
        return m


def bench_verilog(config):
    """The exported Verilog, with RAM that punishes reads of words that are being written."""
    unit = LineBench(config)
    return hostile(to_verilog(unit, "bench", flat_ports(unit)))


@functools.cache
def compiled_bench(config):
    return build([bench_verilog(config)], "bench")


def sabotaged_bench(config, pattern, replacement):
    """The bench with one place of its Verilog changed."""
    verilog, changes = re.subn(pattern, replacement, bench_verilog(config))
    assert changes == 1, f"{pattern}: {changes} places"
    return build([verilog], "bench")


def _tile_beats(config, loads):
    """Vectors of Tile entries: every entry chunk by chunk."""
    n = len(loads.address)
    lanes = np.zeros((n, config.chunks * config.vector), np.int64)
    lanes[:, : config.lanes] = loads.lanes
    last = np.zeros((n, config.chunks), np.int64)
    last[:, -1] = loads.last
    return {
        "loads_tile_elements": packed(lanes.reshape(-1, config.vector), 16),
        "loads_tile_chunk": np.tile(np.arange(config.chunks), n),
        "loads_tile_entry": np.repeat(loads.address, config.chunks),
        "loads_bank": np.repeat(loads.bank, config.chunks),
        "loads_last": last.reshape(-1),
    }


def _row_beats(config, loads):
    """Words of pixels: an even group in the low half, the odd one behind it in the high half."""
    n, words = len(loads.address), config.operand_words
    by_group = LineModel(config).words(loads.lanes)
    both = np.zeros((n, 2 * words, config.row_lanes), np.int64)
    both[:, : config.groups] = by_group
    last = np.zeros((n, words), np.int64)
    last[:, -1] = loads.last
    return {
        "loads_row_lanes": packed(both.reshape(n * words, 2 * config.row_lanes), 16),
        "loads_row_word": (loads.address[:, None] + np.arange(words)).reshape(-1),
        "loads_bank": np.repeat(loads.bank, words),
        "loads_last": last.reshape(-1),
    }


def play(unit, config, program, pattern="none", seed=1, idle_limit=3000):
    """Run a program: drained words [words, row_lanes], and the counts by name."""
    source, sink = STALL_PATTERNS[pattern]
    slots = {f"slots_{MARKS.get(name, name)}": values for name, values in program.slots.items()}
    beats = (_row_beats if program.wg else _tile_beats)(config, program.loads)
    drains = program.drains
    asks = {
        "drains_ask_address": drains.address,
        "drains_ask_groups": drains.groups,
        "drains_bank": drains.bank,
        "drains_last": drains.last,
    }
    for name, port in unit.ports.items():
        if name.endswith("_valid") and not port.output:
            unit[name] = 0
    for name, value in (("wg", int(program.wg)), ("scale", program.scale), ("top", program.top)):
        unit[name] = value
    unit["start"] = 1
    unit.step()
    unit["start"] = 0
    count = int((drains.groups + 1).sum())
    result = unit.run_streams(
        [
            Source(slots, "slots_valid", "slots_ready", source),
            Source(beats, "loads_valid", "loads_ready", source),
            Source(asks, "drains_valid", "drains_ready", source),
        ],
        [Sink(["words_lanes", "words_last"], "words_valid", "words_ready", sink, count)],
        seed=seed,
        idle_limit=idle_limit,
        settle=40,
    )
    ends = np.zeros(count, np.uint64)
    ends[np.cumsum(drains.groups + 1) - 1] = 1
    np.testing.assert_array_equal(result["words_last"], ends)
    counts = {name: unit[f"count_{name}"] for name in (*CAUSES, "cycles")}
    return unpacked(result["words_lanes"], config.row_lanes, 32), counts


def check(unit, config, program, pattern="none", seed=1):
    """The line must deliver the model's words and account for each cycle; returns the counts."""
    want, saturated = LineModel(config).run(program)
    words, counts = play(unit, config, program, pattern, seed)
    context = f"{config}, wg {program.wg}, pattern {pattern}, seed {seed}"
    wrong = np.argwhere(words != want)
    if len(wrong):
        at, lane = wrong[0]
        raise AssertionError(
            f"{context}: word {at}, lane {lane}: {words[at, lane]:#x} instead of {want[at, lane]:#x}; "
            f"{len(wrong)} wrong in all"
        )
    assert unit["overflow"] == saturated, context
    assert unit["unsound"] == 0, f"{context}: no cause or several in a cycle"
    assert sum(counts[cause] for cause in CAUSES) == counts["cycles"], context
    work, dual = program.slots["work"], program.slots["dual"]
    assert counts["issue8"] == (work & dual).sum(), context
    assert counts["issue16"] == (work & (1 - dual)).sum(), context
    return counts


def random_program(config, wg, seed, *, walks=12, visits=12, visit=6.0, spread=8, top=30, ride=0.5):
    """Random walks on few addresses: every hazard, marks in every place, sums that may saturate.

    Args:
        walks: number. visits: of a walk, at most. visit: slots, on average. spread: different pixels and
        different Tile addresses in use at a time. ride: share of marks that ride on the next slot with work.
    """
    rng = np.random.default_rng(seed)
    step = config.operand_words if wg else config.groups
    pixels = config.row_entries * config.groups // step
    pixels, entries = min(spread, pixels), min(spread, config.tile_entries)

    def address(file, bank, number):
        if file == "tile":
            return bank * config.tile_entries + number
        return bank * config.row_entries * config.groups + number * step

    operand_file, sum_file = ("row", "tile") if wg else ("tile", "row")
    count = {"row": pixels, "tile": entries}
    banks = {"row": 0, "tile": 0}
    rows, loads, drains = [], [], []

    def load():
        bank = banks[operand_file]
        order = rng.permutation(count[operand_file])
        last = np.arange(len(order)) == len(order) - 1
        loads.append((address(operand_file, bank, order), np.full(len(order), bank), last * 1))

    def drain():
        bank = banks[sum_file]
        order = rng.permutation(count[sum_file])
        last = np.arange(len(order)) == len(order) - 1
        # All or some words of an address; the rest of it is forgotten.
        groups = np.where(
            rng.random(len(order)) < 0.7, config.groups, rng.integers(1, config.groups + 1, len(order))
        )
        drains.append((address(sum_file, bank, order), groups - 1, np.full(len(order), bank), last * 1))

    load()
    pending = None
    for walk in range(walks):
        final = walk == walks - 1
        slots = []
        for _ in range(0 if rng.random() < 0.15 else int(rng.integers(1, visits + 1))):
            pixel = rng.integers(pixels)
            for tile in rng.integers(0, entries, rng.geometric(1 / visit)):
                dual = int(rng.integers(2))
                slot = {
                    "work": 1,
                    "dual": dual,
                    "lane": int(rng.integers(2)),
                    "code": int(rng.integers(256 if dual else 2**16)),
                    "tile": address("tile", banks["tile"], tile),
                    "tile_bank": banks["tile"],
                    "row": address("row", banks["row"], pixel),
                    "row_bank": banks["row"],
                    "end": 0,
                    "release": 0,
                    "last": 0,
                    "end_tile_bank": 0,
                    "end_row_bank": 0,
                }
                slots.append(slot)
        if pending is not None:
            if slots and rng.random() < ride:
                slots[0].update(pending)
            else:
                rows.append(
                    {
                        **dict.fromkeys(("work", "dual", "lane", "code", "tile", "row"), 0),
                        "tile_bank": int(rng.integers(2)),
                        "row_bank": int(rng.integers(2)),
                        **pending,
                    }
                )
        rows += slots
        release, last = final or rng.random() < 0.8, final or rng.random() < 0.5
        pending = {
            "end": 1,
            "release": int(release),
            "last": int(last),
            "end_tile_bank": banks["tile"],
            "end_row_bank": banks["row"],
        }
        if last:
            drain()
            banks[sum_file] ^= 1
        if release:
            banks[operand_file] ^= 1
            if not final:
                load()
    rows.append(
        {
            **dict.fromkeys(("work", "dual", "lane", "code", "tile", "row", "tile_bank", "row_bank"), 0),
            **pending,
        }
    )
    columns = {name: np.array([row[name] for row in rows], np.int64) for name in rows[-1]}
    at, bank, last = (np.concatenate(column) for column in zip(*loads, strict=True))
    lanes = rng.integers(0, 2**16, (len(at), config.lanes))
    return LineProgram(
        wg=wg,
        scale=int(rng.integers(-8, 8)),
        top=top,
        slots=columns,
        loads=LineLoads(at, bank, last, lanes),
        drains=LineDrains(*(np.concatenate(column) for column in zip(*drains, strict=True))),
    )


def steady_program(config, wg, *, visit, seed, walks=4):
    """Long walks of visits of `visit` slots, all pixels one after the other, marks on slots with work."""
    rng = np.random.default_rng(seed)
    step = config.operand_words if wg else config.groups
    size = config.row_entries * config.groups
    pixels = size // step
    rounds = max(1, -(-6 * config.tile_entries * config.chunks // (pixels * visit)))
    n = rounds * pixels * visit
    # No address a second time before the third slot.
    tiles = np.arange(walks * n) % config.tile_entries
    walk = np.repeat(np.arange(walks), n)
    bank = walk & 1
    first = (np.arange(walks * n) % n == 0) & (walk > 0)
    pixel = np.arange(walks * n) // visit % pixels
    dual = rng.integers(0, 2, walks * n)
    slots = {
        "work": np.ones(walks * n, np.int64),
        "dual": dual,
        "lane": rng.integers(0, 2, walks * n),
        "code": np.where(dual == 1, rng.integers(0, 256, walks * n), rng.integers(0, 2**16, walks * n)),
        "tile": bank * config.tile_entries + tiles,
        "tile_bank": bank,
        "row": bank * size + pixel * step,
        "row_bank": bank,
        **dict.fromkeys(("end", "release", "last"), first.astype(np.int64)),
        **dict.fromkeys(("end_tile_bank", "end_row_bank"), np.where(first, bank ^ 1, 0)),
    }
    final = {"work": 0, "end": 1, "release": 1, "last": 1}
    final |= dict.fromkeys(("end_tile_bank", "end_row_bank"), walks - 1 & 1)
    slots = {name: np.append(values, final.get(name, 0)) for name, values in slots.items()}

    def every(count, base):
        at = np.concatenate([(w & 1) * base + np.arange(count) * (base // count) for w in range(walks)])
        ends = np.tile(np.arange(count) == count - 1, walks) * 1
        return at, np.repeat(np.arange(walks) & 1, count), ends

    tile, row = every(config.tile_entries, config.tile_entries), every(pixels, pixels * step)
    row = ((row[1] * size + row[0] - row[1] * pixels * step), *row[1:])
    at, bank, last = row if wg else tile
    lanes = rng.integers(0, 2**16, (len(at), config.lanes))
    loads = LineLoads(at, bank, last, lanes)
    at, bank, last = tile if wg else row
    drains = LineDrains(at, np.full(len(at), config.groups - 1), bank, last)
    return LineProgram(wg=wg, scale=0, top=40, slots=slots, loads=loads, drains=drains)

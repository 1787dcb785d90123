"""Line programs played through a compiled line."""

import functools

import numpy as np

from lnpu.array.engine import LineEngine
from lnpu.array.line import Line
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.array.line import LineModel
from lnpu_sim.array.planner import plan
from lnpu_sim.array.program import SLOT_FIELDS
from lnpu_sim.array.walks import engine_streams, pass_fields
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build


def line_verilog(config):
    unit = Line(config)
    return to_verilog(unit, "line", flat_ports(unit))


@functools.cache
def compiled_line(config):
    return build([line_verilog(config)], "line")


def packed(lanes, bits):
    """[beats, lanes] as the words of a wide port, lane 0 low."""
    per = 64 // bits
    n, count = lanes.shape
    padded = np.zeros((n, -(-count // per) * per), np.uint64)
    padded[:, :count] = lanes & ((1 << bits) - 1)
    shifts = np.uint64(bits) * np.arange(per, dtype=np.uint64)
    words = (padded.reshape(n, -1, per) << shifts).sum(axis=2, dtype=np.uint64)
    return words[:, 0] if words.shape[1] == 1 else words


def unpacked(words, lanes, bits):
    """The signed lanes of a wide port's words."""
    words = words.reshape(len(words), -1)
    shifts = np.uint64(bits) * np.arange(64 // bits, dtype=np.uint64)
    fields = (words[:, :, None] >> shifts).reshape(len(words), -1)[:, :lanes]
    return fields.astype(np.int64) << (64 - bits) >> (64 - bits)


def begin(unit, program):
    for port in unit.ports:
        if port.endswith("_valid") and not unit.ports[port].output:
            unit[port] = 0
    for name, value in (("wg", int(program.wg)), ("scale", program.scale), ("top", program.top)):
        unit[name] = value
    unit["start"] = 1
    unit.step()
    unit["start"] = 0


def play_line(unit, config, program, pattern="none", seed=1, idle_limit=1000):
    """Run a program: drained words [words, lanes], overflow, and the stream result."""
    source, sink = STALL_PATTERNS[pattern]
    loads, drains = program.loads, program.drains
    slots = {f"slots_{name}": program.slots[name] for name in SLOT_FIELDS}
    load = {
        "loads_lanes": packed(loads.lanes, 16),
        "loads_entry": loads.entry,
        "loads_bank": loads.bank,
        "loads_last": loads.last,
    }
    drain = {"drains_bank": drains.bank, "drains_end": drains.count - 1}
    begin(unit, program)
    result = unit.run_streams(
        [
            Source(slots, "slots_valid", "slots_ready", source),
            Source(load, "loads_valid", "loads_ready", source),
            Source(drain, "drains_valid", "drains_ready", source),
        ],
        [Sink(["o_lanes", "o_last"], "o_valid", "o_ready", sink, int(drains.count.sum()))],
        seed=seed,
        idle_limit=idle_limit,
    )
    ends = np.zeros(int(drains.count.sum()), np.uint64)
    ends[np.cumsum(drains.count) - 1] = 1
    np.testing.assert_array_equal(result["o_last"], ends)
    return unpacked(result["o_lanes"], config.lanes, 32), unit["overflow"], result


def check_line(unit, config, program, pattern="none", seed=1, **options):
    """The line must deliver the model's words; returns the stream result."""
    want, saturated = LineModel(config).run(program)
    words, overflow, result = play_line(unit, config, program, pattern, seed, **options)
    wrong = np.argwhere(words != want)
    if len(wrong):
        at, lane = wrong[0]
        place = program.places[at] if len(program.places) else at
        raise AssertionError(
            f"pattern {pattern}, seed {seed}: word {at} (place {place}), lane {lane}: "
            f"{words[at, lane]:#x} instead of {want[at, lane]:#x}; {len(wrong)} wrong in all"
        )
    assert overflow == saturated, f"pattern {pattern}, seed {seed}: overflow {overflow}"
    return result


@functools.cache
def compiled_engine(config):
    unit = LineEngine(config)
    return build([to_verilog(unit, "engine", flat_ports(unit))], "engine")


def check_engine(unit, config, layer, tensor, pattern="none", seed=1):
    """A pass from compressed rows must give the line model's words; returns program, result and words."""
    source, sink = STALL_PATTERNS[pattern]
    (program,) = plan(layer, config.line)
    streams = engine_streams(layer, tensor, config)
    loads, drains = program.loads, program.drains
    load = {
        "lanes": packed(loads.lanes, 16),
        "entry": loads.entry,
        "bank": loads.bank,
        "last": loads.last,
    }
    sources = {
        "rows": streams.rows,
        "words": streams.words,
        "fills": streams.fills,
        "walks": streams.walks,
        "loads": load,
        "drains": {"bank": drains.bank, "end": drains.count - 1},
    }
    for name, value in pass_fields(layer).items():
        unit[f"shape_{name}"] = value
    begin(unit, program)
    count = int(drains.count.sum())
    result = unit.run_streams(
        [
            Source({f"{name}_{k}": v for k, v in data.items()}, f"{name}_valid", f"{name}_ready", source)
            for name, data in sources.items()
        ],
        [Sink(["o_lanes", "o_last"], "o_valid", "o_ready", sink, count)],
        seed=seed,
        idle_limit=3000,
    )
    want, saturated = LineModel(config.line).run(program)
    words = unpacked(result["o_lanes"], config.line.lanes, 32)
    wrong = np.argwhere(words != want)
    context = f"{layer.kind.name} {layer.shape}, pattern {pattern}, seed {seed}"
    if len(wrong):
        at, lane = wrong[0]
        raise AssertionError(
            f"{context}: word {at} (place {program.places[at]}), lane {lane}: {words[at, lane]:#x} "
            f"instead of {want[at, lane]:#x}; {len(wrong)} wrong in all"
        )
    status = {name: unit[name] for name in ("overflow", "full", "errors")}
    assert status == {"overflow": saturated, "full": 0, "errors": 0}, f"{context}: {status}"
    return program, result, words

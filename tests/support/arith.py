"""COMBINE and UPDATE on their unit alone, compiled: words come as they lie in memory and go back there."""

import functools
from dataclasses import dataclass

import numpy as np

from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu.machine.commands import Opcode, words_of
from lnpu.vector.arith import ArithUnit
from lnpu_sim.machine.commands import command
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from lnpu_sim.vector.combine import combine
from lnpu_sim.vector.update import update
from support import vector

MODELS = {Opcode.COMBINE: combine, Opcode.UPDATE: update}
TASK_WORDS = max(map(words_of, Opcode))
NAN = 0x7FC00000


@functools.cache
def compiled():
    """A bench of `ArithUnit`."""
    bench = vector.VectorBench(ArithUnit)
    return build([to_verilog(bench, "unit", flat_ports(bench))], "unit")


def code(value):
    """Of a number in fp32."""
    return int(np.float32(value).view(np.uint32))


def numbers(rng, count):
    """fp32 codes of every magnitude; a tenth are zeros, -0 and subnormals; no NaN and no infinity."""
    codes = rng.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32)
    codes = np.where(codes >> 23 & 255 == 255, codes & 0x807F_FFFF | 0x3F80_0000, codes)
    # Half of them so near each other that sums round, cancel and carry.
    codes = np.where(rng.random(count) < 0.5, codes & 0x83FF_FFFF | 0x3C00_0000, codes)
    low = rng.choice(np.array([0, 1 << 31, 1, 0x807F_FFFF], np.uint32), count)
    return np.where(rng.random(count) < 0.1, low, codes).astype("<u4")


@dataclass(frozen=True)
class Array:
    """An operand or the result of COMBINE: address of its first run, bytes from run to run."""

    at: int
    column: int
    row: int

    def fields(self, name):
        return {name: self.at, f"{name}_column": self.column, f"{name}_row": self.row}

    def words(self, rows, columns, elements):
        """Addresses of its words, run after run."""
        row, column = np.arange(rows) * self.row, np.arange(columns) * self.column
        starts = self.at + row[:, None] + column & 0xFFFF_FFFF
        return (starts.reshape(-1, 1) + 8 * np.arange((elements + 1) // 2)).reshape(-1)


class Memory(vector.Memory):
    """Content, and commands for `ArithUnit` on parts of their own."""

    def array(self, rows, columns, elements, gap=0, codes=None):
        """Runs with NaN behind odd ones and in `gap` words behind each: what nobody may look at."""
        wide = np.full((rows * columns, 2 * ((elements + 1) // 2 + gap)), NAN, "<u4")
        wide[:, :elements] = numbers(self.rng, rows * columns * elements).reshape(-1, elements)
        if codes is not None:
            wide[:, :elements] = codes
        step = 4 * wide.shape[1]
        return Array(self.place(wide.tobytes()), step, columns * step)

    def combine(self, shape, a, b, target, scales=(0.25, -1.5), single=0):
        """Add COMBINE of rows, columns, elements; scales are numbers."""
        fields = {
            **{"single": single, **dict(zip(("rows", "columns", "elements"), shape, strict=True))},
            **{**a.fields("a"), **b.fields("b"), **target.fields("target")},
            **{f"scale_{name}": code(scale) for name, scale in zip("ab", scales, strict=True)},
        }
        asked = [a.words(*shape), b.words(*shape)[: 0 if single else None]]
        self.jobs.append(vector.Job(Opcode.COMBINE, fields, *asked))

    def update(self, arrays, guarded=0, **scalars):
        """Add UPDATE; codes of gradients, masters and momenta; scalars are numbers."""
        gradient, master, momentum = arrays
        count = len(gradient)
        values = {"scale": 2.0**-3, "decay": 1e-3, "momentum": 0.9, "rate": 0.05, **scalars}
        pairs = np.stack([master, momentum], axis=1)
        fields = {
            **{"guarded": guarded, "count": count},
            **{name: code(value) for name, value in values.items()},
            **{"gradient": self.place(gradient.astype("<u4").tobytes())},
            **{"state": self.place(pairs.astype("<u4").tobytes()), "weights": self.room(2 * count)},
            "exponent": self.room(8),
        }
        state = fields["state"] + 8 * np.arange(count)
        asked = fields["gradient"] + 8 * np.arange(count // 2)
        self.jobs.append(vector.Job(Opcode.UPDATE, fields, state, asked))

    def run(self, pattern="none", seed=1, skip=0):
        """All jobs on the unit; cycles. Memory, requests and flags must be the model's."""
        unit = compiled()
        want, flags, jobs = bytearray(self.content), [], []
        for job in self.jobs:
            left_out = bool(skip and job.fields.get("guarded"))
            options = {"skip": bool(skip)} if job.opcode is Opcode.UPDATE else {}
            flags.append(MODELS[job.opcode](want, job.fields, **options))
            jobs += [] if left_out else [job]
        self._start(unit, skip)
        reads = [
            np.concatenate([[], *(getattr(job, port) for job in jobs)]).astype(np.int64) for port in "ab"
        ]
        result = self._stream(unit, reads, STALL_PATTERNS[pattern], seed)
        context = f"{pattern}, seed {seed}, {[(job.opcode.name, job.fields) for job in self.jobs]}"[:4000]
        for port, right in zip("ab", reads, strict=True):
            asked = _addresses(result, f"{port}_requests")
            assert np.array_equal(asked, right), f"{port}: other words are read, {context}"
        at = _addresses(result, "requests")
        assert len(at) == len(result["words_data"]), f"words do not match requests, {context}"
        got = self._written(at, result["words_data"], result["words_strobe"])
        wrong = np.flatnonzero(got != np.frombuffer(want, np.uint8))
        assert not len(wrong), f"{len(wrong)} bytes differ, the first at {wrong[0]:#x}, {context}"
        _exponents_are_last(at, jobs)
        assert unit["idle"] == 1, context
        for name in ("invalid", "saturated"):
            assert unit[name] == any(getattr(f, name) for f in flags), f"{name}, {context}"
        return result.cycles

    @staticmethod
    def _start(unit, skip):
        unit.reset()  # a run that failed may have left anything
        for port in "ab":  # seen where a port has no words
            unit[f"{port}_data_data"] = NAN << 32 | NAN
        unit["skip"], unit["clear"] = skip, 1
        unit.step()
        unit["clear"] = 0

    def _stream(self, unit, reads, stalls, seed):
        source, sink = stalls
        lines = [[*map(int, command(job.opcode, job.fields))] for job in self.jobs]
        record = np.array([line + [0] * (TASK_WORDS - len(line)) for line in lines], np.uint64)
        tasks = {"tasks_opcode": np.array([int(job.opcode) for job in self.jobs]), "tasks_record": record}
        sources = [Source(tasks, "tasks_valid", "tasks_ready", source)]
        words = np.frombuffer(self.content, "<u8")
        for port, at in zip("ab", reads, strict=True):
            if len(at):
                beats = {
                    f"{port}_data_data": words[at // 8],
                    f"{port}_data_last": np.zeros(len(at), np.uint64),
                }
                sources.append(Source(beats, f"{port}_data_valid", f"{port}_data_ready", source))
        names = dict.fromkeys(("a_requests", "b_requests", "requests"), ("address", "words"))
        sinks = [
            Sink([f"{name}_{key}" for key in keys], f"{name}_valid", f"{name}_ready", sink, vector.SIZE // 8)
            for name, keys in {**names, "words": ("data", "strobe")}.items()
        ]
        return unit.run_streams(sources, sinks, seed=seed, until_quiet=True)


def _addresses(result, name):
    """Of all words of the requests of a port, in order."""
    first, count = (result[f"{name}_{key}"].astype(np.int64) for key in ("address", "words"))
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(first, count) + 8 * within


def _exponents_are_last(at, jobs):
    """Behind state and copies of its command: who sees it sees them."""
    for job in jobs:
        if job.opcode is Opcode.UPDATE:
            end = job.fields["exponent"]
            others = np.flatnonzero((at >= job.fields["state"]) & (at < end))
            assert np.flatnonzero(at == end)[0] > others.max(), "the exponent is not the last"

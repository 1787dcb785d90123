"""Units of the element-wise commands, compiled alone: words come as they lie in memory and go back there."""

import functools
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from lnpu.bus.limits import MAX_WORDS
from lnpu.codec.config import BLOCK, FgmpFormat, Geometry
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu.machine.commands import Opcode, places
from lnpu.vector.decode import DecodeUnit
from lnpu.vector.encode import EncodeUnit
from lnpu_sim.codec.tensor import encode as encode_tensor
from lnpu_sim.machine.commands import command, padded
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from lnpu_sim.vector.decode import decode
from lnpu_sim.vector.encode import encode, mask, mask_words

SIZE = 1 << 20
DESCRIPTOR = 192
FORMAT = FgmpFormat()
MODELS = {Opcode.ENCODE: encode, Opcode.MASK: mask, Opcode.DECODE: decode}


class VectorBench(wiring.Component):
    """A unit of `kind` whose words move, as those of DMAs do, only when a request for them was taken."""

    def __init__(self, kind):
        self.unit = kind()
        super().__init__(dict(self.unit.signature.members))

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        moving = {"a_data": "a_requests", "b_data": "b_requests", "words": "requests"}
        for name, member in unit.signature.members.items():
            mine, inner = getattr(self, name), getattr(unit, name)
            if member.is_port:
                out = member.flow is wiring.Out
                m.d.comb += mine.eq(inner) if out else inner.eq(mine)
            elif name not in moving:
                pair = (inner, flipped(mine)) if member.flow is wiring.Out else (flipped(mine), inner)
                connect(m, *pair)
        for name, asker in moving.items():
            requests, left = getattr(unit, asker), Signal(32, name=f"{name}_left")
            mine, inner = getattr(self, name), getattr(unit, name)
            source, target = (inner, mine) if name == "words" else (mine, inner)
            free = left != 0
            m.d.comb += [
                target.payload.eq(source.payload),
                target.valid.eq(source.valid & free),
                source.ready.eq(target.ready & free),
            ]
            asked = Mux(requests.valid & requests.ready, requests.payload.words, 0)
            m.d.sync += left.eq(left + asked - (target.valid & target.ready))
        return m


@functools.cache
def compiled(kind):
    """A bench of `EncodeUnit` or `DecodeUnit`."""
    bench = VectorBench(kind)
    ports = flat_ports(bench)
    if kind is DecodeUnit:
        fields = {f"tasks_{name}" for name in places(Opcode.DECODE)}
        ports = {name: port for name, port in ports.items() if name not in fields}
        ports["tasks_record"] = (bench.tasks.payload.as_value(), False)
    return build([to_verilog(bench, "unit", ports)], "unit")


def dense(shape, seed=0, zeros=0.4):
    """fp32 elements with zeros, -0 and subnormals."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_t(3, shape) * (rng.random(shape) >= zeros) * 8).astype(np.float32)
    odd = rng.random(shape) < 0.05
    x[odd] = rng.choice(np.array([-0.0, 1e-40, -1e-40], np.float32), int(odd.sum()))
    return x


def block_words(g, base, element_bytes):
    """Addresses of the words of a dense tensor, in the order of the compressed format."""
    pitch = element_bytes * padded(g.c)
    starts = base + pitch * np.arange(g.n * g.h * g.w).reshape(g.n, -1)
    found = []
    for image in starts:
        for plane in range(g.planes):
            count = -(-g.length(plane) * element_bytes // 8)
            at = image[:, None] + BLOCK * element_bytes * plane + 8 * np.arange(count)
            found.append(at.reshape(-1))
    return np.concatenate(found)


@dataclass
class Job:
    """A command, and the addresses of the words that it reads at each port, in order."""

    opcode: Opcode
    fields: dict
    a: np.ndarray
    b: np.ndarray


@dataclass
class Memory:
    """Content, jobs for one unit on parts of their own, and what must not be touched between them."""

    seed: int = 0
    content: bytearray = field(init=False)
    free: int = 0x1000
    jobs: list = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.content = bytearray(self.rng.bytes(SIZE))

    def place(self, data):
        at = self.free
        self.content[at : at + len(data)] = data
        self.free = -(-(at + len(data)) // 8) * 8 + 8 * int(self.rng.integers(1, 9))
        assert self.free < SIZE, "the memory of the test is full"
        return at

    def room(self, count):
        return self.place(self.rng.bytes(count))

    def _front(self, opcode, x, flags):
        """Fields and reads of what ENCODE and MASK share."""
        g = Geometry(*x.shape)
        wide = np.pad(x, [(0, 0)] * 3 + [(0, -g.c % 4)], constant_values=np.nan)
        fields = {
            **dict.fromkeys(("relu", "mask_in", "mask_out", "gradient"), 0),
            **dict(zip("nhwc", x.shape, strict=True)),
            **flags,
            "source": self.place(wide.tobytes()),
            "mask": self.room(8 * mask_words(g)),
        }
        b = fields["mask"] + 8 * np.arange(mask_words(g) if fields["mask_in"] else 0)
        self.jobs.append(Job(opcode, fields, block_words(g, fields["source"], 4), b))
        return g, fields

    def encode(self, x, fmt=FORMAT, **flags):
        """Add ENCODE."""
        g, fields = self._front(Opcode.ENCODE, x, flags)
        worst = 8 * g.rows * -(-g.w * g.worst_block_bits(fmt) // 64)
        fields.update(
            {
                **{"bias": fmt.bias, "k8": fmt.k8, "k16": fmt.k16},
                **{"pointers": self.room(8 * ((g.rows + 2) // 2)), "target": self.room(worst)},
                "copy_target": self.room(2 * g.n * g.h * g.w * padded(g.c)),
                "descriptor": self.room(DESCRIPTOR),
            }
        )
        fields.setdefault("copy", 0)

    def mask(self, x, **flags):
        """Add MASK; in its place with `target=None`."""
        target = flags.pop("target", 0)
        g, fields = self._front(Opcode.MASK, x, flags)
        wide = 4 * g.n * g.h * g.w * padded(g.c)
        fields["target"] = fields["source"] if target is None else self.room(wide)

    def decode(self, x, fmt=FORMAT, words=None, pointers=None):
        """Add DECODE of x; of other `words` (uint64) or `pointers` (uint32) when given."""
        tensor = encode_tensor(x, fmt)
        g = Geometry(*x.shape)
        words = tensor.words if words is None else words
        table = tensor.pointer_bytes() if pointers is None else pointers.astype("<u4").tobytes()
        table += bytes(-len(table) % 8)
        fields = {
            **{"gradient": 0, "bias": fmt.bias, "k8": fmt.k8, "k16": fmt.k16},
            **dict(zip("nhwc", x.shape, strict=True)),
            "source": self.place(words.astype("<u8").tobytes()),
            "pointers": self.place(table),
            "target": self.room(2 * g.n * g.h * g.w * padded(g.c)),
        }
        ends = np.frombuffer(table, "<u4")[: g.rows + 1].astype(np.int64)
        # Rows that cannot be one are not read.
        rows = [np.arange(at, end) for at, end in pairwise(ends) if end - at <= MAX_WORDS]
        a = fields["source"] + 8 * np.concatenate([[], *rows]).astype(np.int64)
        self.jobs.append(Job(Opcode.DECODE, fields, a, fields["pointers"] + np.arange(0, len(table), 8)))

    def run(self, pattern="none", seed=1):
        """All jobs on the unit; cycles. Memory, requests and flags must be the model's."""
        unit = compiled(DecodeUnit if self.jobs[0].opcode is Opcode.DECODE else EncodeUnit)
        want, flags = bytearray(self.content), []
        for job in self.jobs:
            flags.append(MODELS[job.opcode](want, job.fields))
        unit.reset()  # a run that failed may have left anything
        result = self._play(unit, pattern, seed)
        context = f"{pattern}, seed {seed}, {[(job.opcode.name, job.fields) for job in self.jobs]}"
        for port in "ab":
            asked = _spread(result[f"{port}_requests_address"], result[f"{port}_requests_words"])
            assert np.array_equal(asked, _reads(self.jobs, port)), f"{port}: other words are read, {context}"
        at = _spread(result["requests_address"], result["requests_words"])
        assert len(at) == len(result["words_data"]), f"words do not match requests, {context}"
        got = self._written(at, result["words_data"], result["words_strobe"])
        wrong = np.flatnonzero(got != np.frombuffer(want, np.uint8))
        assert not len(wrong), f"{len(wrong)} bytes differ, the first at {wrong[0]:#x}, {context}"
        self._descriptors_are_last(at)
        assert unit["idle"] == 1, context
        for name in ("invalid", "saturated", "bad"):
            if name in unit.ports:
                assert unit[name] == any(getattr(f, name) for f in flags), f"{name}, {context}"
        return result.cycles

    def _play(self, unit, pattern, seed):
        source, sink = STALL_PATTERNS[pattern]
        tasks = {"tasks_record": np.array([list(map(int, record(job))) for job in self.jobs], np.uint64)}
        if "tasks_dense" in unit.ports:
            tasks["tasks_dense"] = np.array([job.opcode is Opcode.MASK for job in self.jobs], np.uint64)
        sources = [Source(tasks, "tasks_valid", "tasks_ready", source)]
        words = np.frombuffer(self.content, "<u8")
        for port in "ab":
            at = _reads(self.jobs, port) // 8
            if len(at):
                beats = {f"{port}_data_data": words[at], f"{port}_data_last": np.zeros(len(at), np.uint64)}
                sources.append(Source(beats, f"{port}_data_valid", f"{port}_data_ready", source))
        names = {"a_requests": ("address", "words"), "b_requests": ("address", "words")}
        names |= {"requests": ("address", "words"), "words": ("data", "strobe")}
        sinks = [
            Sink([f"{name}_{key}" for key in keys], f"{name}_valid", f"{name}_ready", sink, SIZE // 8)
            for name, keys in names.items()
        ]
        return unit.run_streams(sources, sinks, seed=seed, until_quiet=True)

    def _written(self, at, words, strobes):
        memory = np.frombuffer(self.content, np.uint8).copy()
        places = at[:, None] + np.arange(8)
        keep = np.unpackbits(strobes.astype(np.uint8)[:, None], axis=1, bitorder="little") == 1
        memory[places[keep]] = words.astype("<u8").view(np.uint8).reshape(-1, 8)[keep]
        return memory

    def _descriptors_are_last(self, at):
        """Behind rows, pointers and mask of its command, which lie in front of it in memory."""
        for job in self.jobs:
            if job.opcode is Opcode.ENCODE:
                end = job.fields["descriptor"]
                others = np.flatnonzero((at >= job.fields["source"]) & (at < end))
                assert np.flatnonzero(at == end)[0] > others.max(), "the descriptor is not the last"


def record(job):
    """The words of a command as its unit takes them: MASK in the places of ENCODE's fields."""
    if job.opcode is not Opcode.MASK:
        return command(job.opcode, job.fields)
    return command(Opcode.ENCODE, {name: job.fields.get(name, 0) for name in places(Opcode.ENCODE)})


def _reads(jobs, port):
    return np.concatenate([getattr(job, port) for job in jobs]).astype(np.int64)


def _spread(addresses, words):
    """Requests to addresses of words."""
    first, count = addresses.astype(np.int64), words.astype(np.int64)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(first, count) + 8 * within

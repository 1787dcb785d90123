"""Element-wise commands on the compiled machine against the model, byte by byte."""

import numpy as np
import pytest

from lnpu.codec.config import FgmpFormat, Geometry
from lnpu.export.machine import machine_verilog
from lnpu.machine.commands import Cause, Opcode
from lnpu.presets import engine_config, load, preset_path
from lnpu.regs import compile_registers, registers
from lnpu_sim.codec.tensor import encode
from lnpu_sim.machine.commands import command, command_list
from lnpu_sim.machine.model import MachineModel
from lnpu_sim.machine.rtl import Machine, build_machine
from lnpu_sim.vector.encode import mask_words

CONFIG = engine_config(load(preset_path("tiny")))
REGISTERS = {register.name: register.address for register in registers(compile_registers(CONFIG))}
SIZE = 1 << 19
SHAPES = [
    (1, 1, 1, 1),
    (2, 3, 4, 5),
    (1, 2, 9, 64),
    (2, 3, 1, 70),
    (1, 3, 2, 131),
    (3, 1, 2, 8),
    (1, 4, 5, 6),
]
TIMES = pytest.mark.parametrize(("pause", "latency"), [(0.0, 1), (0.0, 60), (0.6, 7)])


@pytest.fixture(scope="module")
def unit():
    return build_machine(machine_verilog(CONFIG))


class Memory:
    """Content, and commands for it."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.content = bytearray(self.rng.bytes(SIZE))
        self.free = 0x2000
        self.commands = []

    def place(self, data):
        at = self.free
        self.content[at : at + len(data)] = data
        self.free = -(-(at + len(data)) // 8) * 8 + 8 * int(self.rng.integers(0, 700))
        return at

    def room(self, count):
        return self.place(self.rng.bytes(count))

    def dense(self, shape, zeros=0.4, tail=3):
        x = self.rng.standard_t(tail, shape) * (self.rng.random(shape) >= zeros) * 8
        wide = np.pad(x.astype(np.float32), [(0, 0)] * 3 + [(0, -shape[3] % 4)], constant_values=np.nan)
        return self.place(wide.tobytes())

    def add(self, opcode, **fields):
        self.commands.append(command(opcode, fields))

    def check(self, unit, pause=0.0, latency=5, cause=Cause.NONE):
        """The list on both; returns the memory after it."""
        words = command_list([self.commands])
        self.content[: 8 * len(words)] = words.tobytes()
        device = Machine(unit, REGISTERS, SIZE, pause=pause, latency=latency, seed=3)
        device.memory[:] = np.frombuffer(bytes(self.content), np.uint8)
        want = bytearray(self.content)
        ended = MachineModel(CONFIG).run(want, 0, len(words))
        assert device.run(0, len(words)) == ended
        assert ended.cause is cause
        wrong = np.flatnonzero(device.memory != np.frombuffer(bytes(want), np.uint8))
        assert not len(wrong), f"{len(wrong)} bytes differ, the first at {wrong[0]:#x}"
        return want, device


def sizes(shape):
    return dict(zip("nhwc", shape, strict=True))


def masks(memory, shape, **flags):
    fields = {"relu": 0, "mask_in": 0, "mask_out": 0, "gradient": 0, **flags, **sizes(shape)}
    return {**fields, "mask": memory.room(8 * mask_words(Geometry(*shape)))}


def coded(memory, shape, fmt):
    g = Geometry(*shape)
    worst = 8 * g.rows * -(-g.w * g.worst_block_bits(fmt) // 64)
    return {
        **{"bias": fmt.bias, "k8": fmt.k8, "k16": fmt.k16},
        **{"pointers": memory.room(8 * ((g.rows + 2) // 2)), "target": memory.room(worst)},
        "descriptor": memory.room(192),
        "copy": g.h % 2,
        "copy_target": memory.room(2 * g.n * g.h * g.w * (g.c + 3)),
    }


@TIMES
def test_encode_and_mask(unit, pause, latency):
    memory = Memory(1)
    for n, shape in enumerate(SHAPES):
        fmt = FgmpFormat(-2 + n, (1, 2, 4)[n % 3], (4, 6)[n % 2])
        source = memory.dense(shape)
        for flags in (
            {"relu": 1, "mask_out": 1},
            {"mask_in": 1, "gradient": 1},
            {},
            {"relu": 1, "mask_in": 1},
        ):
            both = {**masks(memory, shape, **flags), "source": source}
            if n % 2 == 0 or not flags:
                memory.add(Opcode.ENCODE, **both, **coded(memory, shape, fmt))
            if n % 2 == 1 or "mask_out" in flags:
                memory.add(
                    Opcode.MASK, **both, target=memory.room(4 * int(np.prod(shape[:3])) * (shape[3] + 3))
                )
    memory.check(unit, pause, latency)


def tensor(memory, shape, seed=0, zeros=0.5):
    """A compressed tensor in memory: fields of DECODE."""
    fmt = FgmpFormat(-1, 2, 6)
    rng = np.random.default_rng(seed)
    x = (rng.standard_t(2, shape) * (rng.random(shape) >= zeros)).astype(np.float32)
    made = encode(x, fmt)
    return {
        **{"gradient": seed % 2, "bias": -1, "k8": 2, "k16": 6, **sizes(shape)},
        "source": memory.place(made.words.astype("<u8").tobytes()),
        "pointers": memory.place(made.pointer_bytes()),
        "target": memory.room(2 * int(np.prod(shape[:3])) * (shape[3] + 3)),
    }


@TIMES
def test_decode(unit, pause, latency):
    memory = Memory(2)
    for n, shape in enumerate(SHAPES):
        memory.add(Opcode.DECODE, **tensor(memory, shape, n, (0.5, 0.0, 1.0)[n % 3]))
    memory.check(unit, pause, latency)


def code(value):
    return int(np.float32(value).view(np.uint32))


@TIMES
def test_combine(unit, pause, latency):
    memory = Memory(3)
    for n, (rows, columns, elements) in enumerate([(1, 1, 1), (2, 3, 5), (1, 4, 8), (3, 1, 40), (1, 1, 700)]):
        step, count = 8 * -(-elements // 2), rows * columns * (elements + 1)
        strides = {"_column": step, "_row": columns * step}
        arrays = {"a": memory.dense((1, 1, 1, 2 * count)), "b": memory.dense((1, 1, 1, 2 * count))}
        arrays["target"] = arrays["a"] if n == 3 else memory.room(8 * count)
        spread = {f"{name}{key}": value for name in arrays for key, value in strides.items()}
        memory.add(
            Opcode.COMBINE,
            **{"single": n == 2, "elements": elements, "columns": columns, "rows": rows, **arrays},
            **{**spread, **({"b_column": 0} if n == 1 else {}), "scale_a": code(0.25), "scale_b": code(-1.5)},
        )
    memory.check(unit, pause, latency)


def update(memory, count, guarded=0, size=1.0):
    numbers = memory.rng.normal(0, size, (3, count)).astype(np.float32)
    return {
        "guarded": guarded,
        "count": count,
        "gradient": memory.place(numbers[0].tobytes()),
        "state": memory.place(np.stack([numbers[1], numbers[2]], 1).tobytes()),
        "weights": memory.room(2 * count),
        "exponent": memory.room(8),
        **{"scale": code(2.0**-3), "decay": code(1e-3), "momentum": code(0.9), "rate": code(0.05)},
    }


@TIMES
def test_update(unit, pause, latency):
    memory = Memory(4)
    for count, size in ((4, 1.0), (64, 1e-4), (68, 1.0), (300, 3.0)):
        memory.add(Opcode.UPDATE, **update(memory, count, size=size))
    memory.check(unit, pause, latency)


@pytest.mark.parametrize("saturated", [False, True])
def test_guard(unit, saturated):
    """A guarded step is left out when something saturated in the list before it."""
    memory = Memory(5)
    memory.add(Opcode.UPDATE, **update(memory, 8, size=1e6 if saturated else 1.0))
    for guarded in (1, 0):
        memory.add(Opcode.UPDATE, **update(memory, 8, guarded=guarded))
    memory.check(unit)


def test_not_a_number(unit):
    for position in range(3):
        memory = Memory(6)
        shape = (1, 1, 2, 8)
        bad = np.array([1, np.nan, np.inf, 2] * 4, np.float32).tobytes()
        if position == 0:
            target = memory.room(64)
            memory.add(Opcode.MASK, **masks(memory, shape), source=memory.place(bad), target=target)
        elif position == 1:
            fields = {**masks(memory, shape), **coded(memory, shape, FgmpFormat())}
            memory.add(Opcode.ENCODE, **fields, source=memory.place(bad))
        else:
            memory.add(Opcode.UPDATE, **{**update(memory, 16), "gradient": memory.place(bad)})
        memory.check(unit, cause=Cause.INVALID)


def test_malformed_tensor(unit):
    for where in ("source", "pointers"):
        memory = Memory(7)
        fields = tensor(memory, (1, 3, 4, 20), 3)
        at = fields[where] + (4 if where == "pointers" else 0)
        memory.content[at : at + 4] = bytes(4) if where == "pointers" else b"\xff" * 4
        memory.add(Opcode.DECODE, **fields)
        memory.check(unit, cause=Cause.BLOCK)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"source": 4}, Cause.ADDRESS),
        ({"descriptor": 12}, Cause.ADDRESS),
        ({"n": 0}, Cause.SHAPE),
        ({"c": 0}, Cause.SHAPE),
        ({"k8": 3}, Cause.SHAPE),
        ({"k16": 5}, Cause.SHAPE),
        ({"bias": 8}, Cause.SHAPE),
        ({"bias": -9}, Cause.SHAPE),
        ({"mask_in": 1, "mask_out": 1}, Cause.SHAPE),
    ],
)
def test_wrong_commands(unit, change, cause):
    memory = Memory(8)
    shape = (1, 1, 2, 8)
    fields = {**masks(memory, shape), **coded(memory, shape, FgmpFormat()), "source": memory.dense(shape)}
    memory.add(Opcode.ENCODE, **{**fields, **change})
    memory.check(unit, cause=cause)


def test_commands_of_a_pass_need_one(unit):
    memory = Memory(9)
    memory.add(
        Opcode.FILL,
        **dict.fromkeys(("row_length", "row_count_bits", "row_k8", "row_k16"), 1),
        **dict.fromkeys(("bank", "last", "row_blocks", "base", "address"), 0),
        words=1,
    )
    memory.check(unit, cause=Cause.OPCODE)


def test_traffic(unit):
    """Bytes by class."""
    memory = Memory(10)
    shape = (1, 2, 3, 16)
    fields = masks(memory, shape, relu=1, mask_out=1)
    memory.add(Opcode.MASK, **fields, source=memory.dense(shape), target=memory.room(400))
    memory.add(Opcode.UPDATE, **update(memory, 16))
    _, device = memory.check(unit)
    assert device.read("READ_RESULT") == 4 * 96
    assert device.read("WRITE_RESULT") == 4 * 96 + 8 * 2
    assert device.read("READ_W") == 16 * 12
    assert device.read("WRITE_W") == 16 * 10 + 8

"""The machine through its AXI ports against the model of command lists, byte by byte."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lnpu.engine.config import Convolution, EngineConfig, EngineError, Pass
from lnpu.export.machine import machine_verilog
from lnpu.machine.commands import Cause, Opcode, places, words_of
from lnpu.presets import engine_config, load, preset_path
from lnpu.regs import compile_registers, registers
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.results import assemble
from lnpu_sim.machine.commands import command, pass_commands
from lnpu_sim.machine.model import Ended, MachineModel, to_fp32
from lnpu_sim.machine.rtl import Machine, build_machine
from lnpu_sim.rtl import RtlError
from support.machine import LIST, SHAPES, SIZE, Image

CONFIG = engine_config(load(preset_path("tiny"), ["engine.decode_units=0"]))
REGISTERS = {register.name: register.address for register in registers(compile_registers(CONFIG))}


@pytest.fixture(scope="module")
def unit():
    return build_machine(machine_verilog(CONFIG))


def machine(unit, memory, **options):
    made = Machine(unit, REGISTERS, SIZE, **options)
    made.memory[:] = np.frombuffer(bytes(memory), np.uint8)
    return made


def check_run(device, image):
    """A list on hardware and on the model, from the same memory."""
    device.memory[:] = np.frombuffer(bytes(image.memory), np.uint8)
    expected = bytearray(image.memory)
    ended = MachineModel(image.config).run(expected, LIST, image.words)
    assert device.run(LIST, image.words) == ended
    differing = np.flatnonzero(device.memory != np.frombuffer(bytes(expected), np.uint8))
    assert not len(differing), f"{len(differing)} bytes differ, the first at {differing[0]:#x}"
    return ended


@pytest.mark.parametrize(
    ("pause", "latency"), [(0.0, 1), (0.0, 60), (0.5, 7), (0.9, 3)], ids=["fast", "slow", "paused", "stalled"]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_three_passes_in_a_list(unit, shape, pause, latency):
    image = Image(CONFIG, *SHAPES[shape], seed=3)
    device = machine(unit, image.memory, pause=pause, latency=latency, seed=7)
    assert check_run(device, image).cause is Cause.NONE
    for case in image.cases:
        program = plan(case.layer, case.tensor, CONFIG)
        sums = assemble(case.layer, CONFIG, program, EngineModel(CONFIG).run(program).beats)
        for (got, padding), want in zip(image.results(device.memory, case), sums, strict=False):
            exact = want * 2.0 ** (case.layer.top - 31)
            assert np.abs(exact).max() > 0
            assert (got == exact.astype(np.float32)).all(), case.layer.kind
            assert (padding.view(np.uint32) == 0xA5A5A5A5).all(), "a byte between rows was written"


@pytest.mark.parametrize("outputs", [9, 12])
def test_flushes_are_added_up(unit, outputs):
    """dW of several flushes: each has a place, the sum is fp32's."""
    shape = Convolution(4, 5, 11, outputs, 3, 1, 1)
    image, whole = (Image(CONFIG, shape, 2, kinds=(Pass.WG,), seed=3, flush=flush) for flush in (20, 2048))
    assert image.words > whole.words
    results = []
    for one in (image, whole):
        device = machine(unit, one.memory, pause=0.3, latency=9)
        assert check_run(device, one).cause is Cause.NONE
        results.append([got for got, _ in one.results(device.memory, one.cases[0])])
    for parts, sums in zip(*results, strict=True):
        assert np.allclose(parts, sums, rtol=1e-5, atol=1e-5 * np.abs(sums).max())


def test_room_for_flushes_is_needed():
    image = Image(CONFIG, *SHAPES["kernel"], kinds=(Pass.WG,), flush=20)
    case = image.cases[0]
    with pytest.raises(EngineError, match="`partial` must be given: 20 pixels a flush"):
        pass_commands(case.layer, case.tensor, CONFIG, replace(case.at, partial=0))


def test_counters(unit):
    image = Image(CONFIG, *SHAPES["linear"], kinds=(Pass.FP,))
    device = machine(unit, image.memory)
    check_run(device, image)
    case = image.cases[0]
    program = plan(case.layer, case.tensor, CONFIG)
    counts = {name: device.read(name) for name in REGISTERS if name.startswith(("COUNT", "READ", "WRITE"))}
    slots = EngineModel(CONFIG).run(program).slots.sum()
    assert counts["COUNT_ISSUE8"] + counts["COUNT_ISSUE16"] == slots
    assert counts["READ_X"] == 8 * len(program.words["data"])
    assert counts["READ_W"] == 2 * case.layer.dense.size
    assert counts["WRITE_RESULT"] == 4 * 6 * 12
    assert counts["READ_COMMAND"] == 8 * image.words
    assert counts["COUNT_BUSY"] > counts["COUNT_TOTAL"] > 0
    assert counts["READ_D"] == counts["WRITE_W"] == 0


def _patched(image, opcode, change):
    """The list with the first command of a kind changed; its index."""
    commands = image.cases[0].commands
    index = next(n for n, record in enumerate(commands) if record[0] & 255 == opcode)
    changed = [list(record) for record in commands]
    change(changed[index])
    image.put([changed])
    return index


def _set(opcode, field, value):
    place = places(opcode)[field]
    word, low = divmod(place.low, 64)

    def change(record):
        record[word] = record[word] & ~((1 << place.bits) - 1 << low) | value << low

    return change


def _first_byte(value):
    def change(record):
        record[0] = record[0] & ~255 | value

    return change


def _longer(record):
    record[0] += 1 << 8


WRONG = {
    "opcode": (Opcode.LOAD, _first_byte(99), Cause.OPCODE),
    "a unit that is not there": (Opcode.LOAD, _first_byte(Opcode.DECODE), Cause.OPCODE),
    "zero": (Opcode.WALK, _first_byte(0), Cause.OPCODE),
    "length": (Opcode.WALK, _longer, Cause.SHAPE),
    "row of nothing": (Opcode.FILL, _set(Opcode.FILL, "words", 0), Cause.SHAPE),
    "no rows": (Opcode.LOAD, _set(Opcode.LOAD, "rows", 0), Cause.SHAPE),
    "too many lanes": (Opcode.DRAIN, _set(Opcode.DRAIN, "elements", 9), Cause.SHAPE),
    "address": (Opcode.FILL, _set(Opcode.FILL, "address", 0x1004), Cause.ADDRESS),
    "stride": (Opcode.LOAD, _set(Opcode.LOAD, "stride", 2), Cause.ADDRESS),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_commands(unit, wrong):
    good, image = (Image(CONFIG, *SHAPES["linear"], kinds=(Pass.FP,)) for _ in range(2))
    opcode, change, cause = WRONG[wrong]
    index = _patched(image, opcode, change)
    device = machine(unit, image.memory, pause=0.3)
    ended = device.run(LIST, image.words)
    assert (ended.cause, ended.index) == (cause, index)
    assert ended == MachineModel(CONFIG).run(bytearray(image.memory), LIST, image.words)
    assert device.read("STATUS") == 0b110
    assert device.read("IRQ_STATUS") == 0b11
    check_run(device, good)
    assert device.read("STATUS") == 0b010


def test_list_without_end(unit):
    image = Image(CONFIG, *SHAPES["linear"], kinds=(Pass.FP,))
    device = machine(unit, image.memory)
    for words in (image.words - 1, image.words - 2, 1, 0):
        ended = device.run(LIST, words)
        assert ended.cause is Cause.LIST
        assert ended == MachineModel(CONFIG).run(bytearray(image.memory), LIST, words)
    check_run(device, image)


def test_malformed_row(unit):
    """The pass ends, its results are the model's, and the list says why it was stopped."""
    good, image = (Image(CONFIG, *SHAPES["kernel"], kinds=(Pass.FP, Pass.BP)) for _ in range(2))
    at = image.cases[0].at.sparse
    image.memory[at : at + 8] = b"\xff" * 8
    device = machine(unit, image.memory, pause=0.3)
    ended = check_run(device, image)
    assert ended == Ended(Cause.BLOCK, len(image.cases[0].commands))
    check_run(device, good)


def test_overflow(unit):
    image = Image(CONFIG, *SHAPES["linear"], kinds=(Pass.FP,))
    _patched(image, Opcode.PASS, _set(Opcode.PASS, "top", (1 << 16) - 6))
    device = machine(unit, image.memory)
    assert check_run(device, image).cause is Cause.OVERFLOW


@pytest.mark.parametrize("side", ["sparse", "dense", "result", "list"])
def test_bus_errors(unit, side):
    image = Image(CONFIG, *SHAPES["kernel"], kinds=(Pass.BP,))
    at = LIST + 64 if side == "list" else getattr(image.cases[0].at, side)
    device = machine(unit, image.memory, pause=0.3, bad=(at, at + 8))
    ended = device.run(LIST, image.words)
    assert (ended.cause, ended.address) == (Cause.WRITE if side == "result" else Cause.READ, at)
    device.fault(0, 0)
    check_run(device, image)


def test_watchdog_abort_and_reset(unit):
    """A drain of a bank that no walk fills waits for ever."""
    good, image = (Image(CONFIG, *SHAPES["linear"], kinds=(Pass.FP,)) for _ in range(2))
    commands = image.cases[0].commands
    drain = next(record for record in commands if record[0] & 255 == Opcode.DRAIN)
    image.put([[commands[0], drain]])
    device = machine(unit, image.memory)
    device.write("WATCHDOG", 4)
    assert device.run(LIST, image.words) == Ended(Cause.WATCHDOG, 2)
    device.write("WATCHDOG", 0)
    check_run(device, good)
    device.memory[:] = np.frombuffer(bytes(image.memory), np.uint8)
    for control, status in ((0b010, 0b010), (0b100, 0)):
        device.start(LIST, image.words)
        with pytest.raises(RtlError, match="no interrupt within 3000 cycles, status 0x1"):
            device.wait(3000)
        device.write("CONTROL", 1 << 8 | control)
        for _ in range(5):
            device.read("ID")
        assert device.read("STATUS") == status
    check_run(device, good)


def test_abort_at_any_time(unit):
    image = Image(CONFIG, *SHAPES["kernel"], kinds=(Pass.WG,))
    device = machine(unit, image.memory, pause=0.3)
    for cycles in (1, 50, 200, 700, 1500):
        device.start(LIST, image.words)
        with pytest.raises(RtlError, match="no interrupt"):
            device.wait(cycles)
        device.write("CONTROL", 1 << 8 | 2)
        assert device.wait(2000).cause is Cause.NONE
        assert device.read("STATUS") == 0b010
        check_run(device, image)


def test_places():
    for opcode in Opcode:
        taken = 0xFFFF
        for place in places(opcode).values():
            mask = (1 << place.bits) - 1 << place.low
            assert not taken & mask
            assert place.low % place.bits == 0
            taken |= mask
        assert taken.bit_length() <= 64 * words_of(opcode)
    assert command(Opcode.END, {}) == [0x0101]
    fields = dict.fromkeys(places(Opcode.FILL), 0)
    with pytest.raises(EngineError, match="`words` of FILL must be 0 to"):
        command(Opcode.FILL, {**fields, "words": -1})
    with pytest.raises(EngineError, match="FILL has the fields"):
        command(Opcode.FILL, {})


def test_causes_are_those_of_the_registers():
    names = {node.name: node.value for node in _causes()}
    assert names == {cause.name.lower(): cause.value for cause in Cause}


def _causes():
    top = compile_registers(CONFIG)
    return top.find_by_path("ERROR_CAUSE.cause").get_property("encode")


def test_fp32():
    rng = np.random.default_rng(0)
    sums = rng.integers(-(2**35), 2**35, 20000) >> rng.integers(0, 36, 20000)
    sums = np.append(sums, [0, 1, -1, 2**34 - 1, -(2**34), 2**25 + 1, 2**25 + 3, 2**24 + 1, 2**24 + 3])
    for top in (31, 0, -40, 100):
        want = np.ldexp(sums.astype(np.float32), top - 31)
        assert (to_fp32(sums, top) == want.view(np.uint32)).all()
    edges = to_fp32(np.array([-(2**34), 2**24, 2**24 - 1, 0]), 160)
    assert edges.tolist() == [0xFF7FFFFF, 0x7F7FFFFF, 0x7F7FFFFF, 0]
    assert to_fp32(np.array([1, 2, -3]), 31 - 127).tolist() == [0, 0x00800000, 0x80C00000]


def test_what_a_list_cannot_do():
    image = Image(CONFIG, *SHAPES["linear"], kinds=(Pass.FP,))
    case = image.cases[0]
    odd = EngineConfig(pes=5, vector=4)
    with pytest.raises(EngineError, match="`lanes` must be a multiple of 4 in a machine, not 10"):
        pass_commands(case.layer, case.tensor, odd, case.at)


def test_page_tells_where_fields_are():
    page = (Path(__file__).parents[3] / "docs/programming.md").read_text()
    for opcode in Opcode:
        title = f"### {opcode.name}: opcode {opcode.value}, words {words_of(opcode)}\n"
        section = page.split(title)[1].split("\n#")[0]
        rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", section, re.M)
        told = {name: (8 * int(byte), int(bits)) for name, byte, bits in rows}
        assert told == {name: (place.low, place.bits) for name, place in places(opcode).items()}
    causes = re.findall(r"^\| (\d+) (\w+) \|", page.split("## 4. Errors")[1], re.M)
    assert {name: int(number) for number, name in causes} == {
        cause.name.lower(): cause.value for cause in Cause if cause
    }


@pytest.mark.full
@pytest.mark.parametrize("pes", [6, 8])
def test_other_geometries(pes):
    """Vectors of two words, a last chunk that is not full, a last group with fewer PEs; one line."""
    config = EngineConfig(
        lines=8 - pes + 1, pes=pes, group=4, tile_entries=80, row_entries=8, blocks=64, words=256, units=4
    )
    other = build_machine(machine_verilog(config))
    for shape in (*SHAPES.values(), (Convolution(5, 4, 70, 38, 3, 2, 1), 1)):
        image = Image(config, *shape, seed=4)
        for pause in (0.0, 0.5):
            assert check_run(machine(other, image.memory, pause=pause), image).cause is Cause.NONE

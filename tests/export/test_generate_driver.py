"""The generated C driver, compiled by the host's compiler, against the compiled machine."""

import ctypes
import subprocess
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_bool, c_char_p, c_int, c_uint32, c_uint64, c_void_p

import numpy as np
import pytest

from lnpu.engine.config import Pass
from lnpu.export.generate import install
from lnpu.machine.commands import Cause
from lnpu.regs import compile_registers, registers
from lnpu_sim.machine.model import MachineModel
from lnpu_sim.machine.rtl import Machine, build_machine
from support.generated import TINY, tiny_bundle
from support.machine import LIST, SHAPES, SIZE, Image

REGISTERS = registers(compile_registers(TINY.engine))
NAMES = {register.address: register.name for register in REGISTERS}
COUNTERS = [register.name for register in REGISTERS if register.external]
OK, NO_MACHINE, OTHER_MACHINE, BAD_LIST, BUSY, TIMEOUT, FAILED = range(7)

Read = CFUNCTYPE(c_uint32, c_void_p, c_uint32)
Write = CFUNCTYPE(None, c_void_p, c_uint32, c_uint32)


class Device(Structure):
    _fields_ = (("read32", c_void_p), ("write32", c_void_p), ("context", c_void_p))


class Failure(Structure):
    _fields_ = (("cause", c_uint32), ("command", c_uint32), ("address", c_uint32))


class Counters(Structure):
    _fields_ = tuple((name, c_uint32) for name in COUNTERS)


FUNCTIONS = {
    "lnpu_init": (c_int, [POINTER(Device), Read, Write, c_void_p]),
    "lnpu_start": (c_int, [POINTER(Device), c_uint64, c_uint32, c_bool]),
    "lnpu_poll": (c_int, [POINTER(Device)]),
    "lnpu_wait": (c_int, [POINTER(Device), c_uint32]),
    "lnpu_run": (c_int, [POINTER(Device), c_uint64, c_uint32, c_uint32]),
    "lnpu_acknowledge": (None, [POINTER(Device)]),
    "lnpu_abort": (None, [POINTER(Device)]),
    "lnpu_set_watchdog": (None, [POINTER(Device), c_uint64]),
    "lnpu_error": (Failure, [POINTER(Device)]),
    "lnpu_read_counters": (Counters, [POINTER(Device)]),
    "lnpu_cause_text": (c_char_p, [c_uint32]),
    "lnpu_result_text": (c_char_p, [c_int]),
}


@pytest.fixture(scope="module")
def software(tmp_path_factory):
    target = tmp_path_factory.mktemp("driver") / "machine"
    install(tiny_bundle().files, target)
    return target / "software"


@pytest.fixture(scope="module")
def library(software):
    strict = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
    command = ("g++", "-x", "c", *strict, "-shared", "-fPIC", "-O1", "lnpu.c", "-o", "lnpu.so")
    subprocess.run(command, cwd=software, check=True)
    loaded = ctypes.CDLL(str(software / "lnpu.so"))
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


class Driver:
    """The library on a machine; every access goes through the machine's AXI4-Lite port."""

    def __init__(self, library, unit, memory):
        self.library = library
        self.machine = Machine(unit, {register.name: register.address for register in REGISTERS}, SIZE)
        self.machine.memory[:] = np.frombuffer(bytes(memory), np.uint8)
        self.false: dict[str, int] = {}
        self.log: list[tuple[str, int]] = []
        self.read = Read(lambda _, offset: self._read(NAMES[offset]))
        self.write = Write(lambda _, offset, value: self._write(NAMES[offset], value))
        self.device = Device()

    def _read(self, name):
        return self.false.get(name, self.machine.read(name))

    def _write(self, name, value):
        self.log.append((name, value))
        self.machine.write(name, value)

    def init(self):
        return self.library.lnpu_init(byref(self.device), self.read, self.write, None)

    def __getattr__(self, name):
        return lambda *values: getattr(self.library, f"lnpu_{name}")(byref(self.device), *values)


@pytest.fixture(scope="module")
def unit():
    return build_machine(tiny_bundle().files["rtl/lnpu.v"].decode())


@pytest.fixture
def image():
    return Image(TINY.engine, *SHAPES["linear"], kinds=(Pass.FP,), seed=2)


@pytest.fixture
def driver(library, unit, image):
    made = Driver(library, unit, image.memory)
    assert made.init() == OK
    return made


def test_a_list(driver, image):
    assert driver.run(LIST, image.words, 0) == OK
    expected = bytearray(image.memory)
    MachineModel(TINY.engine).run(expected, LIST, image.words)
    assert bytes(driver.machine.memory) == bytes(expected) != bytes(image.memory)
    assert driver.machine.unit["irq"] == 0
    counters = driver.read_counters()
    assert counters.WRITE_RESULT == 4 * 6 * 12
    assert {name: getattr(counters, name) for name in COUNTERS} == {
        name: driver.machine.read(name) for name in COUNTERS
    }


def test_the_interrupt_is_asked_for_and_taken_back(driver, image):
    assert driver.start(LIST, image.words, True) == OK
    assert driver.start(LIST, image.words, True) == BUSY
    assert driver.poll() == TIMEOUT
    assert driver.wait(2) == TIMEOUT
    driver.machine.wait()
    assert driver.machine.unit["irq"] == 1
    assert driver.poll() == OK
    driver.acknowledge()
    driver.machine.unit.step(3)
    assert driver.machine.unit["irq"] == 0


def test_an_error_has_a_cause_and_a_text(driver, image):
    driver.machine.memory[LIST] = 99
    assert driver.run(LIST, image.words, 100_000) == FAILED
    failure = driver.error()
    assert (failure.cause, failure.command, failure.address) == (Cause.OPCODE, 0, 0)
    assert driver.library.lnpu_cause_text(failure.cause) == b"The command's operation is unknown."
    driver.machine.memory[LIST] = image.memory[LIST]
    assert driver.run(LIST, image.words, 100_000) == OK


def test_abort_and_watchdog(driver, image):
    driver.set_watchdog(1)
    driver.set_watchdog(256 * 7 + 1)
    driver.set_watchdog(1 << 40)
    driver.set_watchdog(0)
    told = [value for name, value in driver.log if name == "WATCHDOG"]
    assert told == [1, 8, (1 << 24) - 1, 0]
    assert driver.start(LIST, image.words, True) == OK
    driver.abort()
    assert driver.log[-1] == ("CONTROL", 0x102)  # the interrupt stays enabled
    assert driver.wait(1000) == OK


@pytest.mark.parametrize(
    ("address", "words"), [(4, 1), (1 << 32, 1), (0, 0), (0, (1 << 20) + 1)], ids=lambda value: f"{value:#x}"
)
def test_bad_lists_do_not_reach_the_machine(driver, address, words):
    before = len(driver.log)
    assert driver.start(address, words, False) == BAD_LIST
    assert len(driver.log) == before


def test_other_machines_are_left_alone(library, unit, image):
    made = Driver(library, unit, image.memory)
    for name, result in (("ID", NO_MACHINE), ("DIGEST_WORD", OTHER_MACHINE)):
        made.false = {name: 0xFFFFFFFF}
        assert made.init() == result
        assert not made.log, "a machine that is not ours was written to"


def test_texts(library):
    for cause in Cause:
        assert library.lnpu_cause_text(cause).endswith(b".")
    assert library.lnpu_cause_text(4000) == b"Unknown cause."
    texts = [library.lnpu_result_text(result) for result in range(7)]
    assert len(set(texts)) == 7
    assert library.lnpu_result_text(99) == b"Unknown result."


def test_the_header_is_cpp_too(software):
    (software / "use.cpp").write_text('#include "lnpu.h"\nint x = LNPU_FAILED;\n')
    command = ("g++", "-std=c++17", "-Wall", "-Werror", "-fsyntax-only", "use.cpp")
    subprocess.run(command, cwd=software, check=True)

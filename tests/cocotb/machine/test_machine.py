"""The exported machine on independent AXI agents: pauses on all channels, latencies, error answers."""

from pathlib import Path

import pytest

from lnpu.engine.config import Pass
from lnpu.export.machine import TOP, machine_verilog
from lnpu.machine.commands import Cause
from lnpu.presets import engine_config, load, preset_path
from lnpu.regs import compile_registers, registers
from lnpu_sim.machine.model import MachineModel
from support.cocotb import run_cocotb
from support.machine import LIST, SHAPES, Image

BENCH = Path(__file__).with_name("bench_machine.py")
CONFIG = engine_config(load(preset_path("tiny")))


def play(folder, image, tests, **choices):
    """A list on the machine and on the model."""
    before, after = bytes(image.memory[: image.free]), bytearray(image.memory[: image.free])
    assert MachineModel(CONFIG).run(after, LIST, image.words).cause is Cause.NONE
    for name, content in (("before", before), ("after", after)):
        (folder / name).write_bytes(content)
    verilog = folder / f"{TOP}.v"
    verilog.write_text(machine_verilog(CONFIG))
    settings = {
        "registers": {r.name: r.address for r in registers(compile_registers(CONFIG))},
        "before": str(folder / "before"),
        "after": str(folder / "after"),
        "list": LIST,
        "words": image.words,
        "limit": 400_000,
        "seed": 2,
        **choices,
    }
    run_cocotb([verilog], TOP, BENCH, settings=settings, tests=tests, ports_only=True)


@pytest.mark.parametrize(("pause", "latency"), [(0.0, 1), (0.5, 10), (0.1, 200)])
def test_list_runs(tmp_path, pause, latency):
    image = Image(CONFIG, *SHAPES["linear"], seed=1)
    play(tmp_path, image, ["list_runs"], pause=pause, latency=latency)


def test_error_answers(tmp_path):
    image = Image(CONFIG, *SHAPES["linear"], kinds=(Pass.FP,), seed=1)
    at = image.cases[0].at
    faults = [(at.sparse, Cause.READ), (at.dense, Cause.READ), (at.result, Cause.WRITE), (LIST, Cause.READ)]
    faults = [(address, int(cause)) for address, cause in faults]
    play(tmp_path, image, ["errors_stop_the_list"], pause=0.2, latency=5, faults=faults)

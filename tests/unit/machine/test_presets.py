"""Larger presets as machines: a convolution's passes through AXI, byte for byte as the model."""

import numpy as np
import pytest

from lnpu.engine.config import Convolution
from lnpu.export.machine import machine_verilog
from lnpu.machine.commands import Cause
from lnpu.presets import engine_config, load, preset_path
from lnpu.regs import compile_registers, registers
from lnpu_sim.machine.model import MachineModel
from lnpu_sim.machine.rtl import Machine, build_machine
from support.machine import LIST, SIZE, Image


@pytest.mark.full
@pytest.mark.parametrize("preset", ["edge", "lnpu-core"])
def test_three_passes(preset):
    config = engine_config(load(preset_path(preset)))
    image = Image(config, Convolution(6, 5, 34, 40, 3, 1, 1), 2, seed=4)
    addresses = {one.name: one.address for one in registers(compile_registers(config))}
    device = Machine(build_machine(machine_verilog(config)), addresses, SIZE, pause=0.2, latency=30)
    device.memory[:] = np.frombuffer(bytes(image.memory), np.uint8)
    want = bytearray(image.memory)
    ended = MachineModel(config).run(want, LIST, image.words)
    assert ended.cause is Cause.NONE
    assert device.run(LIST, image.words) == ended
    assert (device.memory == np.frombuffer(bytes(want), np.uint8)).all()

"""The netlist that a board's build places, simulated cell by cell: it trains as the model does."""

import re

import numpy as np
import pytest

from lnpu.boards.netlist import ecp5_netlist, with_fault
from lnpu.export.board import board_verilog
from lnpu.presets import engine_config, load, preset_path
from lnpu_host.devices import ModelDevice
from lnpu_host.errors import HostError
from lnpu_host.layers import Conv, Linear, Network
from lnpu_host.model import DeviceModel
from lnpu_host.trainer import weights_digest
from lnpu_host.uart import UartDevice
from lnpu_sim.boards.board import SimulatedBoard, board_module

SETTINGS = ["engine.lines=1", "engine.pes=2", "engine.group=1", "engine.decode_units=0"]
CONFIG = engine_config(load(preset_path("tiny"), SETTINGS))
DESIGN = CONFIG, 32, 4_000_000, 1_000_000, 4000
NETWORK = Network((3, 3, 2), (Conv(4, 3, 2, 1), Linear(4)))
BATCH = 2


def train(device, steps):
    """The hash of the weights; a Conv and a Linear, forward, backward, weight gradient, update."""
    model = DeviceModel(device, NETWORK, BATCH)
    model.initialise(0)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        images = rng.random((BATCH, *NETWORK.image)).astype(np.float32)
        model.step(images, rng.integers(0, 4, BATCH))
    return weights_digest(model.weights())


@pytest.mark.full
def test_the_netlist_trains_as_the_model_and_a_wrong_table_is_seen():
    netlist = ecp5_netlist(board_verilog(*DESIGN))
    # A table between registers of the line, well inside of the machine.
    tables = [m[0] for m in re.finditer(r"^  LUT4 #\(.*?^  \);", netlist, re.M | re.S)]
    chosen = next(n for n, text in enumerate(tables) if n > len(tables) // 2 and "line" in text)
    module = board_module(with_fault(netlist, chosen))
    want = train(ModelDevice(CONFIG, 1 << 20), 2)
    with SimulatedBoard(module, idle=400) as board:
        module["fault"] = 0
        device = UartDevice(CONFIG, board.port, patience=5.0, quiet=0.1, limit=120)
        assert train(device, 2) == want
        module["fault"] = 1
        try:
            found = train(device, 2)
        except HostError as error:
            found = str(error)
        assert found != want
        device.close()

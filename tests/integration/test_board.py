# amaranth: UnusedElaboratable=no
"""A whole board, simulated: the host trains through its UART as it would through a cable."""

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from lnpu.boards.protocol import REGISTER_BASE, BoardError
from lnpu.boards.wrapper import BoardTop
from lnpu.engine.config import EngineConfig
from lnpu.export import cli
from lnpu.export.board import board_verilog
from lnpu.presets import engine_config, load, preset_path
from lnpu_host.data import load_data
from lnpu_host.devices import ModelDevice, open_device
from lnpu_host.errors import HostError, LinkError, StoppedError
from lnpu_host.layers import Conv, Linear, Network, small_cnn
from lnpu_host.memory import Memory
from lnpu_host.model import DeviceModel
from lnpu_host.runner import ListRunner
from lnpu_host.trainer import weights_digest
from lnpu_host.uart import UartDevice
from lnpu_sim.boards.board import SimulatedBoard, board_module
from lnpu_sim.machine.commands import command_list
from support.lint import lint
from support.ram import blank

TINY = engine_config(load(preset_path("tiny")))
KILOBYTES = 64
DESIGN = TINY, KILOBYTES, 4_000_000, 1_000_000, 4000
"""Four cycles a bit; half a command is forgotten after 4000 cycles."""
NETWORK = Network((3, 3, 2), (Conv(4, 3, 2, 1), Linear(4)))
BATCH = 3


@pytest.fixture(scope="module")
def module():
    return board_module(board_verilog(*DESIGN))


@pytest.fixture
def board(module):
    with SimulatedBoard(module, idle=400) as board:
        yield board


@pytest.fixture
def device(board):
    device = UartDevice(TINY, board.port, patience=2.0, quiet=0.1, limit=60)
    yield device
    device.close()


def train(device, steps=2):
    model = DeviceModel(device, NETWORK, BATCH)
    model.initialise(0)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        images = rng.random((BATCH, *NETWORK.image)).astype(np.float32)
        assert model.step(images, rng.integers(0, 4, BATCH)).updated
    return model


def test_training(board, device):
    """The same weights as the model's, and counters; a byte lost on the way changes nothing."""
    assert device.size == KILOBYTES * 1024
    want = weights_digest(train(ModelDevice(TINY, 1 << 20)).weights())
    lost = []

    def lose(data):
        if not lost and len(data) > 500:
            lost.append(data[77])
            return data[:77] + data[78:]
        return data

    board.to_board = lose
    trained = train(device)
    assert weights_digest(trained.weights()) == want
    assert lost
    assert device.link.repeated >= 1
    found = trained.figures()
    assert found["cycles"] > 1000
    assert {row["kind"] for row in found["passes"] if row["utilisation"]} == {"FP", "BP", "WG"}


def test_errors_of_lists(board, device):
    """A list that is wrong stops with cause and index, and the next one runs."""
    runner = ListRunner(device, Memory(device.size))
    with pytest.raises(StoppedError, match="stopped: opcode, command 0"):
        runner.run(("bad", "list"), [np.array([255], np.uint64)])
    assert device.run(runner.place.address, 0).cause.name == "LIST"
    assert (board.module["busy"], board.module["error"]) == (0, 1)
    device.write(5, b"abc")
    assert device.read(4, 6)[1:4] == b"abc"
    words = command_list([])
    device.write(64, words.tobytes())
    assert device.run(64, len(words)).cause.name == "NONE"
    assert (board.module["busy"], board.module["error"]) == (0, 0)
    with pytest.raises(HostError, match="outside of the memory of 65536 bytes"):
        device.read(65530, 8)


def test_registers(device):
    """What the registers' bus refuses is an error here, too."""
    for action in (
        lambda: device.link.read(REGISTER_BASE + 0x0F8, 1),
        lambda: device.link.write(REGISTER_BASE + device.addresses["ID"], bytes(4)),
        lambda: device.link.read(0xE000_0000, 1),
    ):
        with pytest.raises(LinkError, match="the board has nothing for 1 words"):
            action()
    assert all(name.startswith(("COUNT_", "READ_", "WRITE_")) for name in device.counters())


def test_lost_start(board, device):
    """The answer to the start is lost: the list runs once."""
    words = command_list([])
    device.write(64, words.tobytes())
    seen = []

    def lose(data):
        seen.append(data)
        return data if len(seen) != 3 else b""  # two commands set registers before

    board.to_host = lose
    device.link.patience = 0.3
    assert device.run(64, len(words)).cause.name == "NONE"
    board.to_host = None
    assert device.link.repeated == 0
    # The command itself is lost: it is sent again.
    starts = []

    def drop(data):
        if data[0] == 0x11 and data[2:6] == bytes.fromhex("3c000004"):
            starts.append(data)
            return b"" if len(starts) == 1 else data
        return data

    board.to_board = drop
    assert device.run(64, len(words)).cause.name == "NONE"
    assert len(starts) == 2


def test_silent_board(board, device):
    """A board that stops in the middle of a training."""
    model = DeviceModel(device, NETWORK, BATCH)
    model.initialise(0)
    device.link.patience = 0.2
    board.to_host = lambda data: b""
    with pytest.raises(
        LinkError, match=r"no answer came in 3 attempts at 0x[0-9a-f]+; is the board on and loaded"
    ):
        model.step(np.zeros((BATCH, *NETWORK.image), np.float32), np.zeros(BATCH, np.int64))


def test_hanging_list(board, device, monkeypatch):
    device.limit = 0.2
    waits = type(device)._registers
    monkeypatch.setattr(
        type(device),
        "_registers",
        lambda self, name, count=1: [1, 0] if (name, count) == ("STATUS", 2) else waits(self, name, count),
    )
    with pytest.raises(
        HostError, match=r"the list has not ended within 0.2 s \(status 0x1\); it was aborted"
    ):
        device.run(64, 1)


def test_wrong_configuration(board):
    with pytest.raises(
        HostError, match=r"another configuration: digest \w{8} \(2 lines of 4 PEs, vector 4\), not \w{8}"
    ):
        open_device(f"uart:{board.port}", EngineConfig())


def test_too_little_memory(device):
    with pytest.raises(HostError, match=r"`.*` needs \d+ bytes, \d+ of 65536 are left"):
        DeviceModel(device, small_cnn(), 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((66, 25_000_000, 1_000_000), "`memory_kb` must be a multiple of 4 from 4 to 65536, not 66"),
        (
            (64, 25_000_000, 3_000_000),
            "`baud` must be within 2 % of the clock of 25000000 Hz over an integer",
        ),
        ((64, 1_000_000, 1_000_000), "`baud` must be 1 to 250000 at a clock of 1000000 Hz, not 1000000"),
    ],
)
def test_limits(arguments, message):
    with pytest.raises(BoardError, match=message):
        BoardTop(TINY, *arguments)


def test_lint(tmp_path):
    path = tmp_path / "lnpu_board.v"
    path.write_text(blank(board_verilog(*DESIGN)))
    assert lint([path], "lnpu_board") == ""


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lnpu", "train", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return end.value.code, out or err

    return run


def test_command_line(board, command, tmp_path):
    """The unmodified program finds the port, and says what is wrong in one line."""
    for device, message in (
        ("uart:/dev/none", "/dev/none: no such port"),
        ("cable", "`device` must be model, rtl, uart:PORT or uart:PORT:BAUD, not cable"),
        (f"uart:{board.port}", "the board has another configuration"),
    ):
        code, err = command("--preset", "edge", "--device", device, "-o", tmp_path / "run")
        assert code == 2
        assert message in err
        assert len(err.strip().splitlines()) == 1
    code, err = command("--preset", "tiny", "--device", f"uart:{board.port}", "-o", tmp_path / "run")
    assert code == 2
    assert "of 65536 are left" in err


@pytest.mark.full
def test_program(command, monkeypatch, tmp_path):
    """`lnpu train` on digits through the UART, the model beside it: the same weights."""

    def few(name, seed):
        data = load_data(name, seed)
        return replace(data, test_images=data.test_images[:4], test_labels=data.test_labels[:4])

    monkeypatch.setattr("lnpu_host.data.load_data", few)
    with SimulatedBoard(board_module(board_verilog(TINY, 256, *DESIGN[2:]))) as board:
        code, out = command(
            *("--preset", "tiny", "--device", f"uart:{board.port}", "--batch", 2, "--steps", 2, "--json"),
            *("-o", tmp_path / "run"),
        )
    assert code == 0
    metrics = json.loads(out)
    digests = metrics["weights_sha256"]
    assert set(digests) == {"uart", "model"}
    assert digests["uart"] == digests["model"]
    assert metrics["cycles"] > 10_000


@pytest.mark.full
def test_server():
    """`python -m lnpu_sim.boards`, as in the documentation."""
    words = [sys.executable, "-m", "lnpu_sim.boards", "--preset", "tiny"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = next(line for line in server.stdout if "uart:" in line)
            device = open_device(re.search(r"uart:\S+", line)[0], TINY)
            assert device.size == KILOBYTES * 1024
            device.close()
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0
        finally:
            server.kill()
    for bad in (["--preset", "huge"], ["--memory", "65"]):
        done = subprocess.run([*words[:3], *bad], capture_output=True, text=True)
        assert done.returncode == 2
        assert re.search(r"error: `(preset|memory_kb)` must be", done.stderr)

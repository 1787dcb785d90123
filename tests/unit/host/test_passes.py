"""Passes that are planned once and patched equal passes that are planned anew, and compute the right sums."""

import numpy as np
import pytest

from lnpu.codec.config import FgmpFormat
from lnpu.engine.config import Convolution, EngineConfig, Pass
from lnpu.machine.commands import Cause
from lnpu_host.memory import Memory
from lnpu_host.passes import PassPlanner, partial_flushes, top_of
from lnpu_host.tensors import Compressed, worst_words
from lnpu_sim.codec.tensor import encode, geometry_of
from lnpu_sim.engine.layer import Layer, SparseInput
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.results import assemble
from lnpu_sim.engine.tiles import row_words, words_bound
from lnpu_sim.machine.commands import Addresses, command_list, padded, pass_commands, to_memory
from lnpu_sim.machine.model import Ended, MachineModel, to_fp32

CONFIG = EngineConfig(lines=2, pes=4, tile_entries=72, row_entries=16, blocks=48, words=256)
SHAPES = [
    (Convolution(6, 5, 3, 10, 3, 1, 1), 2),
    (Convolution(8, 8, 9, 6, 3, 2, 1), 3),
    (Convolution(1, 1, 130, 10), 7),
    (Convolution(5, 5, 6, 4, 1, 2), 2),
]


def _tensor(memory, shape, fmt, density, seed):
    """An encoded random array, and what the runtime knows of it."""
    rng = np.random.default_rng(seed)
    array = (rng.normal(size=shape) * (rng.random(shape) < density)).astype(np.float32)
    encoded = encode(array, fmt)
    known = Compressed(memory, "x", geometry_of(shape))
    known.format, known.pointers = fmt, encoded.pointers.astype(np.int64)
    known.statistics = encoded.descriptor.statistics
    return known, encoded


def _sides(kind, shape, images):
    out = images, shape.output_height, shape.output_width, shape.outputs
    inner = images, shape.height, shape.width, shape.inputs
    weights = shape.kernel, shape.kernel, shape.inputs, shape.outputs
    return {Pass.FP: (inner, weights), Pass.BP: (out, weights), Pass.WG: (inner, out)}[kind]


@pytest.mark.parametrize("kind", Pass)
@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_patched_lists(number, kind):
    shape, images = SHAPES[number]
    memory = Memory(1 << 20)
    planner = PassPlanner(CONFIG)
    side, dense_shape = _sides(kind, shape, images)
    dense = np.random.default_rng(9).normal(size=dense_shape).astype(np.float16)
    at = Addresses(0x10000, 0x40000, 0x60000, bias=0x50000, bias_result=0x70000)
    formats = (FgmpFormat(-6, 2, 6), FgmpFormat(-6, 1, 4), FgmpFormat(7, 4, 4), FgmpFormat(-5, 2, 6))
    for step, fmt in enumerate(formats):
        known, encoded = _tensor(memory, side, fmt, 0.5, step)
        top = top_of(kind, shape, images, known.exponent, 2, CONFIG)
        words = planner.commands(kind, shape, known, top, at)
        bound = words_bound(known.geometry, fmt, np.diff(known.pointers), CONFIG.units)
        layer = Layer(
            kind,
            shape,
            SparseInput.of(encoded),
            dense.view(np.uint16).astype(np.int64),
            top,
            ones=kind is not Pass.BP,
            words=bound,
        )
        anew = pass_commands(layer, encoded, CONFIG, at)
        assert words.tolist() == [word for record in anew for word in record]

        image = bytearray(1 << 20)
        for address, data in ((at.sparse, encoded.words.tobytes()), (at.dense, to_memory(dense))):
            image[address : address + len(data)] = data
        lists = np.concatenate([words, command_list([])])
        image[: lists.nbytes] = lists.tobytes()
        assert MachineModel(CONFIG).run(image, 0, len(lists)) == Ended(Cause.NONE, len(anew))
        program = plan(layer, encoded, CONFIG)
        sums = assemble(layer, CONFIG, program, EngineModel(CONFIG).run(program).beats)[0]
        wanted = to_fp32(sums, top)
        full = *wanted.shape[:-1], padded(wanted.shape[-1])
        count = int(np.prod(full))
        got = np.frombuffer(bytes(image[at.result : at.result + 4 * count]), "<u4").reshape(full)
        assert (got[..., : wanted.shape[-1]] == wanted).all()
    assert planner.planned <= len(formats)


def test_a_plan_is_used_again():
    shape, images = SHAPES[0]
    memory, planner = Memory(1 << 20), PassPlanner(CONFIG)
    at = Addresses(0x10000, 0x40000, 0x60000, bias=0x50000)
    lists = []
    for seed in range(3):
        known, _ = _tensor(memory, _sides(Pass.FP, shape, images)[0], FgmpFormat(-6), 0.5, seed)
        lists.append(planner.commands(Pass.FP, shape, known, 5, at).tolist())
    assert planner.planned == 1
    assert lists[0] != lists[1] != lists[2]


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("channels", [1, 5, 64, 70, 128])
def test_bound_of_rows(density, channels):
    """Never below what the rows take, never more than what they could take at all."""
    memory = Memory(1 << 24)
    shape = Convolution(4, 7, channels, 4)
    for fmt in (FgmpFormat(-8, 1, 4), FgmpFormat(-6, 2, 6), FgmpFormat(7, 4, 4)):
        known, encoded = _tensor(memory, (3, 4, 7, channels), fmt, density, channels)
        assert len(encoded.words) <= worst_words(known.geometry)
        weights = np.zeros((1, 1, channels, 4), np.int64)
        exact = row_words(Layer(Pass.FP, shape, SparseInput.of(encoded), weights, 0), CONFIG)
        bound = words_bound(known.geometry, fmt, np.diff(known.pointers), CONFIG.units)
        assert bound.shape == exact.shape
        assert (bound >= exact).all()
        lengths = [known.geometry.length(plane) for plane in range(known.geometry.planes)]
        assert (bound <= [[7 * -(-2 * length // CONFIG.units)] for length in lengths]).all()


def test_room_for_flushes():
    assert partial_flushes(Convolution(8, 8, 1, 4, 3, 1, 1), 32) == 0
    assert partial_flushes(Convolution(8, 8, 1, 4, 3, 1, 1), 33) == 2

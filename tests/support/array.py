"""Stimulus and oracles of the array tests: random layers, convolutions written as sums over all taps."""

import numpy as np
from hypothesis import strategies as st

from lnpu.array.config import Convolution, Pass
from lnpu.codec.config import FgmpFormat
from lnpu.formats import E4M3, FP16
from lnpu.numeric.config import FMA_BUILDS
from lnpu_sim.array.line import terms_of
from lnpu_sim.array.planner import Layer, SparseInput
from lnpu_sim.array.program import SLOT_FIELDS, Drains, LineProgram, Loads, Slots
from lnpu_sim.codec.tensor import encode
from lnpu_sim.numeric.floats import decode_array
from lnpu_sim.numeric.window import WindowModel
from support.codec import array

MODEL = WindowModel(FMA_BUILDS["pe"])


def fp16_codes(values):
    return np.asarray(values, np.float16).view(np.uint16).astype(np.int64)


def random_case(
    kind,
    size,
    channels,
    kernel=1,
    stride=1,
    padding=0,
    ones=False,
    zeros=0.5,
    wide=0.1,
    seed=0,
    bias=-3,
    top=28,
    keep_ones=False,
):
    """A pass with random tensors, and the compressed sparse one; kernel and padding are reduced until the
    layer exists."""
    rng = np.random.default_rng(seed)
    images, height, width = size
    inputs, outputs = channels
    padding = min(padding, kernel - 1)
    kernel = min(kernel, min(height, width) + 2 * padding)
    padding = min(padding, kernel - 1)
    shape = Convolution(height, width, inputs, outputs, kernel, stride, padding)
    out = images, shape.output_height, shape.output_width, outputs
    fmt = FgmpFormat(bias)
    sparse_shape = out if kind is Pass.BP else (images, height, width, inputs)
    tensor = encode(array(sparse_shape, fmt, zeros=zeros, wide=wide, seed=seed), fmt)
    sparse = SparseInput.of(tensor)
    dense_shape = out if kind is Pass.WG else (kernel, kernel, inputs, outputs)
    dense = fp16_codes(rng.normal(0, 0.5, dense_shape))
    weights = fp16_codes(rng.normal(0, 0.5, outputs))
    ones = ones and (kind is not Pass.BP or keep_ones)
    return Layer(kind, shape, sparse, dense, top, ones, weights if ones else None), tensor


def random_layer(*arguments, **options):
    """The layer of `random_case`."""
    return random_case(*arguments, **options)[0]


def _taps(layer):
    """(output pixel, input pixel, ky, kx) of the whole layer, by definition of a convolution."""
    s = layer.shape
    for oy in range(s.output_height):
        for ox in range(s.output_width):
            for ky in range(s.kernel):
                for kx in range(s.kernel):
                    y, x = oy * s.stride + ky - s.padding, ox * s.stride + kx - s.padding
                    if 0 <= y < s.height and 0 <= x < s.width:
                        yield (oy, ox), (y, x), ky, kx


def _convolve(layer, product, one):
    """Sums of `product(sparse [N, A], dense)` over all taps; `one` is the constant-1 channel's product."""
    s, sparse = layer.shape, layer.sparse
    fields = sparse.code, 1 - sparse.wide, sparse.present
    n = layer.images
    if layer.kind is Pass.WG:
        grad = layer.dense
        out = np.zeros((s.kernel, s.kernel, s.inputs, s.outputs), product.dtype)
        for (oy, ox), (y, x), ky, kx in _taps(layer):
            a = [f[:, y, x, :, None] for f in fields]
            out[ky, kx] += product(*a, grad[:, oy, ox, None, :]).sum(axis=0)
        pixels = grad.reshape(-1, s.outputs)
        return [out, one(pixels).sum(axis=0) if layer.ones else np.zeros(s.outputs, product.dtype)]
    back = layer.kind is Pass.BP
    side = (s.height, s.width, s.inputs) if back else (s.output_height, s.output_width, s.outputs)
    out = np.zeros((n, *side), product.dtype)
    for o, i, ky, kx in _taps(layer):
        target, source = (i, o) if back else (o, i)
        w = layer.dense[ky, kx].T if back else layer.dense[ky, kx]
        a = [f[:, source[0], source[1], :, None] for f in fields]
        out[:, target[0], target[1]] += product(*a, w[None]).sum(axis=1)
    if layer.ones:
        out += one(layer.bias)
    return [out]


class _Terms:
    """Products as the window rounds them."""

    dtype = np.int64

    def __init__(self, layer):
        self.layer = layer

    def __call__(self, code, dual, present, dense):
        terms = terms_of(MODEL, dual, code, dense, self.layer.sparse.bias, self.layer.top)
        return np.where(present, terms, 0)

    def one(self, dense):
        return terms_of(MODEL, np.array(0), np.array(15 << 10), dense, 0, self.layer.top)


class _Reals:
    """Products in fp64, or (`count`) their number."""

    dtype = np.float64

    def __init__(self, layer, count=False):
        self.layer, self.count = layer, count

    def __call__(self, code, dual, present, dense):
        if self.count:
            return np.broadcast_to(present * 1.0, np.broadcast_shapes(code.shape, dense.shape))
        fp8 = decode_array(E4M3, code & 0xFF) * 2.0**self.layer.sparse.bias
        value = np.where(dual == 1, fp8, decode_array(FP16, np.where(dual == 1, 0, code)))
        return np.where(present, value, 0) * decode_array(FP16, dense)

    def one(self, dense):
        return np.ones(dense.shape) if self.count else decode_array(FP16, dense)


def direct(layer):
    """Accumulators of a pass, term by term; lists as `assemble` gives them."""
    product = _Terms(layer)
    return _convolve(layer, product, product.one)


def real_convolution(layer):
    """[(values, number of terms)] of a pass in fp64."""
    values, counts = _Reals(layer), _Reals(layer, count=True)
    return list(zip(_convolve(layer, values, values.one), _convolve(layer, counts, counts.one), strict=True))


def random_program(config, wg, count, *, spread, top, seed, bank_slots=None, idle=0.1):
    """Random slots on few addresses: every hazard, marks at random places, sums that may saturate.

    `spread`: different sums at a time; `bank_slots`: about how many slots a bank serves;
    `idle`: share of slots without work.
    """
    rng = np.random.default_rng(seed)
    per_bank = bank_slots or int(rng.integers(1, 200))
    marks = (rng.random((count, 2)) < 1 / per_bank).astype(np.int64)
    marks[-1] = 1
    use = np.cumsum(marks, axis=0) - marks
    sizes = {"tile": config.tile_entries, "row": config.row_entries}
    operand_file, sum_file = ("row", "tile") if wg else ("tile", "row")
    sums = int(use[-1, 1]) + 1
    counts = rng.integers(1, min(spread, sizes[sum_file]) + 1, sums)
    dual = rng.integers(0, 2, count)
    code = np.where(dual == 1, rng.integers(0, 256, count), rng.integers(0, 2**16, count))
    columns = {
        "work": (rng.random(count) >= idle).astype(np.int64),
        "dual": dual,
        "lane": rng.integers(0, 2, count),
        "code": code,
        operand_file: rng.integers(0, sizes[operand_file], count),
        f"{operand_file}_bank": use[:, 0] & 1,
        sum_file: rng.integers(0, counts[use[:, 1]]),
        f"{sum_file}_bank": use[:, 1] & 1,
        "release": marks[:, 0],
        "last": marks[:, 1],
    }
    banks, size = int(use[-1, 0]) + 1, sizes[operand_file]
    entry = np.concatenate([rng.permutation(size) for _ in range(banks)])
    loads = Loads(
        bank=np.repeat(np.arange(banks) & 1, size),
        entry=entry,
        last=np.tile(np.arange(size) == size - 1, banks).astype(np.int64),
        lanes=rng.integers(0, 2**16, (banks * size, config.lanes)),
    )
    return LineProgram(
        wg=wg,
        scale=int(rng.integers(-8, 8)),
        top=top,
        slots=Slots(np.stack([columns[name] for name in SLOT_FIELDS], axis=1)),
        loads=loads,
        drains=Drains(np.arange(sums) & 1, counts),
        places=np.zeros((0, 3), np.int64),
    )


layers = st.builds(
    random_layer,
    kind=st.sampled_from(Pass),
    size=st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 6)),
    channels=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    ones=st.booleans(),
    zeros=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    wide=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 2**16),
)
"""Small layers of every kind, for property tests."""

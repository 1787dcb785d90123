"""Stimulus and oracles of the engine tests: random layers, convolutions written as sums over all taps."""

import numpy as np
from hypothesis import strategies as st

from lnpu.codec.config import FgmpFormat
from lnpu.engine.config import Convolution, EngineConfig, Pass, Policy
from lnpu.formats import E4M3, FP16
from lnpu.numeric.config import FMA_BUILDS
from lnpu_sim.codec.tensor import encode
from lnpu_sim.engine.layer import FLUSH, Layer, SparseInput
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.reference import convolve64, sparse_values
from lnpu_sim.engine.results import assemble
from lnpu_sim.engine.workload import pass_of
from lnpu_sim.numeric.floats import decode_array
from lnpu_sim.numeric.window import WindowModel
from support.codec import array

MODEL = WindowModel(FMA_BUILDS["pe"])


def fp16_codes(values):
    """fp16 codes; numbers that would be subnormal, which the unit reads as zero, become zero."""
    codes = np.asarray(values, np.float16).view(np.uint16).astype(np.int64)
    return np.where(codes >> 10 & 31, codes, 0)


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
    flush=FLUSH,
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
    ones = ones and kind is not Pass.BP
    return Layer(kind, shape, sparse, dense, top, ones, weights if ones else None, flush), tensor


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
        if present.size == 0:
            return np.zeros(np.broadcast_shapes(code.shape, dense.shape), np.int64)
        scale, top = self.layer.sparse.bias, self.layer.top
        small, large = (MODEL.lane_terms(mode, code, dense, top, scale) for mode in (1, 0))
        return np.where(present, np.where(dual == 1, small, large), 0)

    def one(self, dense):
        return MODEL.lane_terms(0, np.array(15 << 10), dense, self.layer.top, 0)


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


cases = st.builds(
    random_case,
    kind=st.sampled_from(Pass),
    size=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    channels=st.tuples(
        st.one_of(st.integers(1, 20), st.integers(60, 130)),
        st.one_of(st.integers(1, 20), st.integers(21, 130)),
    ),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    ones=st.booleans(),
    zeros=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    wide=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 2**16),
    bias=st.sampled_from([-3, 7]),
    flush=st.sampled_from([1, 10, FLUSH]),
)
"""Small layers of every kind, with their compressed sparse input."""

configs = st.builds(
    lambda shape, **choices: EngineConfig(pes=shape[0], group=shape[1], **choices),
    shape=st.sampled_from([(1, 1), (4, 2), (5, 2), (8, 2), (8, 3), (16, 4)]),
    lines=st.sampled_from([1, 2, 3, 4, 8]),
    tile_entries=st.sampled_from([66, 130, 200]),
    row_entries=st.sampled_from([2, 5, 16]),
    blocks=st.sampled_from([49, 64, 512]),
    words=st.sampled_from([1024, 4096]),
    units=st.sampled_from([4, 8]),
    decoders=st.sampled_from([1, 2, 4]),
    vector=st.sampled_from([2, 5, 8]),
    policy=st.sampled_from(Policy),
)
"""Geometries, some of them barely large enough for these layers."""


def errors_of(work, kind, config):
    """Relative errors of a pass against fp64: of quantisation, and of accumulation on the same operands."""
    layer, tensor = pass_of(work, kind, ones=kind is Pass.WG)
    program = plan(layer, tensor, config)
    result = EngineModel(config).run(program)
    assert not result.overflow
    got = assemble(layer, config, program, result.beats)[0] * 2.0 ** (layer.top - 31)
    exact = convolve64(kind, work.shape, sparse_values(layer.sparse), decode_array(FP16, layer.dense))
    operands = (work.d, work.w) if kind is Pass.BP else (work.x, work.d if kind is Pass.WG else work.w)
    real = convolve64(kind, work.shape, *(part.astype(np.float64) for part in operands))
    quantisation = np.linalg.norm(exact - real) / np.linalg.norm(real)
    return quantisation, np.linalg.norm(got - exact) / np.linalg.norm(exact)

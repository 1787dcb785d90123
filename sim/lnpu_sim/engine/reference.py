"""A pass in fp64: what results are compared with, not what hardware does."""

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import Convolution, Pass
from lnpu.formats import E4M3, FP16
from lnpu_sim.engine.layer import SparseInput
from lnpu_sim.numeric.floats import decode_array

__all__ = ["convolve64", "sparse_values"]

Reals = NDArray[np.float64]


def convolve64(kind: Pass, shape: Convolution, sparse: Reals, dense: Reals) -> Reals:
    """A pass of a layer on float64 arrays [N, H, W, C] and [R, S, C, K] (WG: d [N, H, W, K]); one product of
    matrices a tap."""
    s, n = shape, np.arange(len(sparse))
    out = np.zeros(
        {
            Pass.FP: (len(n), s.output_height, s.output_width, s.outputs),
            Pass.BP: (len(n), s.height, s.width, s.inputs),
            Pass.WG: (s.kernel, s.kernel, s.inputs, s.outputs),
        }[kind]
    )

    def axis(size: int, tap: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        o = np.arange(s.output_size(size))
        i = o * s.stride + tap - s.padding
        inside = (i >= 0) & (i < size)
        return o[inside], i[inside]

    for ky in range(s.kernel):
        oy, iy = axis(s.height, ky)
        for kx in range(s.kernel):
            ox, ix = axis(s.width, kx)
            output, source = np.ix_(n, oy, ox), np.ix_(n, iy, ix)
            if kind is Pass.FP:
                out[output] += sparse[source] @ dense[ky, kx]
            elif kind is Pass.BP:
                out[source] += sparse[output] @ dense[ky, kx].T
            else:
                out[ky, kx] = np.tensordot(sparse[source], dense[output], ((0, 1, 2), (0, 1, 2)))
    return out


def sparse_values(sparse: SparseInput) -> Reals:
    """The sparse input's elements in fp64."""
    wide = sparse.wide == 1
    fp8 = decode_array(E4M3, np.where(wide, 0, sparse.code)) * 2.0**sparse.bias
    values = np.where(wide, decode_array(FP16, np.where(wide, sparse.code, 0)), fp8) * sparse.present
    return np.asarray(values, np.float64)

"""Passes over tensors that are in the device's memory: planned by shapes and by the sizes of rows."""

import numpy as np

from lnpu.codec.descriptor import Descriptor
from lnpu.engine.config import Convolution, EngineConfig, Pass
from lnpu_host.tensors import Compressed
from lnpu_sim.codec.tensor import EncodedTensor
from lnpu_sim.engine.layer import FLUSH, Layer, SparseInput, window_top
from lnpu_sim.engine.tiles import words_bound
from lnpu_sim.machine.commands import Addresses, pass_commands

__all__ = ["partial_flushes", "pass_list", "top_of"]


def partial_flushes(shape: Convolution, images: int) -> int:
    """Flushes of WG behind the first one, at most: any two neighbours have more pixels than one may."""
    pixels = images * shape.output_height * shape.output_width
    return 0 if pixels <= FLUSH else 2 * pixels // FLUSH


def top_of(kind: Pass, shape: Convolution, images: int, sparse: int, dense: int, config: EngineConfig) -> int:
    """The window's top of a pass.

    Args:
        sparse, dense: floor(log2) of the largest magnitudes. The constant 1 counts where it is issued.
    """
    if kind is Pass.BP:
        return window_top(sparse, dense, shape.taps * shape.outputs)
    sparse = max(sparse, 0)
    if kind is Pass.FP:
        return window_top(sparse, dense, shape.taps * shape.inputs + 1)
    pixels = images * shape.output_height * shape.output_width
    tile = config.row_entries * config.groups // config.operand_words
    return window_top(sparse, dense, min(pixels, max(FLUSH, tile)))


def _hollow(tensor: Compressed) -> EncodedTensor:
    """The tensor without its rows, which are in memory."""
    count = int(tensor.pointers[-1])
    words = np.broadcast_to(np.uint64(0), count)
    return EncodedTensor(
        Descriptor(tensor.geometry, tensor.format, count), tensor.pointers.astype(np.uint32), words
    )


def pass_list(
    kind: Pass, shape: Convolution, tensor: Compressed, top: int, config: EngineConfig, at: Addresses
) -> list[list[int]]:
    """The commands of a pass, without END; FP and WG with the constant 1.

    Args:
        tensor: X in FP and WG, d in BP, as `refresh` found it. at: where everything else is.

    Raises:
        EngineError: the layer does not fit the engine.
    """
    g = tensor.geometry
    out = g.n, shape.output_height, shape.output_width, shape.outputs
    dense = out if kind is Pass.WG else (shape.kernel, shape.kernel, shape.inputs, shape.outputs)
    layer = Layer(
        kind,
        shape,
        SparseInput.unknown((g.n, g.h, g.w, g.c), tensor.format.bias),
        np.broadcast_to(np.int64(0), dense),
        top,
        ones=kind is not Pass.BP,
        words=words_bound(g, tensor.format, np.diff(tensor.pointers), config.units),
    )
    return pass_commands(layer, _hollow(tensor), config, at)

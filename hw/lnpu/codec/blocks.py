"""The seam for codecs: which hardware a configuration means.

Every codec offers the same three blocks with the same kind of ports (rows of words, row commands, elements);
the array and the sequencer ask for them here and never name a codec. A new codec adds its `Codec` member and
its three classes.
"""

from collections.abc import Callable

from amaranth.lib import wiring

from lnpu.codec.config import Codec, CodecConfig
from lnpu.codec.dense import DenseDecoder
from lnpu.codec.encoder import Encoder
from lnpu.codec.sparse import SparseDecoder

__all__ = ["BLOCKS", "dense_decoder", "encoder", "sparse_decoder"]


def encoder(config: CodecConfig) -> wiring.Component:
    """Dense elements to memory words, pointers and descriptor."""
    match config.codec:
        case Codec.FGMP_RLE:
            return Encoder(config.element, config.lanes)


def sparse_decoder(config: CodecConfig) -> wiring.Component:
    """Memory words to the non-zero elements of each block."""
    match config.codec:
        case Codec.FGMP_RLE:
            return SparseDecoder(config.fold)


def dense_decoder(config: CodecConfig) -> wiring.Component:
    """Memory words to vectors of fp16 elements."""
    match config.codec:
        case Codec.FGMP_RLE:
            return DenseDecoder(config.lanes)


BLOCKS: dict[str, Callable[[CodecConfig], wiring.Component]] = {
    "codec-encoder": encoder,
    "codec-sparse-decoder": sparse_decoder,
    "codec-dense-decoder": dense_decoder,
}
"""Blocks that can be exported alone, by the name of `lnpu verilog`."""

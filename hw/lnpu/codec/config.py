"""Choices and arithmetic of the compressed tensor format: pure data for hardware, model, host and tools.

The format itself is defined in `docs/formats.md`; the constants here are that text in Python.
"""

import enum
from dataclasses import dataclass

from lnpu.formats import E4M3, FP16, FP32, FloatFormat, Specials

__all__ = [
    "BIAS_MAX",
    "BIAS_MIN",
    "BLOCK",
    "CAUSE_BITS",
    "RUN_WIDTHS_8",
    "RUN_WIDTHS_16",
    "WORD_BITS",
    "Cause",
    "Codec",
    "CodecConfig",
    "CodecError",
    "FgmpFormat",
    "Geometry",
]

WORD_BITS = 64
"""Bits of a memory word; rows start on one."""
BLOCK = 64
"""Channels of a full block."""
BIAS_MIN, BIAS_MAX = -8, 7
"""Range of the exponent bias: every normal E4M3 code times 2**bias is a normal fp16 number."""
RUN_WIDTHS_8 = (1, 2, 4)
"""Allowed run widths of the fp8 group, in bits."""
RUN_WIDTHS_16 = (4, 6)
"""Allowed run widths of the fp16 group, in bits."""


class CodecError(ValueError):
    """A tensor or setting that cannot be encoded or decoded; names the field, the value, what is allowed."""


class Codec(enum.Enum):
    """The compressed formats of the generator; the value is the descriptor's `codec` field."""

    FGMP_RLE = 1
    """Fine-grained mixed precision: an fp8 and an fp16 group per block, each run-length coded."""


class Cause(enum.IntFlag):
    """Why a block or a row is malformed; the bits of the decoders' sticky error port."""

    NONE = 0
    COUNT = 1
    """A header counts more entries than the block has elements."""
    INDEX = 2
    """A group's runs lead past the end of the block."""
    VALUE = 4
    """An entry holds a reserved code: zero without the longest run, -0, subnormal, NaN or infinity."""
    ESCAPE = 8
    """A group ends with an escape."""
    OVERLAP = 16
    """An element is in both groups."""
    TRUNCATED = 32
    """The row's words end inside a block."""
    TRAILING = 64
    """More than zero padding follows the row's last block."""


CAUSE_BITS = 7
"""Bits of the decoders' error ports: one a `Cause`."""


def _check(name: str, value: int, allowed: tuple[int, ...]) -> None:
    if value not in allowed:
        raise CodecError(f"`{name}` must be one of {', '.join(map(str, allowed))}, not {value}")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise CodecError(f"`{name}` must be {low} to {high}, not {value}")


@dataclass(frozen=True)
class FgmpFormat:
    """Run-time fields of one tensor.

    Args:
        bias: an fp8 code means its E4M3 value times 2**bias; -8 to 7.
        k8: run width of the fp8 group in bits; 1, 2 or 4.
        k16: run width of the fp16 group in bits; 4 or 6.

    Raises:
        CodecError: a field is out of range.
    """

    bias: int = 0
    k8: int = 2
    k16: int = 6

    def __post_init__(self) -> None:
        _check_range("bias", self.bias, BIAS_MIN, BIAS_MAX)
        _check("k8", self.k8, RUN_WIDTHS_8)
        _check("k16", self.k16, RUN_WIDTHS_16)

    @property
    def w8(self) -> int:
        """Bits of an fp8 entry."""
        return self.k8 + 8

    @property
    def w16(self) -> int:
        """Bits of an fp16 entry."""
        return self.k16 + 16

    @property
    def threshold(self) -> float:
        """Largest magnitude of the fp8 group."""
        return E4M3.max_value * 2.0**self.bias

    @property
    def smallest(self) -> float:
        """Smallest non-zero magnitude of the fp8 group."""
        return E4M3.min_normal * 2.0**self.bias


@dataclass(frozen=True)
class Geometry:
    """Shape of a tensor and what follows from it.

    Args:
        n: images, h: rows of an image, w: pixels of a row, c: channels; 1 to 65535 each, fewer than 2**32
            elements together (the counters are 32 bits).

    Raises:
        CodecError: a field is out of range.
    """

    n: int
    h: int
    w: int
    c: int

    def __post_init__(self) -> None:
        for name in ("n", "h", "w", "c"):
            _check_range(name, getattr(self, name), 1, 65535)
        if self.elements >= 2**32:
            raise CodecError(f"the tensor must have fewer than 2**32 elements, not {self.elements}")
        if self.rows >= 2**32:
            raise CodecError(f"the tensor must have fewer than 2**32 rows, not {self.rows}")

    @property
    def elements(self) -> int:
        """Number of elements."""
        return self.n * self.h * self.w * self.c

    @property
    def block(self) -> int:
        """Elements of a block: one pixel, this many channels."""
        return min(self.c, BLOCK)

    @property
    def planes(self) -> int:
        """Channel blocks of a pixel."""
        return -(-self.c // BLOCK)

    @property
    def rows(self) -> int:
        """Rows of blocks in memory, each with a pointer: images x planes x image rows."""
        return self.n * self.planes * self.h

    @property
    def count_bits(self) -> int:
        """Bits of each of the two counts of a block header: 0 to `block` must fit."""
        return self.block.bit_length()

    def length(self, plane: int) -> int:
        """Elements of the blocks of a plane: the last plane may be short."""
        return min(BLOCK, self.c - BLOCK * plane)

    def worst_block_bits(self, fmt: FgmpFormat) -> int:
        """Most bits that a block can take, header included."""
        size = self.block
        one_fp8 = (size - 1) * fmt.w16 + (1 + ((size - 1) >> fmt.k8)) * fmt.w8
        return 2 * self.count_bits + max(size * fmt.w16, one_fp8)


@dataclass(frozen=True)
class CodecConfig:
    """What is built into the hardware.

    Args:
        codec: the compressed format.
        element: format of the encoder's input elements: FP16, FP32 or another IEEE-style format with 5 to 8
            exponent bits and at least 4 mantissa bits.
        lanes: elements a cycle of the encoder and of the dense decoder; 1, 2 or 4.
        fold: escapes that the sparse decoder absorbs in the cycle of the non-zero behind them; 1 to 3.

    Raises:
        CodecError: a field is out of range.
    """

    codec: Codec = Codec.FGMP_RLE
    element: FloatFormat = FP32
    lanes: int = 4
    fold: int = 3

    def __post_init__(self) -> None:
        _check("lanes", self.lanes, (1, 2, 4))
        _check_range("fold", self.fold, 1, 3)
        e = self.element
        if e.specials is not Specials.IEEE or not 5 <= e.exponent_bits <= 8 or e.mantissa_bits < 4:
            raise CodecError(
                f"`element` must be an IEEE-style format with 5 to 8 exponent bits and at least 4 mantissa "
                f"bits ({FP16.name}, {FP32.name}, bf16 ...), not {e.name}"
            )

    def as_dict(self) -> dict[str, str | int]:
        """Flat, JSON-ready description."""
        return {
            "codec": self.codec.name.lower(),
            "element": self.element.name,
            "lanes": self.lanes,
            "fold": self.fold,
        }

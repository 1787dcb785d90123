"""Choices of the engine: pure data, shared by hardware and golden models."""

import enum
from dataclasses import dataclass

from lnpu.buffer.scheme import Scheme

__all__ = ["Convolution", "EngineConfig", "EngineError", "Pass", "Policy", "TapRange"]


class EngineError(ValueError):
    """A configuration or layer that cannot be run; names the field, the value and what is allowed."""


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise EngineError(f"`{name}` must be {low} to {high}, not {value}")


class Pass(enum.Enum):
    """The three passes of training."""

    FP = "fp"
    """Forward propagation: Row accumulates outputs, Tile holds W."""
    BP = "bp"
    """Backward propagation: Row accumulates input gradients, Tile holds W transposed."""
    WG = "wg"
    """Weight gradient: Tile accumulates dW, Row holds output gradients."""


class Policy(enum.Enum):
    """How pixels are dealt to lines."""

    NONE = "none"
    """Pixel `j` of a tile goes to line `j mod lines`; no line starts a walk before all have ended the one
    before."""
    ROTATE = "rotate"
    """Pixel `j` goes to line `(j + walk) mod lines`; lines may be walks apart, as far as banks allow."""
    DYNAMIC = "dynamic"
    """A pixel goes to the line with the least work dealt so far; lines may be walks apart."""


@dataclass(frozen=True)
class EngineConfig:
    """Geometry of an engine.

    Args:
        lines: 1 to 8. pes: of a line, 1 to 16; each has two lanes.
        group: PEs whose accumulators make one word of the Row file, 1 to `pes`.
        tile_entries: entries of a bank of the Tile file, 2 to 4096.
        row_entries: pixels of a bank of a line's Row file in FP and BP, 2 to 4096; in WG it holds twice as
            many when a line has at least two groups.
        blocks: blocks of a bank of the X buffer, 2 to 65536.
        words: words of a bank of the X buffer, 64 to 65536, a power of two.
        units: units of 14 bits in such a word (an fp8 element takes one, an fp16 element two), even, 2 to 16.
        decoders: sparse decoders that fill the X buffer together, 1, 2 or 4.
        vector: fp16 elements that are loaded in a cycle, and size of the transposing buffer, 2 to 32.
        policy: of the balancer.
        transposer: scheme of the transposing buffer.
        decode_units: 0 or 1; without one the machine does not know the command DECODE, which training does
            not need.

    Raises:
        EngineError: a field is out of range.
    """

    lines: int = 4
    pes: int = 8
    group: int = 2
    tile_entries: int = 200
    row_entries: int = 64
    blocks: int = 512
    words: int = 1024
    units: int = 8
    decoders: int = 2
    vector: int = 8
    policy: Policy = Policy.DYNAMIC
    transposer: Scheme = Scheme.SHIFT
    decode_units: int = 0

    def __post_init__(self) -> None:
        _check_range("lines", self.lines, 1, 8)
        _check_range("pes", self.pes, 1, 16)
        _check_range("group", self.group, 1, self.pes)
        _check_range("tile_entries", self.tile_entries, 2, 4096)
        _check_range("row_entries", self.row_entries, 2, 4096)
        _check_range("blocks", self.blocks, 2, 65536)
        _check_range("words", self.words, 64, 65536)
        _check_range("units", self.units, 2, 16)
        _check_range("vector", self.vector, 2, 32)
        _check_range("decode_units", self.decode_units, 0, 1)
        if self.words & (self.words - 1):
            raise EngineError(f"`words` must be a power of two, not {self.words}")
        if self.units % 2:
            raise EngineError(f"`units` must be even, not {self.units}")
        if self.decoders not in (1, 2, 4):
            raise EngineError(f"`decoders` must be 1, 2 or 4, not {self.decoders}")

    @property
    def lanes(self) -> int:
        """Results side by side in a line."""
        return 2 * self.pes

    @property
    def groups(self) -> int:
        """Words of the Row file that hold one pixel's accumulators."""
        return -(-self.pes // self.group)

    @property
    def operand_words(self) -> int:
        """Words of the Row file that hold one pixel's fp16 operands."""
        return -(-self.groups // 2)

    @property
    def row_lanes(self) -> int:
        """Lanes of a word of the Row file."""
        return 2 * self.group

    @property
    def row_words(self) -> int:
        """Words of a line's Row file, both banks."""
        return 2 * self.row_entries * self.groups

    @property
    def spacing(self) -> int:
        """Cycles from one pixel's first slot to the next pixel's, at least."""
        return max(3, self.groups)

    @property
    def chunks(self) -> int:
        """Vectors that fill all lanes of an entry."""
        return -(-self.lanes // self.vector)

    @property
    def tile_bits(self) -> int:
        """Bits of an address in the Tile file, both banks."""
        return (2 * self.tile_entries - 1).bit_length()

    @property
    def row_bits(self) -> int:
        """Bits of an address in the Row file, both banks."""
        return (self.row_words - 1).bit_length()

    @property
    def block_bits(self) -> int:
        """Bits of a block's number in an X bank."""
        return (self.blocks - 1).bit_length()

    @property
    def word_bits(self) -> int:
        """Bits of a word's number in an X bank."""
        return (self.words - 1).bit_length()

    @property
    def tile_pixels(self) -> int:
        """Pixels of a tile, at most."""
        return max(self.lines * self.row_entries, self.row_entries * self.groups // self.operand_words)

    @property
    def pixel_bits(self) -> int:
        """Bits of a pixel's number in a tile."""
        return (self.tile_pixels - 1).bit_length()

    @property
    def line_bits(self) -> int:
        """Bits of a line's number, at least 1."""
        return max(1, (self.lines - 1).bit_length())

    @property
    def sum_bits(self) -> int:
        """Bits of a result: an accumulator, summed over the lines."""
        return 32 + (self.lines - 1).bit_length()


@dataclass(frozen=True)
class TapRange:
    """The valid taps of one pixel along one axis.

    Args:
        tap: first tap. step: from tap to tap. count: number of valid taps, 0 when there is none.
        pixel: pixel of the sparse input that the first tap reads. direction: +1 or -1 from tap to tap.
    """

    tap: int
    step: int
    count: int
    pixel: int
    direction: int


@dataclass(frozen=True)
class Convolution:
    """One layer; a linear layer has a 1x1 kernel and one image row of `n` pixels.

    Args:
        height, width: of the input, 1 to 4096. inputs, outputs: channels, 1 to 4096.
        kernel: 1 to 7. stride: 1 to 4. padding: 0 to kernel - 1.

    Raises:
        EngineError: a field is out of range, or no output pixel exists.
    """

    height: int
    width: int
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        for name in ("height", "width", "inputs", "outputs"):
            _check_range(name, getattr(self, name), 1, 4096)
        _check_range("kernel", self.kernel, 1, 7)
        _check_range("stride", self.stride, 1, 4)
        _check_range("padding", self.padding, 0, self.kernel - 1)
        smallest = min(self.height, self.width) + 2 * self.padding
        if smallest < self.kernel:
            raise EngineError(f"`kernel` must be at most {smallest} for this input, not {self.kernel}")

    @property
    def taps(self) -> int:
        """Positions of the kernel."""
        return self.kernel * self.kernel

    @property
    def output_height(self) -> int:
        """Rows of the output."""
        return self.output_size(self.height)

    @property
    def output_width(self) -> int:
        """Columns of the output."""
        return self.output_size(self.width)

    def output_size(self, size: int) -> int:
        """Output pixels along an axis of `size` input pixels."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    def valid_taps(self, kind: Pass, size: int, pixel: int) -> TapRange:
        """The valid taps of a pixel along an axis.

        Args:
            kind: FP and WG count output pixels, BP input pixels. size: input pixels of the axis.
            pixel: on the side that the pass counts.
        """
        k, s, p = self.kernel, self.stride, self.padding
        if kind is not Pass.BP:
            tap = max(0, p - pixel * s)
            end = min(k - 1, size - 1 + p - pixel * s)
            return TapRange(tap, 1, max(0, end - tap + 1), pixel * s + tap - p, 1)
        outputs = self.output_size(size)
        first = max(0, pixel + p - s * (outputs - 1))
        tap = first + (pixel + p - first) % s
        end = min(k - 1, pixel + p)
        return TapRange(tap, s, max(0, (end - tap) // s + 1), (pixel + p - tap) // s, -1)

"""Choices of the PE array: pure data, shared by hardware and golden models."""

import enum
from dataclasses import dataclass

__all__ = ["ArrayError", "Convolution", "EngineConfig", "LineConfig", "Pass", "TapRange"]


class ArrayError(ValueError):
    """A configuration or layer that cannot be run; names the field, the value and what is allowed."""


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ArrayError(f"`{name}` must be {low} to {high}, not {value}")


class Pass(enum.Enum):
    """The three passes of training."""

    FP = "fp"
    """Forward propagation: Row accumulates outputs, Tile holds W."""
    BP = "bp"
    """Backward propagation: Row accumulates input gradients, Tile holds W transposed."""
    WG = "wg"
    """Weight gradient: Tile accumulates dW, Row holds output gradients."""


@dataclass(frozen=True)
class LineConfig:
    """Geometry of a line.

    Args:
        pes: PEs that share one input, 1 to 16; each has two lanes.
        tile_entries: words of a bank of the Tile file, 2 to 4096.
        row_entries: words of a bank of the Row file, 2 to 4096.

    Raises:
        ArrayError: a field is out of range.
    """

    pes: int = 8
    tile_entries: int = 144
    row_entries: int = 64

    def __post_init__(self) -> None:
        _check_range("pes", self.pes, 1, 16)
        _check_range("tile_entries", self.tile_entries, 2, 4096)
        _check_range("row_entries", self.row_entries, 2, 4096)

    @property
    def lanes(self) -> int:
        """Results side by side."""
        return 2 * self.pes

    @property
    def tile_bits(self) -> int:
        """Bits of an entry of the Tile file, bank excluded."""
        return (self.tile_entries - 1).bit_length()

    @property
    def row_bits(self) -> int:
        """Bits of an entry of the Row file, bank excluded."""
        return (self.row_entries - 1).bit_length()

    @property
    def entry_bits(self) -> int:
        """Bits of an entry of the larger file."""
        return max(self.tile_bits, self.row_bits)


@dataclass(frozen=True)
class EngineConfig:
    """Geometry of a line with its address path.

    Args:
        line: the line.
        blocks: blocks (pixels of one plane) of a bank of the X buffer, 2 to 65536.
        elements: elements of a bank of the X buffer, 64 to 65536, a power of two.
        fold: escapes that the decoder absorbs in the cycle of the element behind them, 1 to 3.

    Raises:
        ArrayError: a field is out of range.
    """

    line: LineConfig
    blocks: int = 256
    elements: int = 2048
    fold: int = 3

    def __post_init__(self) -> None:
        _check_range("blocks", self.blocks, 2, 65536)
        _check_range("elements", self.elements, 64, 65536)
        _check_range("fold", self.fold, 1, 3)
        if self.elements & (self.elements - 1):
            raise ArrayError(f"`elements` must be a power of two, not {self.elements}")

    @property
    def block_bits(self) -> int:
        """Bits of a block's number."""
        return (self.blocks - 1).bit_length()

    @property
    def element_bits(self) -> int:
        """Bits of an element's place, bank excluded."""
        return (self.elements - 1).bit_length()


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
        ArrayError: a field is out of range, or no output pixel exists.
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
            raise ArrayError(f"`kernel` must be at most {smallest} for this input, not {self.kernel}")

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

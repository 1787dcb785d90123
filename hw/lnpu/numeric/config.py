"""Choices of the FMA generator: pure data, shared by hardware, golden model and command line."""

import dataclasses
import enum
from dataclasses import dataclass

from lnpu.formats import BF16, E4M3, E5M2, FP16, FP32, FloatFormat, Specials, Subnormals

__all__ = [
    "FMA_BUILDS",
    "ConfigError",
    "Dual",
    "Flavour",
    "FloatAccumulate",
    "FmaConfig",
    "Fp8",
    "Port",
    "Share",
    "WindowAccumulate",
]


class ConfigError(ValueError):
    """A configuration that cannot be built; the message names the field, the value and what is allowed."""


class Flavour(enum.Enum):
    """How much of IEEE 754 the unit implements."""

    IEEE = "ieee"
    """Subnormals, NaN, infinity, the five flags (tininess after rounding)."""
    TRAINING = "training"
    """Finite numbers only: exponent field 0 reads as zero, results below the smallest normal become +0,
    overflow saturates to the largest finite number, and a zero result is +0."""


class Fp8(enum.Enum):
    """The 8-bit format of dual mode."""

    E4M3 = "e4m3"
    E5M2 = "e5m2"
    BOTH = "both"
    """Chosen at run time for both operands together: `i_fmt` is 1 bit, 0 = E4M3, 1 = E5M2."""
    MIXED = "mixed"
    """Chosen at run time for each operand: `i_fmt` is 2 bits, bit 0 for `a`, bit 1 for `b`."""

    @property
    def formats(self) -> tuple[FloatFormat, ...]:
        """The formats that the unit can read; `i_fmt` indexes them."""
        return {Fp8.E4M3: (E4M3,), Fp8.E5M2: (E5M2,)}.get(self, (E4M3, E5M2))


class Dual(enum.Enum):
    """What dual mode multiplies."""

    NONE = "none"
    """No dual mode: an fp16-only unit, the yardstick of the others."""
    FP8XFP8 = "fp8xfp8"
    FP8XFP16 = "fp8xfp16"


class Share(enum.Enum):
    """What the two modes share."""

    FULL = "full"
    """Mantissa multiplier, aligner, adder, normaliser and rounder."""
    MULT = "mult"
    """The mantissa multiplier only."""
    NONE = "none"
    """Nothing: an fp16 unit and two fp8 units side by side."""


@dataclass(frozen=True)
class FloatAccumulate:
    """Addend and result are floating point; one rounding, to nearest even.

    Args:
        format: FP16, FP32 or any IEEE-style format with at least fp16's exponent range (e8m15 ...).
    """

    format: FloatFormat = FP16

    def __post_init__(self) -> None:
        f = self.format
        if f.specials is not Specials.IEEE or f.subnormals is not Subnormals.GRADUAL:
            raise ConfigError(
                f"`acc` must be an IEEE-style format (fp16, fp32, bf16, e<bits>m<bits>), not {f.name}"
            )
        if not 5 <= f.exponent_bits <= 8:
            raise ConfigError(f"`acc` {f.name}: exponent bits must be 5 to 8, not {f.exponent_bits}")
        if not 4 <= f.mantissa_bits <= 32:
            raise ConfigError(f"`acc` {f.name}: mantissa bits must be 4 to 32, not {f.mantissa_bits}")

    @property
    def width(self) -> int:
        """Bits of one accumulator word."""
        return self.format.width

    def __str__(self) -> str:
        return self.format.name


@dataclass(frozen=True)
class WindowAccumulate:
    """Addend and result are `width`-bit two's-complement words in a window of fixed exponent.

    A word `w` means `w * 2**(top - width + 1)`. A product is rounded to nearest on its magnitude (ties away
    from zero), given its sign and added; sums saturate and raise the sticky overflow flag.

    Args:
        width: 23 to 64 (a 22-bit fp16 product and the sign must fit).
    """

    width: int = 32

    def __post_init__(self) -> None:
        if not 23 <= self.width <= 64:
            raise ConfigError(
                f"`window` must be 23 to 64 bits, not {self.width}: "
                "the 22-bit product of two fp16 significands and a sign must fit"
            )

    def __str__(self) -> str:
        return f"window{self.width}"


@dataclass(frozen=True)
class Port:
    """One port of the exported unit: name, width in bits, whether the unit drives it, and what it carries."""

    name: str
    width: int
    output: bool
    doc: str


@dataclass(frozen=True)
class FmaConfig:
    """One FMA: `d = a*b + c` in fp16 (single mode) or two of them in fp8 (dual mode).

    Args:
        flavour: IEEE-complete or training.
        fp8: 8-bit format(s) of dual mode.
        dual: operand kinds of dual mode.
        accumulate: floating point or windowed fixed point.
        share: what the modes share.
        latency: register ranks between input and output, 0 to 4 (windowed: 1 to 4, the accumulators are
            the last rank).

    Raises:
        ConfigError: a field is out of range or two fields exclude each other.
    """

    flavour: Flavour = Flavour.IEEE
    fp8: Fp8 = Fp8.E4M3
    dual: Dual = Dual.FP8XFP8
    accumulate: FloatAccumulate | WindowAccumulate = dataclasses.field(default_factory=FloatAccumulate)
    share: Share = Share.FULL
    latency: int = 3

    def __post_init__(self) -> None:
        low = 1 if self.windowed else 0
        if not isinstance(self.latency, int) or not low <= self.latency <= 4:
            why = " (the accumulators are one rank)" if self.windowed else ""
            raise ConfigError(f"`latency` must be {low} to 4{why}, not {self.latency}")

    @property
    def windowed(self) -> bool:
        """Whether the accumulate stage is windowed fixed point."""
        return isinstance(self.accumulate, WindowAccumulate)

    @property
    def lanes(self) -> int:
        """Accumulators: 2 with a dual mode, else 1."""
        return 1 if self.dual is Dual.NONE else 2

    @property
    def b_format_wide(self) -> bool:
        """Whether dual mode's `b` operands are fp16."""
        return self.dual is Dual.FP8XFP16

    @property
    def fmt_bits(self) -> int:
        """Width of `i_fmt`; 0 where the fp8 format is fixed."""
        if self.dual is Dual.NONE or len(self.fp8.formats) == 1:
            return 0
        return 2 if self.fp8 is Fp8.MIXED and not self.b_format_wide else 1

    @property
    def ports(self) -> tuple[Port, ...]:
        """Ports of the exported unit in order, clock and reset first; without registers neither."""
        acc, dual = self.accumulate.width * self.lanes, self.dual is not Dual.NONE
        b = 32 if self.b_format_wide else 16
        rows: list[Port | None] = [
            Port("clk", 1, False, "clock, rising edge") if self.latency else None,
            Port("rst", 1, False, "synchronous reset, active high") if self.latency else None,
            Port("i_valid", 1, False, "operands are valid"),
            Port("i_ready", 1, True, "operands are taken at the clock edge"),
            Port("i_mode", 1, False, "0 single (fp16), 1 dual (fp8)") if dual else None,
            Port("i_fmt", self.fmt_bits, False, self._fmt_doc()) if self.fmt_bits else None,
            Port("i_a", 16, False, "fp16, or two fp8 (lane 0 low)"),
            Port("i_b", b, False, f"fp16, or two {'fp16' if b == 32 else 'fp8'} (lane 0 low)"),
            Port("i_c", acc, False, f"addend, {self.lanes} x {self.accumulate} (lane 0 low)"),
            Port("i_s", 9, False, "signed: dual products are scaled by 2^s") if dual else None,
            Port("i_top", 9, False, "signed: exponent of the window's sign bit") if self.windowed else None,
            Port("i_clear", 1, False, "1: start from i_c; 0: go on from the last o_d")
            if self.windowed
            else None,
            Port("o_valid", 1, True, "result is valid"),
            Port("o_ready", 1, False, "result is taken at the clock edge"),
            Port("o_d", acc, True, f"result, {self.lanes} x {self.accumulate} (lane 0 low)"),
            Port("o_flags", 5 * self.lanes, True, "{NV, DZ, OF, UF, NX} a lane, lane 0 low"),
        ]
        return tuple(row for row in rows if row is not None)

    def _fmt_doc(self) -> str:
        if self.fmt_bits == 2:
            return "fp8 format, bit 0 of a, bit 1 of b: 0 E4M3, 1 E5M2"
        return "fp8 format: 0 E4M3, 1 E5M2"

    def as_dict(self) -> dict[str, str | int]:
        """Flat, JSON-ready description with the names of the command line's options."""
        window = self.accumulate.width if isinstance(self.accumulate, WindowAccumulate) else None
        return {
            "flavour": self.flavour.value,
            "fp8": self.fp8.value,
            "dual": self.dual.value,
            "acc": "window" if window else str(self.accumulate),
            **({"window": window} if window else {}),
            "share": self.share.value,
            "latency": self.latency,
        }


FMA_BUILDS: dict[str, FmaConfig] = {
    "default": FmaConfig(),
    "pe": FmaConfig(flavour=Flavour.TRAINING, dual=Dual.FP8XFP16, accumulate=WindowAccumulate(32), latency=2),
    "fp32": FmaConfig(accumulate=FloatAccumulate(FP32)),
    "fp16-only": FmaConfig(flavour=Flavour.TRAINING, dual=Dual.NONE),
    "bf16": FmaConfig(accumulate=FloatAccumulate(BF16)),
}
"""Named builds: `default`, `pe` (the arithmetic of the array), `fp32` (fp32 accumulate) and two more."""

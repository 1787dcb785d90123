"""The array's processing element: one broadcast sparse input times the operands of two lanes.

It is the windowed fp8 x fp16 FMA without streams: the line decides before issue, nothing stalls behind it,
and accumulator words come from the Tile or Row file in the cycle in which they are added.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.formats import FP16
from lnpu.lib.bits import named, top_align
from lnpu.numeric.config import FMA_BUILDS, Dual, Flavour, FmaConfig, Share, WindowAccumulate
from lnpu.numeric.geometry import PRODUCT
from lnpu.numeric.multiply import SplitMultiplier
from lnpu.numeric.unpack import UnpackFloat, UnpackFp8
from lnpu.numeric.window import WindowAccumulator, WindowAlign

__all__ = ["PE_CONFIG", "Pe", "PeBroadcast", "broadcast_layout"]

PE_CONFIG = FMA_BUILDS["pe"]
"""The arithmetic of the array."""


def broadcast_layout() -> data.StructLayout:
    """A sparse input as a line sends it to its PEs.

    `valid`: an issue slot carries work; `dual`: fp8 input for both lanes, else fp16 for lane `lane`;
    `significand`: the multiplier's `a` operand, see `SplitMultiplier`; `sign`;
    `room`: distance from the top of the window, but for the other factor's exponent field.
    """
    return data.StructLayout(
        {"valid": 1, "dual": 1, "lane": 1, "significand": 11, "sign": 1, "room": signed(11)}
    )


class PeBroadcast(wiring.Component):
    """Unpacks the input of a line, once for all its PEs.

    Args:
        config: training flavour, fp8 x fp16, windowed.

    Members:
        valid, dual, lane: `In(1)`; code: `In(16)`, fp16, or fp8 in the low bits; fmt: `In(1)` where the fp8
        format is a choice; s: `In(signed(9))`, exponent scale of fp8 inputs; top: `In(signed(9))`;
        o: `Out(broadcast_layout)`.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig = PE_CONFIG):
        self.config = config
        super().__init__(
            {
                "valid": In(1),
                "dual": In(1),
                "lane": In(1),
                "code": In(16),
                "fmt": In(1),
                "s": In(signed(9)),
                "top": In(signed(9)),
                "o": Out(broadcast_layout()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        o = self.o
        m.submodules.wide = wide = UnpackFloat(FP16, self.config.flavour)
        m.submodules.narrow = narrow = UnpackFp8(self.config.fp8.formats, self.config.flavour)
        # Product of both lanes: exponent + 2 under the top, see `WindowFactors`.
        constant = Mux(self.dual, self.s + (2 - narrow.bias - FP16.bias), 2 - 2 * FP16.bias)
        exponent = Mux(self.dual, narrow.o.exponent, wide.o.exponent)
        sparse = narrow.o.significand
        m.d.comb += [
            wide.code.eq(self.code),
            narrow.code.eq(self.code[:8]),
            narrow.select.eq(self.fmt),
            o.valid.eq(self.valid & ~Mux(self.dual, narrow.o.zero, wide.o.zero)),
            o.dual.eq(self.dual),
            o.lane.eq(self.lane),
            o.significand.eq(Mux(self.dual, Cat(sparse, Const(0, 3), sparse), wide.o.significand)),
            o.sign.eq(Mux(self.dual, narrow.o.sign, wide.o.sign)),
            o.room.eq(self.top - constant - exponent),
        ]
        return m


class Pe(wiring.Component):
    """Two windowed accumulators and one split multiplier.

    A dual slot adds `a*b0` and `a*b1` (fp8 x fp16); a single slot adds `a*b` (fp16 x fp16) to lane `lane`.

    Args:
        config: training flavour, fp8 x fp16, windowed, full sharing.

    Members:
        a: `In(broadcast_layout)`; b: two `In(16)`, the fp16 operands of the lanes;
        load: `In(1)`: the lanes start from `c` (read from a file), else from their last word (bypass);
        c: two `In(width)`; word: two `Out(width)`; overflow: `Out(2)`, sticky since the last load.

    Timing: `a` and `b` in cycle t, `load` and `c` in cycle t + 1, `word` and `overflow` in cycle t + 2. One
    slot a cycle, accumulation loop of one cycle. A slot without `valid` adds nothing.
    """

    latency = 2

    def __init__(self, config: FmaConfig = PE_CONFIG):
        if not isinstance(config.accumulate, WindowAccumulate):
            raise ValueError(f"`accumulate` must be windowed, not {config.accumulate}")
        if config.flavour is not Flavour.TRAINING or config.dual is not Dual.FP8XFP16:
            raise ValueError("`config` must be of the training flavour with dual fp8xfp16")
        if config.share is not Share.FULL:
            raise ValueError(f"`share` must be full, not {config.share.value}")
        self.config = config
        width = config.accumulate.width
        super().__init__(
            {
                "a": In(broadcast_layout()),
                "b": In(16).array(2),
                "load": In(1),
                "c": In(width).array(2),
                "word": Out(width).array(2),
                "overflow": Out(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        a = self.a
        m.submodules.multiply = multiply = SplitMultiplier(Dual.FP8XFP16)
        operands = []
        for lane in range(2):
            m.submodules[f"unpack{lane}"] = unpack = UnpackFloat(FP16, Flavour.TRAINING)
            m.d.comb += unpack.code.eq(self.b[lane])
            operands.append(unpack.o)
        b0, b1 = operands
        m.d.comb += [
            multiply.mode.eq(a.dual),
            multiply.a.eq(a.significand),
            # A single slot multiplies on lane 0's side; for lane 1 its operand crosses over.
            multiply.b.eq(Mux(~a.dual & a.lane, b1.significand, b0.significand)),
            multiply.b1.eq(b1.significand),
        ]
        # A single slot's product goes to either lane: at the second aligner it takes the place of lane 1's.
        product, product1 = Signal(PRODUCT, reset_less=True), Signal(len(multiply.p1), reset_less=True)
        to_lane1 = Signal(reset_less=True)
        m.d.sync += [product.eq(multiply.p), product1.eq(multiply.p1), to_lane1.eq(~a.dual)]
        own = top_align(product1, PRODUCT)
        aligner_inputs = (product, named(m, "lane1_product", Mux(to_lane1, product, own)))
        for lane, b in enumerate(operands):
            m.submodules[f"align{lane}"] = align = WindowAlign(self.config, PRODUCT)
            m.submodules[f"accumulator{lane}"] = accumulator = WindowAccumulator(self.config)
            distance = Signal(signed(11), name=f"distance{lane}")
            other = ~a.dual & (a.lane if lane == 0 else ~a.lane)
            idle = named(m, f"idle{lane}", ~a.valid | b.zero | other)
            bits = len(align.i.shift)
            m.d.comb += [
                distance.eq(a.room - b.exponent),
                align.i.product.eq(aligner_inputs[lane]),
                accumulator.terms[0].eq(align.o),
                accumulator.load.eq(self.load),
                accumulator.enable.eq(1),
                accumulator.c.eq(self.c[lane]),
                self.word[lane].eq(accumulator.word),
                self.overflow[lane].eq(accumulator.overflow),
            ]
            term = {
                "shift": distance[:bits] | (distance[bits:].any() | idle).replicate(bits),
                "negative": a.sign ^ b.sign,
                "beyond": distance[-1] & ~idle,
            }
            for name, value in term.items():
                register = Signal(len(value), name=f"{name}{lane}", reset_less=True)
                m.d.sync += register.eq(value)
                m.d.comb += align.i[name].eq(register)
        return m

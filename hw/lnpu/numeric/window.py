"""Windowed fixed-point accumulation: shift a product into the window, add, saturate. Independent of order.

A word `w` of `W` bits means `w * 2**(top - W + 1)`. The parts here are combinational, but for the
accumulator; `WindowFma` puts them behind streams, `Pe` into the rigid pipeline of the array.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.lib.bits import named, shift_right, top_align
from lnpu.numeric.config import Dual, Flavour, FmaConfig, Share
from lnpu.numeric.factors import (
    Lane,
    factor_exponents,
    multiply,
    operands_layout,
    unpack_factors,
)
from lnpu.numeric.geometry import PRODUCT, product_width

__all__ = ["WindowAccumulator", "WindowAlign", "WindowFactors", "aligned_layout", "aligners", "beside"]


def aligners(config: FmaConfig) -> tuple[tuple[str, int, int], ...]:
    """Aligners of a configuration: (name, the accumulator that it feeds, product bits)."""
    if config.dual is Dual.NONE:
        return (("single", 0, PRODUCT),)
    low = product_width(config.dual)
    if config.share is Share.FULL:
        return (("lane0", 0, PRODUCT), ("lane1", 1, low))
    return (("single", 0, PRODUCT), ("lane0", 0, low), ("lane1", 1, low))


def beside(config: FmaConfig) -> dict[str, int]:
    """Widths of what travels beside the terms to the accumulators: `mode`, `c` and `clear`."""
    return {"mode": 1, "c": config.accumulate.width * config.lanes, "clear": 1}


def _term_layout(config: FmaConfig, bits: int) -> data.StructLayout:
    """A product on its way into the window.

    `product`: magnitude; `shift`: right shift from the top of the window; the width of the window and more
    leave nothing, not even the rounding bit, which is how a term says that it contributes nothing;
    `negative`: sign; `beyond`: larger than the window; `invalid`: NaN or infinity (ieee).
    """
    invalid = {"invalid": 1} if config.flavour is Flavour.IEEE else {}
    shift = config.accumulate.width.bit_length()
    return data.StructLayout({"product": bits, "shift": shift, "negative": 1, "beyond": 1, **invalid})


def aligned_layout(config: FmaConfig) -> data.StructLayout:
    """What an adder adds: `value` and `carry`; `negative`, `beyond`, `invalid` as before."""
    invalid = {"invalid": 1} if config.flavour is Flavour.IEEE else {}
    width = config.accumulate.width
    return data.StructLayout({"value": width, "carry": 1, "negative": 1, "beyond": 1, **invalid})


class WindowFactors(wiring.Component):
    """Unpack, multiply, and the distance of each product from the top of the window.

    Args:
        config: an FMA with windowed accumulate.

    Members:
        i: `In(operands_layout)`; o: `Out(struct of one term an aligner, and what is beside them)`.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig):
        self.config = config
        terms = {name: _term_layout(config, bits) for name, _, bits in aligners(config)}
        output = data.StructLayout({**beside(config), **terms})
        super().__init__({"i": In(operands_layout(config)), "o": Out(output)})

    def elaborate(self, platform):
        m = Module()
        config, i = self.config, self.i
        mode = i.mode if config.dual is not Dual.NONE else Const(0)
        m.d.comb += [self.o.mode.eq(mode), self.o.c.eq(i.c), self.o.clear.eq(i.clear)]
        factors = unpack_factors(m, config, i)
        # A zero factor is told by the shift here, so significands of zeros need no mask.
        products = multiply(m, config, mode, factors, mask_zeros=False)
        for name, lane, _ in aligners(config):
            term = self.o[name]
            shared = config.share is Share.FULL
            single = factors.single if name == "single" or (shared and lane == 0) else None
            dual = factors.dual[lane] if factors.dual and name != "single" else None
            product = products["single" if single is not None else name]
            if single is not None and dual is not None and config.dual is Dual.FP8XFP8:
                # Lane 1's product shares these bits and must not reach lane 0.
                product = Cat(product[:8] & (~mode).replicate(8), product[8:])
            m.d.comb += term.product.eq(product)
            self._distance(m, name, mode, term, single, dual)
        return m

    def _distance(self, m: Module, name: str, mode: Value, term, single: Lane | None, dual: Lane | None):
        i, config = self.i, self.config
        # The product's first bit weighs 2**(a + b + 1); at shift 0 it stands under the sign bit.
        a, b, offset = factor_exponents(mode, single, dual, i.s if dual is not None else None, 2)
        if config.share is Share.FULL and dual is not None and single is None:
            # Lane 1 idles in single mode: it may share lane 0's offset.
            offset = factor_exponents(mode, Lane(dual.a, dual.b, 30), dual, i.s, 2)[2]
        # |top| and |s| <= 256, biases and exponents below 128 together: 11 bits signed.
        distance = Signal(signed(11), name=f"{name}_distance")
        m.d.comb += distance.eq((i.top - offset) - (a + b))
        bits = len(term.shift)
        lanes = [lane for lane in (single, dual) if lane is not None]

        def choose(pick) -> Value:
            return pick(lanes[0]) if len(lanes) == 1 else Mux(mode, pick(lanes[-1]), pick(lanes[0]))

        off: Value = Const(0)
        if single is None:
            off = ~mode
        elif dual is None and config.dual is not Dual.NONE:
            off = mode
        idle = off | choose(lambda lane: lane.zero)
        if config.flavour is Flavour.IEEE:
            special = choose(lambda lane: lane.a.nan | lane.b.nan | lane.a.infinity | lane.b.infinity)
            m.d.comb += term.invalid.eq(special & ~off)
            idle = idle | special
        idle = named(m, f"{name}_idle", idle)
        m.d.comb += [
            term.shift.eq(distance[:bits] | (distance[bits:].any() | idle).replicate(bits)),
            term.negative.eq(choose(lambda lane: lane.a.sign ^ lane.b.sign)),
            term.beyond.eq(distance[-1] & ~idle),
        ]


class WindowAlign(wiring.Component):
    """Shifts a product into the window and rounds it to nearest on the magnitude.

    The first dropped bit is the rounding carry; a negative term is inverted, and its two's-complement one
    and the rounding carry join into one carry for the adder: `-(q + r) == ~q + (1 - r)`.

    Args:
        config: an FMA with windowed accumulate; bits: product bits.

    Members:
        i: `In(term)`; hold: `In(1)`, contribute nothing; o: `Out(aligned_layout)`.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig, bits: int):
        self.config = config
        term = _term_layout(config, bits)
        super().__init__({"i": In(term), "hold": In(1), "o": Out(aligned_layout(config))})

    def elaborate(self, platform):
        m = Module()
        i, o, width = self.i, self.o, self.config.accumulate.width
        shift = named(m, "shift", i.shift | self.hold.replicate(len(i.shift)))
        # Magnitude under the empty sign position, and one bit below it for rounding.
        word = shift_right(m, "shifted", top_align(i.product, width), shift)
        m.d.comb += [
            o.value.eq(Cat(word[1:], Const(0)) ^ i.negative.replicate(width)),
            o.carry.eq(word[0] ^ i.negative),
            o.negative.eq(i.negative),
            o.beyond.eq(i.beyond & ~self.hold),
        ]
        if self.config.flavour is Flavour.IEEE:
            m.d.comb += o.invalid.eq(i.invalid & ~self.hold)
        return m


class WindowAccumulator(wiring.Component):
    """One accumulator: adds aligned terms, one a cycle, saturating, with a sticky overflow flag.

    The register keeps the wrapped sum beside an overflow bit; saturation happens where the word is read, so
    that it stays off the adder's path.

    Args:
        config: an FMA with windowed accumulate.
        terms: 1, or 2 where modes have adders of their own (`share` mult and none).

    Members:
        terms: `In(aligned_layout)`, a list; select: `In(1)`, which term counts;
        load: `In(1)`: start from `c`, with clear flags; else go on from `word` (the distance-1 bypass of a
        read-modify-write loop);
        enable: `In(1)`: take a term. A term of nothing without `load` changes nothing either, so it may be
        tied to 1;
        c: `In(width)`; word: `Out(width)`, the saturated sum; overflow, invalid: `Out(1)`, sticky.

    Timing: `word` follows its term after one cycle. No reset: defined from the first `load` on.
    """

    def __init__(self, config: FmaConfig, terms: int = 1):
        self.config = config
        width = config.accumulate.width
        super().__init__(
            {
                "terms": In(aligned_layout(config)).array(terms),
                "select": In(1),
                "load": In(1),
                "enable": In(1),
                "c": In(width),
                "word": Out(width),
                "overflow": Out(1),
                "invalid": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        width = self.config.accumulate.width
        total = Signal(width, reset_less=True)
        over, over_sign = Signal(reset_less=True), Signal(reset_less=True)
        sticky, invalid = Signal(reset_less=True), Signal(reset_less=True)
        m.d.comb += [
            self.word.eq(Mux(over, Cat((~over_sign).replicate(width - 1), over_sign), total)),
            self.overflow.eq(sticky),
            self.invalid.eq(invalid),
        ]
        base = named(m, "base", Mux(self.load, self.c, self.word))
        sums, overs = [], []
        for n, term in enumerate(self.terms):
            sum_n = Signal(width, name=f"sum{n}")
            m.d.comb += sum_n.eq(base + term.value + term.carry)
            wrapped = (base[-1] == term.value[-1]) & (sum_n[-1] != base[-1])
            sums.append(sum_n)
            overs.append(named(m, f"over{n}", wrapped | term.beyond))

        def select(values) -> Value:
            return values[0] if len(values) == 1 else Mux(self.select, values[1], values[0])

        now = select(overs)
        with m.If(self.enable):
            m.d.sync += [
                total.eq(select(sums)),
                over.eq(now),
                # A sum leaves the range on the side of its term, since both addends have that sign.
                over_sign.eq(select([term.negative for term in self.terms])),
                sticky.eq((sticky & ~self.load) | now),
            ]
            if self.config.flavour is Flavour.IEEE:
                m.d.sync += invalid.eq((invalid & ~self.load) | select([t.invalid for t in self.terms]))
        return m

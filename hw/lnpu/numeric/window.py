"""Windowed fixed-point accumulation: shift, add, saturate. One cycle, independent of order."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.lib.bits import shift_right, top_align
from lnpu.lib.pipeline import Rank
from lnpu.numeric.config import Dual, Flavour, FmaConfig, Share, WindowAccumulate
from lnpu.numeric.factors import Lane, factor_exponents, multiply, operands_layout, unpack_factors
from lnpu.numeric.geometry import PRODUCT, product_width
from lnpu.numeric.rounder import FLAGS

__all__ = ["CUTS", "WindowAlign", "WindowFactors", "WindowFma"]

CUTS: dict[int, tuple[int, ...]] = {1: (), 2: (1,), 3: (1, 2), 4: (0, 1, 2)}
"""Ranks in front of the accumulators for each latency: 0 at the input, 1 after the factors, 2 after the
aligner. The accumulators themselves are the last rank, so the loop is always one cycle."""


def _units(config: FmaConfig) -> tuple[tuple[str, int, int], ...]:
    """Aligner-adders of a configuration: (name, accumulator, product bits)."""
    if config.dual is Dual.NONE:
        return (("single", 0, PRODUCT),)
    low = product_width(config.dual)
    if config.share is Share.FULL:
        return (("lane0", 0, PRODUCT), ("lane1", 1, low))
    return (("single", 0, PRODUCT), ("lane0", 0, low), ("lane1", 1, low))


def _shift_bits(width: int) -> int:
    """Bits of a shift amount: `width` and above leave nothing, not even the rounding bit."""
    return width.bit_length()


def _term_layout(config: FmaConfig, bits: int, width: int) -> data.StructLayout:
    """A product on its way into the window.

    `product`: magnitude; `shift`: right shift from the top of the window, saturated; `negative`: sign;
    `idle`: contributes nothing; `beyond`: larger than the window; `invalid`: NaN or infinity (ieee).
    """
    invalid = {"invalid": 1} if config.flavour is Flavour.IEEE else {}
    return data.StructLayout(
        {
            "product": bits,
            "shift": _shift_bits(width),
            "negative": 1,
            "idle": 1,
            "beyond": 1,
            **invalid,
        }
    )


def _carried(config: FmaConfig) -> dict:
    return {"mode": 1, "c": config.accumulate.width * config.lanes, "clear": 1}


class WindowFactors(wiring.Component):
    """Unpack, multiply, and the distance of each product from the top of the window.

    Args:
        config: an FMA with windowed accumulate.

    Members:
        i: `In(operands_layout)`; o: `Out(struct of mode, c, clear and one term an aligner)`.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig):
        self.config = config
        width = config.accumulate.width
        terms = {name: _term_layout(config, bits, width) for name, _, bits in _units(config)}
        layout = data.StructLayout({**_carried(config), **terms})
        super().__init__({"i": In(operands_layout(config)), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        config, i, o = self.config, self.i, self.o
        mode = i.mode if config.dual is not Dual.NONE else Const(0)
        factors = unpack_factors(m, config, i)
        products = multiply(m, config, mode, factors)
        m.d.comb += [o.mode.eq(mode), o.c.eq(i.c), o.clear.eq(i.clear)]
        for name, lane, _ in _units(config):
            term = o[name]
            shared = config.share is Share.FULL
            single = factors.single if name == "single" or (shared and lane == 0) else None
            dual = factors.dual[lane] if factors.dual and name != "single" else None
            product = products["single" if single is not None else name]
            if single is not None and dual is not None and config.dual is Dual.FP8XFP8:
                # Lane 1's product shares these bits and must not reach lane 0.
                product = Cat(product[:8] & (~mode).replicate(8), product[8:])
            m.d.comb += term.product.eq(product)
            self._term(m, mode, term, single, dual)
        return m

    def _term(self, m: Module, mode: Value, term: data.View, single: Lane | None, dual: Lane | None):
        i = self.i
        s = i.s if dual is not None else None
        # The product's first bit weighs 2**(a + b + 1); at shift 0 it stands under the sign bit.
        a, b, offset = factor_exponents(mode, single, dual, s, 2)
        distance = Signal(signed(12))
        m.d.comb += distance.eq((i.top - offset) - (a + b))
        bits = len(term.shift)
        lanes = [lane for lane in (single, dual) if lane is not None]

        def choose(pick) -> Value:
            return Mux(mode, pick(lanes[-1]), pick(lanes[0]))

        off = Const(0)
        if single is None:
            off = ~mode
        elif dual is None and self.config.dual is not Dual.NONE:
            off = mode
        zero = choose(lambda lane: lane.zero)
        m.d.comb += [
            term.shift.eq(distance[:bits] | distance[bits:].any().replicate(bits)),
            term.negative.eq(choose(lambda lane: lane.a.sign ^ lane.b.sign)),
            term.idle.eq(off),
            term.beyond.eq(distance[-1] & ~zero & ~off),
        ]
        if self.config.flavour is Flavour.IEEE:
            special = choose(lambda lane: lane.a.nan | lane.b.nan | lane.a.infinity | lane.b.infinity)
            m.d.comb += [
                term.invalid.eq(special & ~off),
                term.idle.eq(off | special),
                term.beyond.eq(distance[-1] & ~zero & ~off & ~special),
            ]


def _aligned_layout(config: FmaConfig) -> data.StructLayout:
    invalid = {"invalid": 1} if config.flavour is Flavour.IEEE else {}
    return data.StructLayout(
        {"value": config.accumulate.width, "carry": 1, "negative": 1, "beyond": 1, **invalid}
    )


class WindowAlign(wiring.Component):
    """Shifts a product into the window and rounds it to nearest on the magnitude.

    The first dropped bit is the rounding carry; a negative term is inverted, and its two's-complement one
    and the rounding carry join into one carry for the adder: `-(q + r) == ~q + (1 - r)`.

    Args:
        config: an FMA with windowed accumulate; bits: product bits.

    Members:
        i: `In(term)`; hold: `In(1)`, contribute nothing; o: `Out(struct)`: `value` and `carry` to add.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig, bits: int):
        self.config = config
        term = _term_layout(config, bits, config.accumulate.width)
        super().__init__({"i": In(term), "hold": In(1), "o": Out(_aligned_layout(config))})

    def elaborate(self, platform):
        m = Module()
        i, o, width = self.i, self.o, self.config.accumulate.width
        idle = i.idle | self.hold
        # Sign position, magnitude, and one bit below for rounding: the sign position stays empty.
        word = top_align(i.product & (~idle).replicate(len(i.product)), width)
        word = shift_right(m, "shift", word, i.shift)
        m.d.comb += [
            o.value.eq(Cat(word[1:], Const(0)) ^ i.negative.replicate(width)),
            o.carry.eq(word[0] ^ i.negative),
            o.negative.eq(i.negative),
            o.beyond.eq(i.beyond & ~self.hold),
        ]
        if self.config.flavour is Flavour.IEEE:
            m.d.comb += o.invalid.eq(i.invalid & ~self.hold)
        return m


class WindowAdd(wiring.Component):
    """Adds an aligned term to an accumulator word, saturating.

    Args:
        config: an FMA with windowed accumulate.

    Members:
        i: `In(aligned term)`; base: `In(width)`; sum: `Out(width)`; overflow: `Out(1)`.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig):
        self.width = config.accumulate.width
        super().__init__(
            {
                "i": In(_aligned_layout(config)),
                "base": In(self.width),
                "sum": Out(self.width),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        i, width = self.i, self.width
        total = Signal(width)
        m.d.comb += total.eq(self.base + i.value + i.carry)
        wrapped = (self.base[-1] == i.value[-1]) & (total[-1] != self.base[-1])
        m.d.comb += [
            self.overflow.eq(wrapped | i.beyond),
            # Both saturations go the way of the term's sign: an overflow needs equal signs.
            self.sum.eq(Mux(self.overflow, Cat((~i.negative).replicate(width - 1), i.negative), total)),
        ]
        return m


class WindowFma(wiring.Component):
    """FMA with windowed fixed-point accumulators.

    `clear` starts a sum from `c` (a word of the array's files); without it the sum goes on from the last
    result, which is the distance-1 bypass of a read-modify-write loop. Overflow saturates and sets the
    lane's overflow flag until the next `clear`.

    Args:
        config: an FMA with windowed accumulate.

    Members:
        i: `In(stream of operands_layout)`; o: `Out(stream of d and flags)`.

    Timing: latency `latency`, one operation a cycle, accumulation loop of one cycle.
    """

    def __init__(self, config: FmaConfig):
        if not isinstance(config.accumulate, WindowAccumulate):
            raise ValueError(f"`accumulate` must be windowed, not {config.accumulate}")
        self.config = config
        self.latency = config.latency
        result = data.StructLayout({"d": config.accumulate.width * config.lanes, "flags": 5 * config.lanes})
        super().__init__(
            {"i": In(stream.Signature(operands_layout(config))), "o": Out(stream.Signature(result))}
        )

    def elaborate(self, platform):
        m = Module()
        config, cuts = self.config, CUTS[self.latency]
        source = flipped(self.i)
        if 0 in cuts:
            source = self._register(m, "input", source)
        m.submodules.factors = factors = WindowFactors(config)
        source = self._stage(m, "factors", source, factors.i, factors.o)
        if 1 in cuts:
            source = self._register(m, "factors", source)

        # Accumulators are the last rank: they take a term when they are empty or their content leaves.
        valid, ready, take = Signal(), Signal(), Signal()
        m.d.comb += [
            ready.eq(~valid | self.o.ready),
            self.o.valid.eq(valid),
        ]
        m.submodules.align = align = _AlignAll(config)
        # Where the aligner feeds the adder directly, a cycle without a term adds zero: accumulators hold
        # without an enable, and nothing toggles.
        m.d.comb += align.hold.eq(0 if 2 in cuts else ~take)
        source = self._stage(m, "align", source, align.i, align.o)
        if 2 in cuts:
            source = self._register(m, "align", source)
        m.d.comb += [source.ready.eq(ready), take.eq(source.valid & ready)]
        with m.If(ready):
            m.d.sync += valid.eq(source.valid)
        self._accumulate(m, source.payload, take, gated=2 in cuts)
        return m

    @staticmethod
    def _register(m: Module, name: str, source):
        m.submodules[f"rank_{name}"] = rank = Rank(source.payload.shape())
        connect(m, source, rank.i)
        return rank.o

    @staticmethod
    def _stage(m: Module, name: str, source, stage_i, stage_o):
        after = stream.Signature(stage_o.shape()).create(path=(f"after_{name}",))
        m.d.comb += [
            stage_i.eq(source.payload),
            after.payload.eq(stage_o),
            after.valid.eq(source.valid),
            source.ready.eq(after.ready),
        ]
        return after

    def _accumulate(self, m: Module, payload: data.View, take: Value, gated: bool):
        """Adders, accumulators and flags; `gated` accumulators hold by enable."""
        config, width = self.config, self.config.accumulate.width
        clear = payload.clear & take
        sums: dict[int, list] = {n: [] for n in range(config.lanes)}
        accumulators = [Signal(width, name=f"accumulator{n}", reset_less=True) for n in range(config.lanes)]
        for name, lane, _ in _units(config):
            m.submodules[f"add_{name}"] = add = WindowAdd(config)
            term = payload[name]
            m.d.comb += [
                add.i.eq(term),
                add.base.eq(Mux(clear, payload.c.word_select(lane, width), accumulators[lane])),
            ]
            sums[lane].append((add, term))
        for lane, (accumulator, candidates) in enumerate(zip(accumulators, sums.values(), strict=True)):
            (add, term), (other, other_term) = candidates[0], candidates[-1]
            total = add.sum if add is other else Mux(payload.mode, other.sum, add.sum)
            overflow = add.overflow if add is other else Mux(payload.mode, other.overflow, add.overflow)
            flags = Signal(FLAGS, name=f"flags{lane}")
            clear_or = {"overflow": overflow}
            if config.flavour is Flavour.IEEE:
                clear_or["invalid"] = term.invalid | other_term.invalid
            with m.If(take if gated else 1):
                m.d.sync += accumulator.eq(total)
            for field, now in clear_or.items():
                m.d.sync += flags[field].eq((flags[field] & ~clear) | (now & take))
            m.d.comb += [
                self.o.payload.d.word_select(lane, width).eq(accumulator),
                self.o.payload.flags.word_select(lane, 5).eq(flags),
            ]


class _AlignAll(wiring.Component):
    """The aligners of every term, side by side; `mode`, `c` and `clear` pass through.

    Members:
        i: `In(output of WindowFactors)`; hold: `In(1)`; o: `Out(struct)`.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig):
        self.config = config
        width = config.accumulate.width
        terms = {name: _term_layout(config, bits, width) for name, _, bits in _units(config)}
        aligned = {name: _aligned_layout(config) for name, _, _ in _units(config)}
        super().__init__(
            {
                "i": In(data.StructLayout({**_carried(config), **terms})),
                "hold": In(1),
                "o": Out(data.StructLayout({**_carried(config), **aligned})),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for name in _carried(self.config):
            m.d.comb += self.o[name].eq(self.i[name])
        for name, _, bits in _units(self.config):
            m.submodules[name] = align = WindowAlign(self.config, bits)
            m.d.comb += [align.i.eq(self.i[name]), align.hold.eq(self.hold), self.o[name].eq(align.o)]
        return m

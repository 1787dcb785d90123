"""First stage of the FMA: unpack the operands, multiply the significands, compare the exponents."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.formats import FP16
from lnpu.numeric.align import product_layout
from lnpu.numeric.compare import Compare
from lnpu.numeric.config import Dual, Flavour, FmaConfig, Share
from lnpu.numeric.geometry import PathGeometry, paths_of, scale_bits
from lnpu.numeric.multiply import SplitMultiplier
from lnpu.numeric.unpack import UnpackFloat, UnpackFp8

__all__ = [
    "Factors",
    "FloatFactors",
    "Lane",
    "factor_exponents",
    "operands_layout",
    "results_layout",
    "unpack_factors",
]


def operands_layout(config: FmaConfig) -> data.StructLayout:
    """The operands of one operation, as on the ports `i_*` of the exported unit."""
    names = {p.name[2:]: p for p in config.ports if p.name.startswith("i_")}
    return data.StructLayout(
        {
            name: signed(port.width) if name in ("s", "top") else port.width
            for name, port in names.items()
            if name not in ("valid", "ready")
        }
    )


def results_layout(config: FmaConfig) -> data.StructLayout:
    """Result words and flags, as on the ports `o_d` and `o_flags`."""
    return data.StructLayout({"d": config.accumulate.width * config.lanes, "flags": 5 * config.lanes})


@dataclass(frozen=True)
class Lane:
    """Unpacked factors of one lane in one mode."""

    a: data.View
    b: data.View
    bias: int
    """Sum of the biases of both exponents."""

    @property
    def zero(self) -> Value:
        """Whether the product is zero."""
        return self.a.zero | self.b.zero


@dataclass(frozen=True)
class Factors:
    """Unpacked factors of every mode: `single`, and one `Lane` for each dual lane."""

    single: Lane
    dual: tuple[Lane, ...]


def unpack_factors(m: Module, config: FmaConfig, i: data.View) -> Factors:
    """Add the unpackers of `a` and `b` to a module."""
    flavour = config.flavour

    def wide(name: str, code: Value) -> data.View:
        unit = UnpackFloat(FP16, flavour)
        m.submodules[name] = unit
        m.d.comb += unit.code.eq(code)
        return unit.o

    def narrow(name: str, code: Value, select: Value) -> data.View:
        unit = UnpackFp8(config.fp8.formats, flavour)
        m.submodules[name] = unit
        m.d.comb += [unit.code.eq(code), unit.select.eq(select)]
        return unit.o

    b_single = wide("unpack_b", i.b[:16])
    single = Lane(wide("unpack_a", i.a), b_single, 2 * FP16.bias)
    if config.dual is Dual.NONE:
        return Factors(single, ())
    fmt_a = i.fmt[0] if config.fmt_bits else Const(0)
    fmt_b = i.fmt[-1] if config.fmt_bits else Const(0)
    lanes = []
    bias8 = max(f.bias for f in config.fp8.formats)
    for n in range(2):
        a = narrow(f"unpack_a{n}", i.a[8 * n : 8 * n + 8], fmt_a)
        if config.dual is Dual.FP8XFP8:
            b, bias_b = narrow(f"unpack_b{n}", i.b[8 * n : 8 * n + 8], fmt_b), bias8
        else:
            b, bias_b = (wide("unpack_b1", i.b[16:]) if n else b_single), FP16.bias
        lanes.append(Lane(a, b, bias8 + bias_b))
    return Factors(single, tuple(lanes))


def significands(lane: Lane, mask: bool) -> tuple[Value, Value]:
    """Both significands; with `mask`, `a`'s is 0 where the product is zero."""
    a, b = lane.a.significand, lane.b.significand
    if mask:
        a = a & (~lane.zero).replicate(len(a))
    return a, b


def multiply(
    m: Module, config: FmaConfig, mode: Value, factors: Factors, mask_zeros: bool
) -> dict[str, Value]:
    """Add the multipliers to a module.

    With `mask_zeros`, the product of a zero is zero in the training flavour too, whose unpackers leave the
    mantissa of a zero in place.

    Returns:
        `single` (22 bits), and with a dual mode `lane0` and `lane1`. Of a shared multiplier `single` is the
        whole result, `lane0` its top.
    """
    mask = mask_zeros and config.flavour is Flavour.TRAINING
    a, b = significands(factors.single, mask)
    if config.dual is Dual.NONE:
        m.submodules.multiply = unit = SplitMultiplier(Dual.NONE)
        m.d.comb += [unit.a.eq(a), unit.b.eq(b)]
        return {"single": unit.p}
    (a0, b0), (a1, b1) = (significands(lane, mask) for lane in factors.dual)
    if config.share is Share.NONE:
        m.submodules.multiply = unit = SplitMultiplier(Dual.NONE)
        m.d.comb += [unit.a.eq(a), unit.b.eq(b)]
        products = {"single": unit.p}
        for n, (x, y) in enumerate(((a0, b0), (a1, b1))):
            product = Signal(len(x) + len(y), name=f"product{n}")
            m.d.comb += product.eq(x * y)
            products[f"lane{n}"] = product
        return products
    m.submodules.multiply = unit = SplitMultiplier(config.dual)
    m.d.comb += [unit.mode.eq(mode), unit.a.eq(Mux(mode, Cat(a1, Const(0, 3), a0), a))]
    if config.dual is Dual.FP8XFP8:
        m.d.comb += unit.b.eq(Mux(mode, Cat(b1, Const(0, 3), b0), b))
    else:
        m.d.comb += [unit.b.eq(b0), unit.b1.eq(b1)]
    return {"single": unit.p, "lane0": unit.p[-len(unit.p1) :], "lane1": unit.p1}


def factor_exponents(mode: Value, single: Lane | None, dual: Lane | None, s: Value | None, bias: int):
    """Exponents and offset of a lane: `a + b + offset` is the product's exponent with `bias`.

    Returns:
        `(a, b, offset)`; with both modes given, `mode` chooses.
    """
    if single is None:
        assert dual is not None
        assert s is not None
        return dual.a.exponent, dual.b.exponent, s + (bias - dual.bias)
    if dual is None:
        return single.a.exponent, single.b.exponent, Const(bias - single.bias, signed(10))
    b = dual.b.exponent if dual.b is single.b else Mux(mode, dual.b.exponent, single.b.exponent)
    return (
        Mux(mode, dual.a.exponent, single.a.exponent),
        b,
        Mux(mode, s + (bias - dual.bias), bias - single.bias),
    )


class FloatFactors(wiring.Component):
    """Unpack, multiply and compare, for every path of a unit with float accumulate.

    Args:
        config: the FMA.

    Members:
        i: `In(operands_layout)`; o: `Out(struct of one product_layout a path)`.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig):
        self.config = config
        self.paths = paths_of(config)
        paths = data.StructLayout({g.name: product_layout(g) for g in self.paths})
        super().__init__({"i": In(operands_layout(config)), "o": Out(paths)})

    def elaborate(self, platform):
        m = Module()
        config, i = self.config, self.i
        mode = i.mode if config.dual is not Dual.NONE else Const(0)
        factors = unpack_factors(m, config, i)
        products = multiply(m, config, mode, factors, mask_zeros=True)
        scale = None if config.dual is Dual.NONE else self._scale(m)
        acc = self.paths[0].acc
        addends = []
        for n in range(config.lanes):
            unit = UnpackFloat(acc, config.flavour)
            m.submodules[f"unpack_c{n}"] = unit
            m.d.comb += unit.code.eq(i.c.word_select(n, acc.width))
            addends.append(unit.o)
        for g in self.paths:
            self._path(m, g, mode, factors, products, addends, scale)
        return m

    def _scale(self, m: Module) -> Value:
        """The scale exponent, saturated to the bits that matter."""
        bits, s = scale_bits(self.config), self.i.s
        scale = Signal(signed(bits), name="scale")
        fits = (s[bits - 1 :] == s[-1].replicate(len(s) - bits + 1)) if bits < len(s) else Const(1)
        m.d.comb += scale.eq(Mux(fits, s[:bits], Cat((~s[-1]).replicate(bits - 1), s[-1])).as_signed())
        return scale

    def _path(
        self, m: Module, g: PathGeometry, mode, factors: Factors, products, addends, scale: Value | None
    ):
        o = self.o[g.name]
        first = g.dual_lanes[0] if g.dual_lanes else 0
        m.d.comb += [o.mode.eq(mode), o.p.eq(products["single" if g.single else f"lane{first}"])]
        if "p1" in o.shape().members:
            m.d.comb += o.p1.eq(products["lane1"])
        for n in range(g.lanes):
            single = factors.single if g.single and n == 0 else None
            dual = factors.dual[g.dual_lanes[n]] if g.dual_lanes else None
            c = addends[g.dual_lanes[n] if g.dual_lanes else 0]
            significand = c.significand
            if not g.ieee:
                significand &= (~c.zero).replicate(len(significand))
            m.submodules[f"compare_{g.name}{n}"] = compare = Compare(g, n)
            # Window position 0 is the product's upper integer bit.
            a, b, offset = factor_exponents(mode, single, dual, scale, g.acc.bias + 1)
            m.d.comb += [
                o.c[n].eq(significand),
                compare.a.exponent.eq(a),
                compare.b.exponent.eq(b),
                compare.offset.eq(offset),
                compare.c.exponent.eq(c.exponent),
                o[f"lane{n}"].eq(compare.o),
            ]
            for field in ("sign", "zero", "infinity", "nan", "signalling"):
                m.d.comb += compare.c[field].eq(c[field])
                for name, port in (("a", compare.a), ("b", compare.b)):
                    views = [getattr(lane, name)[field] for lane in (single, dual) if lane is not None]
                    m.d.comb += port[field].eq(Mux(mode, views[-1], views[0]))

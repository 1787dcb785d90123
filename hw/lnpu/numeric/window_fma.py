"""FMA with windowed fixed-point accumulators behind streams."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, flipped

from lnpu.lib.pipeline import register, through
from lnpu.numeric.config import FmaConfig, WindowAccumulate
from lnpu.numeric.factors import operands_layout, results_layout
from lnpu.numeric.rounder import FLAGS
from lnpu.numeric.window import (
    WindowAccumulator,
    WindowAlign,
    WindowFactors,
    aligned_layout,
    aligners,
    beside,
)

__all__ = ["CUTS", "WindowFma"]

CUTS: dict[int, tuple[int, ...]] = {1: (), 2: (1,), 3: (1, 2), 4: (0, 1, 2)}
"""Ranks in front of the accumulators for each latency: 0 at the input, 1 after the factors, 2 after the
aligner. The accumulators themselves are the last rank, so the loop is always one cycle."""


class _AlignAll(wiring.Component):
    """The aligners of all terms, side by side.

    Members:
        i: `In(output of WindowFactors)`; hold: `In(1)`, contribute nothing; o: `Out(struct)`, aligned terms.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig, shape: data.StructLayout):
        self.config = config
        aligned = {name: aligned_layout(config) for name, _, _ in aligners(config)}
        output = data.StructLayout({**beside(config), **aligned})
        super().__init__({"i": In(shape), "hold": In(1), "o": Out(output)})

    def elaborate(self, platform):
        m = Module()
        for name in beside(self.config):
            m.d.comb += self.o[name].eq(self.i[name])
        for name, _, bits in aligners(self.config):
            m.submodules[name] = align = WindowAlign(self.config, bits)
            m.d.comb += [align.i.eq(self.i[name]), align.hold.eq(self.hold), self.o[name].eq(align.o)]
        return m


class WindowFma(wiring.Component):
    """FMA with windowed fixed-point accumulators.

    `clear` starts a sum from `c` (a word of the array's files); without it the sum goes on from the last
    result. Overflow saturates and sets the lane's overflow flag until the next `clear`.

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
        super().__init__(
            {
                "i": In(stream.Signature(operands_layout(config))),
                "o": Out(stream.Signature(results_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, cuts = self.config, CUTS[self.latency]
        factors = WindowFactors(config)
        align = _AlignAll(config, factors.o.shape())

        source = flipped(self.i)
        if 0 in cuts:
            source = register(m, "input", source)
        source = through(m, "factors", source, factors)
        if 1 in cuts:
            source = register(m, "factors", source)
        source = through(m, "align", source, align)
        if 2 in cuts:
            source = register(m, "align", source)

        # Accumulators are the last rank: they take a term when they are empty or their content leaves.
        valid, take = Signal(), Signal()
        m.d.comb += [
            source.ready.eq(~valid | self.o.ready),
            take.eq(source.valid & source.ready),
            # Where the aligner feeds the adder directly, a cycle without a term adds nothing: the
            # accumulators hold without an enable, and nothing toggles.
            align.hold.eq(0 if 2 in cuts else ~take),
            self.o.valid.eq(valid),
        ]
        with m.If(source.ready):
            m.d.sync += valid.eq(source.valid)
        self._accumulate(m, source.payload, take, gated=2 in cuts)
        return m

    def _accumulate(self, m: Module, payload: data.View, take, gated: bool):
        """Connects the accumulators; `gated` ones hold by enable, the others by terms of nothing."""
        config, width = self.config, self.config.accumulate.width
        for lane in range(config.lanes):
            names = [name for name, target, _ in aligners(config) if target == lane]
            m.submodules[f"accumulator{lane}"] = unit = WindowAccumulator(config, len(names))
            m.d.comb += [
                unit.select.eq(payload.mode),
                unit.load.eq(payload.clear & (1 if gated else take)),
                unit.enable.eq(take if gated else 1),
                unit.c.eq(payload.c.word_select(lane, width)),
                *(term.eq(payload[name]) for term, name in zip(unit.terms, names, strict=True)),
            ]
            flags = Signal(FLAGS, name=f"flags{lane}")
            m.d.comb += [
                flags.overflow.eq(unit.overflow),
                flags.invalid.eq(unit.invalid),
                self.o.payload.d.word_select(lane, width).eq(unit.word),
                self.o.payload.flags.word_select(lane, 5).eq(flags),
            ]

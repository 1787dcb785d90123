"""The FMA: stages composed by configuration, with registers between them."""

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lnpu.lib.pipeline import register, through
from lnpu.numeric.add import Add
from lnpu.numeric.align import Align
from lnpu.numeric.config import Dual, FmaConfig
from lnpu.numeric.factors import FloatFactors, operands_layout, results_layout
from lnpu.numeric.geometry import PathGeometry, paths_of
from lnpu.numeric.negate import Negate
from lnpu.numeric.normalise import Normalise
from lnpu.numeric.rounder import Round
from lnpu.numeric.window_fma import WindowFma

__all__ = ["CUTS", "FloatFma", "fma"]

CUTS: dict[int, tuple[int, ...]] = {0: (), 1: (2,), 2: (1, 4), 3: (1, 3, 5), 4: (1, 3, 4, 5)}
"""Where the registers of each latency stand: after the n-th of the stages factors, align, add, negate,
normalise, round. Chosen by measurement for the shortest critical path, then for the fewest bits."""


class Parallel(wiring.Component):
    """The same stage of every path, side by side, as one stage.

    Members:
        i, o: structs with one field a path.

    Timing: combinational.
    """

    def __init__(self, stage: type, paths: tuple[PathGeometry, ...]):
        self.units = {g.name: stage(g) for g in paths}
        super().__init__(
            {
                "i": In(data.StructLayout({n: u.i.shape() for n, u in self.units.items()})),
                "o": Out(data.StructLayout({n: u.o.shape() for n, u in self.units.items()})),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for name, unit in self.units.items():
            m.submodules[name] = unit
            m.d.comb += [unit.i.eq(self.i[name]), self.o[name].eq(unit.o)]
        return m


class RoundAll(wiring.Component):
    """Rounds every lane of every path and selects by mode.

    Members:
        i: normalised lanes of every path; o: `Out(results_layout)`. In single mode lane 1's words are 0.

    Timing: combinational.
    """

    def __init__(self, config: FmaConfig, shape: data.StructLayout):
        self.config = config
        super().__init__({"i": In(shape), "o": Out(results_layout(config))})

    def elaborate(self, platform):
        m = Module()
        single, dual = None, {}
        mode = Const(0)
        for g in paths_of(self.config):
            path = self.i[g.name]
            mode = path.mode
            for n in range(g.lanes):
                unit = Round(g)
                m.submodules[f"round_{g.name}{n}"] = unit
                m.d.comb += unit.i.eq(path[f"lane{n}"])
                result = (unit.d, unit.flags.as_value())
                if g.single and n == 0:
                    single = result
                if g.dual_lanes:
                    dual[g.dual_lanes[n]] = result
        assert single is not None
        for field, target in enumerate((self.o.d, self.o.flags)):
            if self.config.dual is Dual.NONE:
                m.d.comb += target.eq(single[field])
            else:
                shared = dual[0][field] is single[field]
                low = dual[0][field] if shared else Mux(mode, dual[0][field], single[field])
                high = dual[1][field]
                m.d.comb += target.eq(Cat(low, high & mode.replicate(len(high))))
        return m


class FloatFma(wiring.Component):
    """FMA with float accumulate: `d = a*b + c` rounded once, or two of them in fp8.

    Args:
        config: see `FmaConfig`.

    Members:
        i: `In(stream of operands_layout)`; o: `Out(stream of results_layout)`.

    Timing: latency `latency`, one operation a cycle; a full pipeline holds while `o.ready` is low.
    """

    def __init__(self, config: FmaConfig):
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
        paths = paths_of(self.config)
        stages: list[tuple[str, wiring.Component]] = [("factors", FloatFactors(self.config))]
        for name, kind in (("align", Align), ("add", Add), ("negate", Negate), ("normalise", Normalise)):
            stages.append((name, Parallel(kind, paths)))
        stages.append(("round", RoundAll(self.config, stages[-1][1].o.shape())))

        source = flipped(self.i)
        for n, (name, stage) in enumerate(stages, start=1):
            source = through(m, name, source, stage)
            if n in CUTS[self.latency]:
                source = register(m, name, source)
        connect(m, source, flipped(self.o))
        return m


def fma(config: FmaConfig) -> wiring.Component:
    """The FMA of a configuration: `FloatFma` or `WindowFma`, same streams."""
    return WindowFma(config) if config.windowed else FloatFma(config)

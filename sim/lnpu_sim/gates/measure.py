"""Energy of layers on a mapped engine: what `lnpu asic` and the tables of results are made of."""

import enum
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lnpu.engine.config import EngineConfig, Pass
from lnpu.export.engine import TOP, engine_verilog
from lnpu.synth.blocks import BlockDesign, map_blocks
from lnpu.synth.conditions import Conditions
from lnpu.synth.energy import Circuit, circuit
from lnpu.synth.library import Library
from lnpu.synth.sram import SramModel
from lnpu.synth.sta import Annotation, Macro, annotate
from lnpu_sim.engine.cycles import predict
from lnpu_sim.engine.inputs import Technique
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.play import play
from lnpu_sim.engine.workload import Workload, pass_of
from lnpu_sim.gates.simulate import KINDS, Gates, build_gates
from lnpu_sim.rtl import RtlModule

__all__ = ["MappedEngine", "Numerics", "PassEnergy", "map_engine", "measure", "waiting"]


class Numerics(enum.Enum):
    """Numbers of the sparse input."""

    FP16 = "fp16"
    FP8 = "fp8"
    """Every element is an fp8 number; what is too small for one becomes zero."""
    FGMP = "fgmp"
    """fp8, and fp16 for the largest (at most 5 % of the non-zeros)."""

    def technique(self, skip: bool) -> Technique:
        """With zeros skipped or issued."""
        if self is Numerics.FP16:
            return Technique.SKIP if skip else Technique.NEITHER
        return Technique.BOTH if skip else Technique.FGMP

    @property
    def share(self) -> float:
        """Largest share of fp16 elements."""
        return 0.0 if self is Numerics.FP8 else 0.05


@dataclass(frozen=True)
class MappedEngine:
    """An engine mapped to a library.

    Args:
        config: geometry. verilog: what was mapped. design, library, conditions, sram: as mapped.
        period_ns: the period that gates were sized for. annotation: timing, loads, slews.
        circuit: for simulation.
    """

    config: EngineConfig
    verilog: str
    design: BlockDesign
    library: Library
    conditions: Conditions
    sram: SramModel
    period_ns: float
    annotation: Annotation
    circuit: Circuit

    def unit(self) -> RtlModule:
        """The compiled Verilog, beside which the netlist can be simulated."""
        return build_gates([self.verilog], TOP)


def map_engine(
    config: EngineConfig,
    library: Library,
    *,
    period_ns: float,
    sram: SramModel | None = None,
    conditions: Conditions | None = None,
    clock_gates: bool = True,
    tell: Callable[[str], None] = lambda what: None,
) -> MappedEngine:
    """Map an engine block by block; see `map_blocks`.

    Raises:
        SynthError: the library cannot carry it.
    """
    sram = sram or SramModel()
    conditions = conditions or Conditions.of(library)
    tell("exporting")
    verilog = engine_verilog(config)
    with tempfile.TemporaryDirectory(prefix="lnpu-asic-") as folder:
        source = Path(folder) / f"{TOP}.v"
        source.write_text(verilog, encoding="utf-8")
        design = map_blocks(
            [source],
            TOP,
            library,
            conditions,
            Path(folder),
            period_ns=period_ns,
            clock_gates=clock_gates,
            tell=tell,
        )
    tell("timing")
    macros = [
        Macro(
            memory.name,
            memory.inputs,
            memory.pins["r_data"],
            sram.access_ns,
            sram.setup_ns,
            sram.pin_ff,
        )
        for memory in design.memories
    ]
    annotation = annotate(design.netlist, library, conditions, macros)
    tell("energies")
    arrays = circuit(design, library, conditions, sram, annotation)
    return MappedEngine(config, verilog, design, library, conditions, sram, period_ns, annotation, arrays)


@dataclass(frozen=True)
class PassEnergy:
    """One pass of one layer.

    Args:
        layer: its name. kind: the pass. technique: of the input.
        zeros: share of zeros in the sparse input, as the engine gets it.
        macs: multiply-accumulates of the dense layer (valid taps, all channels), zeros included.
        cycles: of the whole pass, loads and drains too. slots: issued. utilisation: of lines.
        sampled: cycles whose transitions were counted. error: standard error of `pj` from sampling, relative.
        by_kind: pJ of the pass by `KINDS`, and `leakage`.
        by_block: pJ by module, memories in the module they are in.
        glitches: transitions over those that count.
        settled_ns: when the last net of any sampled cycle was quiet.
        clocked: share of registers that had a clock.
    """

    layer: str
    kind: Pass
    technique: Technique
    zeros: float
    macs: int
    cycles: int
    slots: int
    utilisation: float
    sampled: int
    error: float
    by_kind: dict[str, float]
    by_block: dict[str, float]
    glitches: float
    settled_ns: float
    clocked: float

    @property
    def pj(self) -> float:
        """Energy of the pass in pJ."""
        return sum(self.by_kind.values())

    @property
    def pj_per_mac(self) -> float:
        """pJ a multiply-accumulate of the dense layer; half of it is an effective FLOP."""
        return self.pj / self.macs

    @property
    def flops_per_watt(self) -> float:
        """Effective FLOP a joule, zeros counted."""
        return 2 * self.macs / (self.pj * 1e-12)


def measure(
    engine: MappedEngine,
    unit: RtlModule,
    work: Workload,
    kind: Pass,
    technique: Technique,
    *,
    share: float = 0.05,
    samples: int = 600,
) -> PassEnergy:
    """Play a pass with its operands from memory to results, and count energy in a sample of its cycles.

    Args:
        engine: mapped. unit: `engine.unit()`. work, kind, technique, share: as `pass_of`.
        samples: cycles whose transitions are counted, spread evenly over the pass.

    Raises:
        RtlError: an output of the netlist differed from the Verilog's in any cycle.
    """
    layer, tensor = pass_of(work, kind, technique, ones=kind is Pass.WG, share=share)
    program = plan(layer, tensor, engine.config)
    total = predict(program, engine.config)["total"]
    every = max(1, total // samples) | 1  # odd: not in step with what goes by powers of two
    unit.reset()
    gates = Gates(unit, engine.circuit)
    try:
        unit.reset()
        gates.sample(every, 1)
        played = play(unit, engine.config, program)
        seen = gates.activity()
    finally:
        gates.close()
    scale = seen.cycles / max(1, seen.sampled) / 1000  # fJ of the sample to pJ of the pass
    by_kind = {name: float(x) for name, x in zip(KINDS, seen.energy_fj.sum(0) * scale, strict=True)}
    leakage_nw = sum(engine.circuit.leakage_nw) + engine.circuit.sram_leakage_nw
    by_kind["leakage"] = leakage_nw * engine.period_ns * seen.cycles * 1e-6
    blocks = {b: float(x) for b, x in zip(engine.circuit.blocks, seen.energy_fj.sum(1) * scale, strict=True)}
    sparse = layer.sparse.present
    return PassEnergy(
        layer=work.name,
        kind=kind,
        technique=technique,
        zeros=1 - float(np.mean(sparse)),
        macs=_macs(work),
        cycles=seen.cycles,
        slots=played.counts["issue8"] + played.counts["issue16"],
        utilisation=played.utilisation,
        sampled=seen.sampled,
        error=seen.standard_error,
        by_kind=by_kind,
        by_block=blocks,
        glitches=seen.transitions / max(1, seen.changes),
        settled_ns=seen.latest_ps / 1000,
        clocked=seen.clocked,
    )


def waiting(engine: MappedEngine, unit: RtlModule, cycles: int = 200) -> float:
    """pJ of a cycle in which the engine has nothing to do, leakage included."""
    unit.reset()
    gates = Gates(unit, engine.circuit)
    try:
        unit.reset()
        unit.step(20)
        gates.sample(1, 1)
        unit.step(cycles)
        seen = gates.activity()
    finally:
        gates.close()
    leakage_nw = sum(engine.circuit.leakage_nw) + engine.circuit.sram_leakage_nw
    return seen.per_cycle_fj / 1000 + leakage_nw * engine.period_ns * 1e-6


def _macs(work: Workload) -> int:
    """Of the dense layer: every valid tap of every output pixel, all channels."""
    s = work.shape

    def valid(size: int, outputs: int) -> int:
        at = np.arange(outputs)[:, None] * s.stride + np.arange(s.kernel) - s.padding
        return int(((at >= 0) & (at < size)).sum())

    taps = valid(s.height, s.output_height) * valid(s.width, s.output_width)
    return len(work.x) * taps * s.inputs * s.outputs

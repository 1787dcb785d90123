"""A layer's passes on a compiled engine, compared with the golden model and with dense fp16."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lnpu.engine.config import EngineConfig, Pass
from lnpu_sim.engine.inputs import Technique
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.planner import plan
from lnpu_sim.engine.play import Played, play
from lnpu_sim.engine.workload import Workload, pass_of
from lnpu_sim.rtl import RtlModule

__all__ = ["PassCheck", "check_passes"]


@dataclass(frozen=True)
class PassCheck:
    """One pass under one technique.

    Args:
        kind, technique: what was run. played: what the hardware did. equal: results and flags are those of
            the model. speed_up: cycles of dense fp16 over these, from the first to the last issue.
    """

    kind: Pass
    technique: Technique
    played: Played
    equal: bool
    speed_up: float

    @property
    def slots(self) -> int:
        """Slots issued by all lines."""
        return self.played.counts["issue8"] + self.played.counts["issue16"]

    @property
    def cycles(self) -> int:
        """From the first to the last issue."""
        return self.played.counts["cycles"]

    @property
    def utilisation(self) -> float:
        """Slots over line cycles."""
        return self.played.utilisation


def check_passes(unit: RtlModule, config: EngineConfig, work: Workload) -> Iterator[PassCheck]:
    """FP, BP and WG (with the bias gradient), each dense in fp16 and with zero-skipping and mixed precision.

    Raises:
        EngineError: the layer does not fit the engine. StreamError: the engine hangs or breaks a stream rule.
    """
    for kind in Pass:
        dense = 0
        for technique in (Technique.NEITHER, Technique.BOTH):
            layer, tensor = pass_of(work, kind, technique, ones=kind is Pass.WG)
            program = plan(layer, tensor, config)
            want, got = EngineModel(config).run(program), play(unit, config, program)
            equal = bool(np.array_equal(got.beats, want.beats) and np.array_equal(got.last, want.last))
            flags = (got.overflow, got.full, got.errors) == (want.overflow, want.full, want.errors)
            cycles = got.counts["cycles"]
            dense = dense or cycles
            yield PassCheck(kind, technique, got, equal and flags, dense / max(1, cycles))

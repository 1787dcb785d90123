"""A mapped netlist in lockstep with a compiled module: outputs compared in all cycles, energy in a sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lnpu.synth.energy import CLOCK_GATE, GATE, NONE, RAM, REGISTER, Circuit
from lnpu_sim.rtl import RtlModule, build
from lnpu_sim.rtl.toolchain import RtlError

__all__ = ["KINDS", "Activity", "Gates", "build_gates"]

KINDS = ("combinational", "registers", "clock", "sram", "inputs")
"""What energy is spent on: gates, outputs of registers, clock pins, memories, nets driven from outside."""

_SOURCE = Path(__file__).with_name("gates.cpp")
_WIRE = np.dtype(
    [("storage", "u8"), ("bit", "u4"), ("net", "u4"), ("valid", "u4"), ("energy", "f4", 2)], align=True
)
_NUMBERS = (
    "cycles",
    "sampled",
    "mismatches",
    "first_mismatch",
    "bad_output",
    "unsettled",
    "transitions",
    "changes",
    "latest_ps",
    "clocked",
    "registers",
)


@dataclass(frozen=True)
class Activity:
    """What was seen since sampling began.

    Args:
        cycles: clock cycles played. sampled: those whose transitions were counted.
        energy_fj: [blocks, KINDS] of the sampled cycles.
        accesses: int [memories, 2] of the sampled cycles: reads, writes.
        transitions: of nets, in the sampled cycles. changes: nets that ended a cycle with another value; the
            rest of `transitions` are glitches.
        latest_ps: time of the last transition of any sampled cycle.
        clocked: share of the registers' cycles in which they had a clock.
        squares_fj2: sum of the squares of the sampled cycles' energies.
    """

    cycles: int
    sampled: int
    energy_fj: NDArray[np.float64]
    accesses: NDArray[np.uint64]
    transitions: int
    changes: int
    latest_ps: int
    clocked: float
    squares_fj2: float

    @property
    def standard_error(self) -> float:
        """Of the mean energy of a cycle, relative to it, from the spread of the samples."""
        n, mean = max(2, self.sampled), self.per_cycle_fj
        variance = max(0.0, self.squares_fj2 / n - mean**2) / (n - 1)
        return variance**0.5 / mean if mean else 0.0

    @property
    def per_cycle_fj(self) -> float:
        """Mean energy of a cycle without leakage."""
        return float(self.energy_fj.sum()) / max(1, self.sampled)


def build_gates(sources: Sequence[str | Path], top: str) -> RtlModule:
    """Compile Verilog so that a netlist can be simulated beside it (see `Gates`)."""
    return build(sources, top, campaign=_SOURCE, seed=0)


class Gates:
    """A netlist beside a module of `build_gates`; follows every cycle that the module is played.

    Args:
        unit: just built or reset: registers and memories of both begin with zeros.
        circuit: the netlist.

    Raises:
        RtlError: ports differ.
    """

    def __init__(self, unit: RtlModule, circuit: Circuit) -> None:
        self._unit, self._circuit = unit, circuit
        sizes = np.zeros(7, np.uint64)
        unit.call("gates_sizes", sizes)
        kinds = (GATE, REGISTER, CLOCK_GATE, RAM, _WIRE)
        want = [*(kind.itemsize for kind in kinds), len(KINDS)]
        if sizes[:6].tolist() != want:
            raise RtlError(f"the structures in gates.cpp {sizes.tolist()} and in Python {want} differ")
        if len(circuit.gates) and int(circuit.gates["delay"].max()) >= int(sizes[6]):
            raise RtlError(f"a gate's delay of {int(circuit.gates['delay'].max())} ps is above {sizes[6]} ps")
        inputs, outputs = self._wires(False), self._wires(True)
        self._outputs = outputs
        c = circuit
        parts = [c.gates, c.registers, c.clock_gates, c.rams, c.ram_nets, inputs, outputs]
        counts = np.array([*map(len, parts), c.nets, len(c.blocks)], np.uint64)
        unit.call("gates_open", counts, *(np.ascontiguousarray(part) for part in parts))

    def _wires(self, output: bool) -> NDArray[np.void]:
        wires = []
        found = {name: port for name, port in self._unit.ports.items() if name != self._unit.clock}
        if set(found) != set(self._circuit.ports):
            differ = sorted(set(found) ^ set(self._circuit.ports))
            raise RtlError(f"ports of the netlist and of the module differ: {', '.join(differ)}")
        for name, port in found.items():
            nets = self._circuit.ports[name]
            if len(nets) != port.bits:
                raise RtlError(f"port {name} has {port.bits} bits, {len(nets)} in the netlist")
            if port.output == output:
                storage = self._unit.address(name, output=output)
                # What a stream shows while it is not valid is nobody's concern, and free to the mapper.
                valid = self._circuit.ports.get(f"{name.split('_')[0]}_valid", [NONE])[0] if output else NONE
                energy = self._circuit.net_energy
                wires += [(storage, i, net, valid, energy[net]) for i, net in enumerate(nets)]
        return np.array(wires, _WIRE)

    def sample(self, every: int, window: int) -> None:
        """From now on sample the first `window` of every `every` cycles; forget what was counted before."""
        if not 0 < window <= every:
            raise ValueError(f"`window` must be 1 to {every}, not {window}")
        self._unit.call("gates_sample", every, window)

    def activity(self) -> Activity:
        """What was counted since `sample`.

        Raises:
            RtlError: an output differed from the module's, or delays changed how a cycle ended.
        """
        energy = np.zeros((len(self._circuit.blocks), len(KINDS)))
        accesses = np.zeros((len(self._circuit.rams), 2), np.uint64)
        raw = np.zeros(len(_NUMBERS), np.uint64)
        squares = np.zeros(1)
        self._unit.call("gates_result", energy, accesses, raw, squares)
        n = dict(zip(_NUMBERS, (int(x) for x in raw), strict=True))
        if n["mismatches"]:
            port = self._port_of(n["bad_output"])
            raise RtlError(
                f"{n['mismatches']} differences between netlist and Verilog, the first in cycle "
                f"{n['first_mismatch']} at {port}"
            )
        if n["unsettled"]:
            raise RtlError(f"{n['unsettled']} cycles ended otherwise with delays than without")
        return Activity(
            cycles=n["cycles"],
            sampled=n["sampled"],
            energy_fj=energy,
            accesses=accesses,
            transitions=n["transitions"],
            changes=n["changes"],
            latest_ps=n["latest_ps"],
            clocked=n["clocked"] / max(1, n["registers"]),
            squares_fj2=float(squares[0]),
        )

    def _port_of(self, index: int) -> str:
        net = int(self._outputs[index]["net"])
        return next(
            (f"{name}[{nets.index(net)}]" for name, nets in self._circuit.ports.items() if net in nets), "?"
        )

    def close(self) -> None:
        """Stop following the module."""
        self._unit.call("gates_close")

"""Logic depth of a netlist of FPGA cells: tables and multipliers on the longest path."""

from collections.abc import Iterable

from lnpu.synth.graph import topological
from lnpu.synth.netlist import Bit, Instance, Netlist

__all__ = ["depth"]

_FREE = ("PFUMX", "L6MUX21", "SB_CARRY")
"""Cells that add no level: multiplexers inside a slice, and a carry whose sum is a table of its own."""

_REGISTERS = ("TRELLIS_FF", "DP16KD", "PDPW16KD", "SB_DFF", "SB_RAM40_4K", "SB_SPRAM256KA")
_MAC_REGISTERS = ("A_REG", "B_REG", "C_REG", "D_REG", "PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2")


def depth(netlist: Netlist) -> int:
    """Levels between registers, inputs and outputs: a table is one, a multiplier one, a carry chain one.

    Raises:
        SynthError: a combinational loop.
    """
    nodes: list[tuple[Instance, str, Bit]] = [
        (instance, pin, bit)
        for instance in netlist.instances
        for pin in sorted(instance.outputs)
        for bit in instance.pins.get(pin, ())
    ]
    drivers = {bit: index for index, (_, _, bit) in enumerate(nodes)}
    boundary = [_is_register(instance) for instance, _, _ in nodes]
    inputs = [[bit for name in _feeding(i, pin) for bit in i.pins[name]] for i, pin, _ in nodes]
    order = topological(inputs, drivers, boundary, [f"{i.name} ({i.type})" for i, _, _ in nodes])
    level: dict[Bit, int] = {}
    for index in order:
        instance, _, net = nodes[index]
        if boundary[index]:
            level[net] = 0
        elif instance.type == "CCU2C":
            carry = set(instance.pins.get("CIN", ()))
            level[net] = max(_deepest(level, carry), _deepest(level, set(inputs[index]) - carry) + 1)
        else:
            level[net] = _deepest(level, inputs[index]) + (instance.type not in _FREE)
    return max(level.values(), default=0)


def _deepest(level: dict[Bit, int], bits: Iterable[Bit]) -> int:
    return max((level.get(bit, 0) for bit in bits), default=0)


def _is_register(instance: Instance) -> bool:
    if instance.type == "SB_MAC16":
        selects = (instance.parameters.get(f"{half}OUTPUT_SELECT", "0") for half in ("TOP", "BOT"))
        registered = (instance.parameters.get(name, "0") for name in _MAC_REGISTERS)
        return any(_number(p) for p in registered) or any(_number(p) == 1 for p in selects)
    return instance.type.startswith(_REGISTERS)


def _number(parameter: str) -> int:
    """A parameter as Yosys writes it: a string of bits."""
    return int(parameter, 2) if parameter and set(parameter) <= {"0", "1"} else 0


def _feeding(instance: Instance, output: str) -> Iterable[str]:
    """Input pins that reach an output without a register."""
    pins = [name for name in instance.pins if name not in instance.outputs]
    if instance.type == "TRELLIS_DPR16X4":  # the write side is clocked
        return [name for name in pins if name == "RAD"]
    if instance.type == "CCU2C" and output == "S0":
        return [name for name in pins if name == "CIN" or name.endswith("0")]
    return pins

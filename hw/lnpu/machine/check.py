"""What the sequencer asks of a command before it hands it on."""

from functools import reduce
from operator import or_

from amaranth.hdl import Const, Value

from lnpu.bus.limits import MAX_WORDS
from lnpu.engine.config import EngineConfig
from lnpu.machine.commands import ADDRESSES, SIZES, Opcode

__all__ = ["misaligned", "wrong_shape"]


def _any(values) -> Value:
    return reduce(or_, values, Const(0))


def misaligned(op: Opcode, view) -> Value:
    """1: an address or stride of the command is no multiple of 8."""
    return _any(Value.cast(view[name])[:3].any() for name in ADDRESSES.get(op, ()))


def wrong_shape(op: Opcode, view, config: EngineConfig) -> Value:
    """1: a size or format of the command is out of range; as `lnpu.machine.commands.refused`."""
    found = [view[name] == 0 for name in SIZES.get(op, ())]
    if op is Opcode.FILL:
        found.append(view.words > MAX_WORDS)
    if op is Opcode.DRAIN:
        found.append(view.elements > config.lanes)
    if op in (Opcode.ENCODE, Opcode.MASK):
        found.append(view.mask_in.any() & view.mask_out.any())
    if op in (Opcode.ENCODE, Opcode.DECODE):
        found += [~_any(view.k8 == k for k in (1, 2, 4)), (view.k16 != 4) & (view.k16 != 6)]
        found.append((view.bias < -8) | (view.bias > 7))
    if op is Opcode.UPDATE:
        found.append(view.count[:2].any())
    return _any(found)

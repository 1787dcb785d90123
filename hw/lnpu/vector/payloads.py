"""Commands as the units of the vector unit take them."""

from amaranth.lib import data

from lnpu.machine.commands import Opcode
from lnpu.machine.payloads import record_layout

__all__ = ["encode_task"]


def encode_task() -> data.StructLayout:
    """ENCODE, or (`dense`) MASK with the fields in the places of ENCODE's."""
    return data.StructLayout({"record": record_layout(Opcode.ENCODE), "dense": 1})

"""What a transposition scheme offers, and the one that a configuration names."""

from typing import Any, Protocol

from lnpu.buffer.scheme import Scheme
from lnpu.buffer.shift import ShiftTransposer
from lnpu.buffer.transpose import Axis, TransposeBuffer

__all__ = ["Transposer", "make_transposer"]


class Transposer(Protocol):
    """A component that takes tiles by columns and gives them back by rows, in order.

    A new scheme (a diagonal memory with a rotator, a memory of two axes, a transfer by way of SRAM) is a
    component with these members, a value of `Scheme`, and a line in `make_transposer`.

    Attributes:
        size: elements a side of a tile.
        latency: cycles from a read to its beat, when `o.ready` stays high; always the same.
        i: `In(stream(vector_layout(size)))`: a column of the tile. The user writes with `axis` 1, `index`
            0, 1, ... and `last` at the tile's end, after 1 to `size` columns.
        read: `In(stream(access_layout(size)))`: a row of the oldest complete tile. The user reads with
            `axis` 0, `index` 0, 1, ..., and `last` after 1 to `size` rows, which gives the tile back. Must
            wait while no tile is complete; may be offered long before.
        o: `Out(stream)` of `elements` and `last`, one beat a read. Elements of columns that were not
            written are undefined.

    Timing: one column and one row a cycle, sustained also from tile to tile. A complete tile must come out
    without anything more going in. No path from `o.ready` to a valid.
    """

    size: int
    latency: int
    i: Any
    read: Any
    o: Any


def make_transposer(scheme: Scheme, size: int) -> ShiftTransposer | TransposeBuffer:
    """The component of a scheme, a `Transposer`."""
    if scheme is Scheme.SHIFT:
        return ShiftTransposer(size)
    return TransposeBuffer(size, read_axes=(Axis.ROW,))

"""Sparse decoder: rows of words to the elements of their blocks."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import CAUSE_BITS
from lnpu.codec.guard import BlockGuard
from lnpu.codec.parser import SparseParser
from lnpu.codec.payloads import block_command, sparse_beat, word

__all__ = ["SparseDecoder"]


class SparseDecoder(wiring.Component):
    """`SparseParser` behind a `BlockGuard`: malformed blocks are delivered empty.

    Args:
        fold: escapes absorbed in the cycle of the non-zero behind them, 1 to 3.

    Members:
        command: `In(stream(block_command))`, one a row. i: `In(stream(word))`, the row's words.
        o: `Out(stream(sparse_beat))`; every block ends with one beat that has `last`.
        errors: sticky `Cause` bits. clear: clears them.

    Timing: one element a cycle, sustained within a row, one idle cycle between rows.
    """

    def __init__(self, fold: int = 3):
        super().__init__(
            {
                "command": In(stream.Signature(block_command())),
                "i": In(stream.Signature(word())),
                "o": Out(stream.Signature(sparse_beat())),
                "errors": Out(CAUSE_BITS),
                "clear": In(1),
            }
        )
        self.fold = fold

    def elaborate(self, platform):
        m = Module()
        m.submodules.parser = parser = SparseParser(self.fold)
        m.submodules.guard = guard = BlockGuard()
        wiring.connect(m, wiring.flipped(self.command), parser.command)
        wiring.connect(m, wiring.flipped(self.i), parser.i)
        wiring.connect(m, parser.o, guard.i)
        wiring.connect(m, guard.o, wiring.flipped(self.o))
        m.d.comb += [self.errors.eq(parser.errors), parser.clear.eq(self.clear)]
        return m

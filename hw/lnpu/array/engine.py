"""A line with its address path: compressed rows of X go in, accumulator words come out."""

from amaranth.hdl import Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.array.config import EngineConfig
from lnpu.array.issuer import Issuer
from lnpu.array.line import Line
from lnpu.array.payloads import drain_command, drained_word, operand_word
from lnpu.array.store import SparseStore
from lnpu.array.walk_payloads import fill_command, pass_layout, walk_command
from lnpu.array.walker import TapWalker
from lnpu.codec.config import CAUSE_BITS
from lnpu.codec.payloads import block_command, word
from lnpu.codec.sparse import SparseDecoder

__all__ = ["LineEngine"]


class LineEngine(wiring.Component):
    """Decoder, X buffer, tap walker, issuer and line.

    Args:
        config: geometry.

    Members:
        start, wg, scale, top: as in `Line`; shape: `In(pass_layout)`, constant during a pass.
        rows: `In(stream(block_command))`, words: `In(stream(word))`: rows of the sparse input, in order.
        fills: `In(stream(fill_command))`; walks: `In(stream(walk_command))`;
        loads, drains, o, overflow, issue: as in `Line`.
        full: `Out(1)`, an X bank overflowed; errors: `Out`, sticky `Cause` bits of malformed rows; both until
        `start`.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        line = config.line
        super().__init__(
            {
                "start": In(1),
                "wg": In(1),
                "scale": In(signed(9)),
                "top": In(signed(9)),
                "shape": In(pass_layout(config)),
                "rows": In(stream.Signature(block_command())),
                "words": In(stream.Signature(word())),
                "fills": In(stream.Signature(fill_command(config))),
                "walks": In(stream.Signature(walk_command(config))),
                "loads": In(stream.Signature(operand_word(line))),
                "drains": In(stream.Signature(drain_command(line))),
                "o": Out(stream.Signature(drained_word(line))),
                "overflow": Out(1),
                "full": Out(1),
                "errors": Out(CAUSE_BITS),
                "issue": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.decoder = decoder = SparseDecoder(config.fold)
        m.submodules.store = store = SparseStore(config)
        m.submodules.walker = walker = TapWalker(config)
        m.submodules.issuer = issuer = Issuer(config)
        m.submodules.line = line = Line(config.line)
        outside = wiring.flipped
        for mine, inner in (
            (self.rows, decoder.command),
            (self.words, decoder.i),
            (self.fills, store.fill),
            (self.walks, walker.command),
            (self.loads, line.loads),
            (self.drains, line.drains),
        ):
            wiring.connect(m, outside(mine), inner)
        wiring.connect(m, line.o, outside(self.o))
        wiring.connect(m, decoder.o, store.i)
        wiring.connect(m, walker.o, issuer.i)
        wiring.connect(m, issuer.o, line.slots)
        for name in ("span_read", "bank", "block", "read", "read_bank", "place", "free"):
            m.d.comb += getattr(store, name).eq(getattr(issuer, name))
        m.d.comb += [
            issuer.span.eq(store.span),
            issuer.element.eq(store.element),
            issuer.shape.eq(self.shape),
            walker.shape.eq(self.shape),
            walker.filled.eq(store.filled),
            store.claim.eq(walker.claim),
            *(unit.clear.eq(self.start) for unit in (decoder, store, walker, issuer)),
            *(getattr(line, name).eq(getattr(self, name)) for name in ("start", "wg", "scale", "top")),
            self.overflow.eq(line.overflow),
            self.issue.eq(line.issue),
            self.full.eq(store.full),
            self.errors.eq(decoder.errors),
        ]
        return m

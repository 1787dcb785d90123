"""Dealer: looks up every pixel's blocks, chooses a line for it, and gives the line its blocks."""

from amaranth.hdl import Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.engine.block_payloads import block_layout, look_layout
from lnpu.engine.collector import table_layout
from lnpu.engine.config import EngineConfig, Policy
from lnpu.engine.payloads import pass_layout, span_layout, walk_command
from lnpu.engine.policies import chooser
from lnpu.engine.walker import Walker

__all__ = ["Dealer"]


class Dealer(wiring.Component):
    """The input load balancer (`docs/engine.md`, section 6).

    One walker looks up the blocks of the pixels in order, a span a cycle: all that the X buffer's port
    gives. So a pixel's work and all work before it is known when its line is chosen, and the choice
    depends on data alone.

    Args:
        config: geometry and policy.

    Members:
        start: `In(1)`: begin a pass, from any state. shape: `In(pass_layout)`, constant in a pass.
        walks: `In(stream(walk_command))`.
        filled: `In(2)`: X banks that may be read. claim: `Out(2)`, a pulse: the last walk on that bank was
        taken; `filled` must be low in the next cycle, until the bank is filled again.
        look: `Out(stream(look_layout))`; span: `In(span_layout)`, one cycle after a request was taken.
        blocks: `Out(stream(block_layout))` a line. idle: `In(lines)`: that line has issued all it was given.
        released: `In(2)` a line, pulses: the line has fetched everything of a bank that a walk frees;
        free: `Out(2)`, a pulse: all lines have.
        table_at: `In(table_layout)`, table_line: `Out`, one cycle later: the line of a pixel as the table has
        it. drained: `In(2)`: a Row bank was drained (FP, BP): a walk deals anew only on a bank whose results
        are out, so that the table lasts as long as it is needed.
        filling: `Out(1)`: the next walk waits for its X bank. looking: `Out(1)`: blocks are being looked up,
        and none waits for a line.

    Timing: a lookup a cycle from tap to tap and from pixel to pixel; from the last lookup of a walk to the
    first of the next 8 cycles, while the lines issue what they have. `blocks` follow lookups by 2 cycles;
    empty blocks are dropped.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "shape": In(pass_layout(config)),
                "walks": In(stream.Signature(walk_command(config))),
                "filled": In(2),
                "claim": Out(2),
                "look": Out(stream.Signature(look_layout(config))),
                "span": In(span_layout(config)),
                "blocks": Out(stream.Signature(block_layout(config))).array(config.lines),
                "idle": In(config.lines),
                "released": In(2).array(config.lines),
                "free": Out(2),
                "table_at": In(table_layout(config)),
                "table_line": Out(config.line_bits),
                "drained": In(2),
                "filling": Out(1),
                "looking": Out(1),
            }
        )

    def elaborate(self, platform):
        outer = Module()
        outer.submodules.core = ResetInserter(self.start)(self._core())
        return outer

    def _core(self):
        m = Module()
        config = self.config
        m.submodules.walker = walker = Walker(config)
        m.d.comb += [
            walker.shape.eq(self.shape),
            walker.walks.payload.eq(self.walks.payload),
            walker.walks.valid.eq(self.walks.valid),
            self.walks.ready.eq(walker.walks.ready),
            walker.filled.eq(self.filled),
            self.claim.eq(walker.claim),
            self.look.payload.eq(walker.look.payload),
            self.look.valid.eq(walker.look.valid),
            walker.look.ready.eq(self.look.ready),
            walker.span.eq(self.span),
            self.filling.eq(walker.idle & self.walks.valid & ~walker.walks.ready),
        ]
        # Short replayed walks leave the walker while results of earlier ones on their bank are still inside:
        # all are counted, and a walk that the counter has no room for waits.
        command = self.walks.payload
        taken = self.walks.valid & self.walks.ready & command.last & ~self.shape.wg
        waits = Signal(2)
        for bank in range(2):
            undrained = Signal(3, name=f"undrained{bank}")  # results of a Row bank
            more = taken & (command.row_bank == bank)
            m.d.sync += undrained.eq(undrained + more - (self.drained[bank] & (undrained != 0)))
            m.d.comb += waits[bank].eq(Mux(command.replay, undrained.all(), undrained != 0))
        m.d.comb += walker.held.eq(~self.shape.wg & waits.bit_select(command.row_bank, 1))
        line, dealt = self._give(m, walker)
        self._table(m, walker, line, dealt)
        self._release(m)
        return m

    def _give(self, m, walker):
        """The oldest lookup goes to its line, the end of a walk to all of them."""
        config, shape, walk, entry = self.config, self.shape, walker.walk, walker.o.payload
        lines = config.lines
        m.submodules.policy = policy = chooser(config)
        fresh = Signal(init=1)  # the next lookup begins a pixel
        begun = Signal()  # a pixel of the walk was dealt
        kept = Signal(lines)
        line, everyone, target = Signal(lines), Signal(), Signal(lines)
        some, leave, dealt = Signal(), Signal(), Signal()
        sent, taken = Signal(lines), Signal(lines)
        valid = Signal()
        # Only without run-ahead: a walk begins when all lines have issued the one before.
        barrier = config.policy is Policy.NONE
        hold = ~begun & ~entry.end & (self.idle != (1 << lines) - 1) if barrier else Const(0)
        turned = Signal(range(2 * lines))
        m.d.comb += turned.eq(entry.line + walk.turn)
        found = Signal(config.line_bits)
        m.d.comb += found.eq(Mux(turned >= lines, turned - lines, turned))
        replayed = Const(1, lines) << found
        m.d.comb += [
            valid.eq(walker.o.valid & ~hold),
            line.eq(Mux(fresh, Mux(walk.replay, replayed, policy.choice), kept)),
            everyone.eq(entry.end | walk.all),
            some.eq(entry.end | (entry.inside & ((entry.span.n8 != 0) | (entry.span.n16 != 0)))),
            target.eq((line | everyone.replicate(lines)) & some.replicate(lines)),
            leave.eq(valid & taken.all()),
            dealt.eq(leave & entry.last),
            walker.o.ready.eq(leave),
            walker.done.eq(leave & entry.end),
            self.looking.eq(~walker.idle & ~(walker.o.valid & ~leave)),
        ]
        with m.If(leave):
            m.d.sync += [kept.eq(line), fresh.eq(entry.last | entry.end), begun.eq(~entry.end)]

        wide = Signal(8)
        pad = Signal()
        block = Signal(block_layout(config))
        m.d.comb += [
            wide.eq(entry.span.n16 << 1),
            pad.eq(entry.span.n8[0] & (entry.span.n16 != 0)),
            block.span.eq(entry.span),
            # fp16 elements begin at an even unit.
            block.units.eq(Mux(entry.one, 0, entry.span.n8 + pad + wide)),
            block.one.eq(entry.one),
            block.tile.eq(entry.tile),
            block.end.eq(entry.end),
        ]
        for name in ("both", "x_bank", "tile_bank", "row_bank", "x_free", "release", "last"):
            m.d.comb += block[name].eq(walk[name])
        m.d.comb += [
            policy.dealt.eq(dealt),
            policy.over.eq(walker.done),
            policy.work.eq(entry.span.n8 + Mux(walk.both, wide, entry.span.n16)),
            policy.give.eq(line & (leave & ~entry.end & ~walk.replay & ~walk.all).replicate(lines)),
        ]

        together = Signal()  # Row addresses count all pixels
        m.d.comb += together.eq(shape.wg | walk.all)
        for n in range(lines):
            row = Signal(config.row_bits, name=f"row{n}", reset_less=True)
            room = Signal.like(walk.capacity, name=f"room{n}")
            o = self.blocks[n]
            m.d.comb += [
                o.valid.eq(valid & target[n] & ~sent[n]),
                o.payload.eq(block),
                o.payload.row.eq(row),
                taken[n].eq(~target[n] | sent[n] | o.ready),
                policy.open[n].eq((room != 0) | together),
            ]
            with m.If(valid):
                m.d.sync += sent[n].eq(taken[n] & target[n] & ~leave)
            with m.If(walker.loaded):
                m.d.sync += [row.eq(walk.row), room.eq(walk.capacity)]
            with m.Elif(dealt & (line[n] | together)):
                m.d.sync += [row.eq(row + walk.row_step), room.eq(room - 1)]
        return line, dealt

    def _table(self, m, walker, line, dealt):
        """The assignment table: written when pixels are dealt, read by replays and by the collector."""
        config, walk = self.config, walker.walk
        at = Signal(table_layout(config))
        m.submodules.table = table = Memory(shape=config.line_bits, depth=2 << config.pixel_bits, init=[])
        write = table.write_port()
        replay, results = table.read_port(), table.read_port()
        with m.If(walker.loaded):
            m.d.sync += at.pixel.eq(0)
        with m.Elif(dealt):
            m.d.sync += at.pixel.eq(at.pixel + 1)
        number = Signal(config.line_bits)
        for n in range(config.lines):
            with m.If(line[n]):
                m.d.comb += number.eq(n)
        m.d.comb += [
            at.bank.eq(walk.table),
            write.addr.eq(at),
            write.data.eq(number),
            write.en.eq(dealt & ~walk.replay & ~walk.all),
            replay.addr.eq(walker.table_at),
            replay.en.eq(walker.table_read),
            walker.table_line.eq(replay.data),
            results.addr.eq(self.table_at),
            self.table_line.eq(results.data),
        ]

    def _release(self, m):
        """A bank is free when every line has let it go."""
        for bank in range(2):
            gone = Signal(self.config.lines, name=f"gone{bank}")
            done = Signal(name=f"done{bank}")
            m.d.comb += done.eq(gone.all())
            m.d.sync += self.free[bank].eq(done)
            for n in range(self.config.lines):
                m.d.sync += gone[n].eq((gone[n] & ~done) | self.released[n][bank])

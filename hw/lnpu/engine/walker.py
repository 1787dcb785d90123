"""Walks to spans: the blocks under the valid taps of each pixel, looked up in the X buffer, one a cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from lnpu.engine.block_payloads import look_layout, lookup_layout
from lnpu.engine.collector import table_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import PIXEL_BITS, TAP_BITS, pass_layout, span_layout, walk_command
from lnpu.engine.stepper import AT, ColumnStep, RowStep, shifted

__all__ = ["Walker"]

DEPTH = 4
"""Lookups that may wait for their lines."""

_NOW = data.StructLayout({"block": 1, "one": 1, "end": 1, "last": 1, "ky": TAP_BITS, "kx": TAP_BITS})
"""A lookup of a block, of the constant 1, of the end, or of nothing."""


class Walker(wiring.Component):
    """Steps through the pixels of a walk and through the taps of each, and looks up their spans.

    Args:
        config: geometry.

    Members:
        shape: `In(pass_layout)`, constant in a pass.
        walks: `In(stream(walk_command))`, one is taken when the one before is `done`, its X bank `filled`
        (`In(2)`), and it is not `held` (`In(1)`); claim: `Out(2)`, a pulse: the last walk on that bank was
        taken.
        walk: `Out(walk_command)`, of all lookups in `o`. loaded: `Out(1)`: its first cycle. done: `In(1)`:
        its end was taken from `o`. idle: `Out(1)`: there is none.
        look: `Out(stream(look_layout))`, span: `In(span_layout)`, the answer one cycle after a request was
        granted. table_at: `Out(table_layout)`, table_read: `Out(1)`, table_line: `In`, one cycle later and
        until the next read: where a replay's pixel goes.
        o: `Out(stream(lookup_layout))`.

    Timing: a lookup a cycle as long as the X buffer answers, also from pixel to pixel; a pixel without valid
    taps takes one cycle, so does the constant-1 channel. The first lookup of a walk goes out 5 cycles after
    its command was taken, later by the taps that lie before the rectangle.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "shape": In(pass_layout(config)),
                "walks": In(stream.Signature(walk_command(config))),
                "filled": In(2),
                "held": In(1),
                "claim": Out(2),
                "walk": Out(walk_command(config)),
                "loaded": Out(1),
                "done": In(1),
                "idle": Out(1),
                "look": Out(stream.Signature(look_layout(config))),
                "span": In(span_layout(config)),
                "table_at": Out(table_layout(config)),
                "table_read": Out(1),
                "table_line": In(config.line_bits),
                "o": Out(stream.Signature(lookup_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        command, walk = self.walks.payload, Signal.like(self.walk, reset_less=True)
        busy = Signal()
        load = Signal()
        m.d.comb += [
            self.walk.eq(walk),
            self.walks.ready.eq(~busy & ~self.held & self.filled.bit_select(command.x_bank, 1)),
            load.eq(self.walks.valid & self.walks.ready),
            self.claim.eq(Cat(~command.x_bank, command.x_bank) & (load & command.x_free).replicate(2)),
        ]
        with m.If(load):
            m.d.sync += [walk.eq(command), busy.eq(1)]
        with m.Elif(self.done):
            m.d.sync += busy.eq(0)
        m.d.comb += self.idle.eq(~busy)
        m.d.sync += self.loaded.eq(load)
        now = Signal(_NOW)
        room, step = Signal(), Signal()
        self._taps(m, load, now, room, step)
        self._answers(m, now, room, step)
        return m

    def _taps(self, m, load, now, room, step):
        """Tap after tap of the present pixel: the lookup `now` is made when `step`, if there is `room`."""
        config, shape = self.config, self.shape
        # A walk that deals counts the work of the whole kernel, not only of its rectangle.
        walk = Signal.like(self.walk, name="extent")
        m.d.comb += walk.eq(self.walk)
        with m.If(~shape.wg & ~self.walk.replay & ~self.walk.all):
            for axis in "yx":
                m.d.comb += [walk[f"k{axis}_first"].eq(0), walk[f"k{axis}_last"].eq(shape.kernel_last)]
        m.submodules.column = column = ColumnStep(config)
        m.submodules.row = row = RowStep(config)
        for unit in (column, row):
            m.d.comb += [unit.shape.eq(shape), unit.walk.eq(walk), unit.load.eq(load)]

        active = Signal()
        one, end = Signal(), Signal()
        blank = Signal()  # the pixel has no valid taps
        final = Signal()  # the walk's last pixel
        ky, kx = (Signal(TAP_BITS, name=f"k{axis}", reset_less=True) for axis in "yx")
        first_kx = Signal(TAP_BITS, reset_less=True)
        y_at, x_at, first_x = (Signal(AT, name=name, reset_less=True) for name in ("y_at", "x_at", "first_x"))
        block = Signal(config.block_bits, reset_less=True)
        number = Signal(config.pixel_bits)
        width = Signal(PIXEL_BITS + 1)
        stride = Signal(3)
        next_ky, next_kx = Signal(TAP_BITS + 1), Signal(TAP_BITS + 1)
        x_done, y_done, taps_done, pixel_done = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            width.eq(shape.width_last + 1),
            stride.eq(Mux(shape.backward, shape.stride, 1)),
            next_ky.eq(ky + stride),
            next_kx.eq(kx + stride),
            x_done.eq((next_kx > walk.kx_last) | (x_at == Mux(shape.backward, 0, shape.width_last))),
            y_done.eq((next_ky > walk.ky_last) | (y_at == Mux(shape.backward, 0, shape.height_last))),
            taps_done.eq(blank | (x_done & y_done)),
            pixel_done.eq(one | (taps_done & ~walk.one)),
            now.one.eq(one),
            now.end.eq(end),
            now.block.eq(~one & ~end & ~blank),
            now.last.eq(pixel_done & ~end),
            now.ky.eq(ky),
            now.kx.eq(kx),
            self.look.valid.eq(active & now.block & room),
            self.look.payload.block.eq(block + x_at),
            self.look.payload.bank.eq(walk.x_bank),
            step.eq(active & room & (~now.block | self.look.ready)),
        ]
        # The next pixel is there while the taps of the present one are walked.
        fetch = Signal()
        ready = Signal()
        m.d.comb += [
            ready.eq(column.ready & row.ready),
            column.take.eq(fetch),
            row.take.eq(fetch & column.ends),
            self.table_at.bank.eq(walk.table),
            self.table_at.pixel.eq(number),
            self.table_read.eq(fetch),
        ]
        starting = Signal()  # a pixel is missing
        with m.If(step):
            with m.If(end):
                m.d.sync += [active.eq(0), end.eq(0)]
            with m.Elif(pixel_done):
                m.d.sync += one.eq(0)
                with m.If(final):
                    m.d.sync += end.eq(1)
                with m.Else():
                    m.d.comb += fetch.eq(ready)
                    m.d.sync += [active.eq(ready), starting.eq(~ready)]
            with m.Elif(taps_done):
                m.d.sync += one.eq(1)
            with m.Elif(x_done):
                m.d.sync += [
                    kx.eq(first_kx),
                    x_at.eq(first_x),
                    ky.eq(next_ky),
                    y_at.eq(y_at + Mux(shape.backward, -1, 1)),
                    block.eq(shifted(block, width, shape.backward)),
                ]
            with m.Else():
                m.d.sync += [kx.eq(next_kx), x_at.eq(x_at + Mux(shape.backward, -1, 1))]
        with m.If(starting):
            m.d.comb += fetch.eq(ready)
            m.d.sync += [active.eq(ready), starting.eq(~ready)]
        with m.If(fetch):
            m.d.sync += [
                kx.eq(column.tap),
                x_at.eq(column.at),
                first_kx.eq(column.tap),
                first_x.eq(column.at),
                ky.eq(row.tap),
                y_at.eq(row.at),
                block.eq(row.block),
                blank.eq(~(column.valid & row.valid)),
                final.eq(number == walk.pixels),
                number.eq(number + 1),
            ]
        with m.If(load):
            m.d.sync += [starting.eq(1), number.eq(0)]

    def _answers(self, m, now, room, step):
        """The cycle in which the X buffer answers: span and Tile address go to the queue."""
        config, shape, walk = self.config, self.shape, self.walk
        m.submodules.queue = queue = SyncFIFO(width=lookup_layout(config).size, depth=DEPTH)
        asked = Signal()
        was = Signal.like(now, reset_less=True)
        entry = Signal(lookup_layout(config))
        line = Signal(config.line_bits, reset_less=True)
        m.d.sync += asked.eq(step)
        with m.If(step):
            m.d.sync += [was.eq(now), line.eq(self.table_line)]
        # Taps that lead to blocks are at most 6.
        tile = walk.tile + was.ky[:3] * walk.y_pitch + was.kx[:3] * walk.x_pitch
        m.d.comb += [
            # One may be under way.
            room.eq(queue.w_level < DEPTH - 1),
            entry.one.eq(was.one),
            entry.end.eq(was.end),
            entry.last.eq(was.last),
            entry.inside.eq(
                was.one
                | (
                    (was.ky >= walk.ky_first)
                    & (was.ky <= walk.ky_last)
                    & (was.kx >= walk.kx_first)
                    & (was.kx <= walk.kx_last)
                )
            ),
            entry.line.eq(line),
            entry.tile.eq(Mux(was.one, walk.one_tile, tile)),
            queue.w_data.eq(entry),
            queue.w_en.eq(asked),
            self.o.valid.eq(queue.r_rdy),
            self.o.payload.eq(data.View(lookup_layout(config), queue.r_data)),
            queue.r_en.eq(self.o.ready),
        ]
        with m.If(was.block):
            m.d.comb += entry.span.eq(self.span)
        with m.Elif(was.one):
            m.d.comb += [entry.span.n8.eq(~shape.one_wide), entry.span.n16.eq(shape.one_wide)]

"""From pixel to pixel: the first tap of a rectangle, and the sparse input's pixel under it.

Along an axis, the taps of a pixel read the sparse input in an arithmetic progression (`docs/engine.md`,
section 5). What is stepped here is the first tap inside the rectangle; whether it is a valid one is said
beside it, since a pixel may have none.
"""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import PIXEL_BITS, TAP_BITS, pass_layout, walk_command

__all__ = ["AT", "ColumnStep", "RowStep"]

AT = signed(PIXEL_BITS + 1)
"""A pixel of the sparse input, up to a kernel outside of it on both sides."""


class ColumnStep(wiring.Component):
    """The pixels of a row: first tap in x, one pixel a cycle.

    Args:
        config: geometry.

    Members:
        shape: `In(pass_layout)`. walk: `In(walk_command)`, constant but for the cycle of `load`.
        load: `In(1)`: begin a walk, whose command is in `walk` from the next cycle on.
        ready: `Out(1)`: the pixel is there. take: `In(1)`: step to the next pixel.
        tap: `Out(TAP_BITS)`, at: `Out(AT)`: first tap not left of the rectangle, and its pixel;
        valid: `Out(1)`: it is a tap of the rectangle, inside the input. ends: `Out(1)`: last pixel of a row.

    Timing: a pixel a cycle. A walk's first pixel is there 3 cycles after `load`, later by one cycle a tap
    that lies before the rectangle.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "shape": In(pass_layout(config)),
                "walk": In(walk_command(config)),
                "load": In(1),
                "ready": Out(1),
                "take": In(1),
                "tap": Out(TAP_BITS),
                "at": Out(AT),
                "valid": Out(1),
                "ends": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        shape, walk = self.shape, self.walk
        row_tap = Signal(TAP_BITS, reset_less=True)  # of column 0
        row_at = Signal(AT, reset_less=True)
        columns = Signal(PIXEL_BITS, reset_less=True)
        before = Signal()
        over = Signal(TAP_BITS)
        next_tap, next_at = Signal(TAP_BITS), Signal(AT)
        m.d.comb += [
            before.eq(self.tap < walk.kx_first),
            over.eq(self.tap - walk.kx_first),
            self.valid.eq((self.tap <= walk.kx_last) & (self.at >= 0) & (self.at <= shape.width_last)),
            self.ends.eq(columns == 0),
        ]
        # Forward, a pixel further is `stride` input pixels further; taps that padding cut off come first.
        # Backward it is a tap further, and a pixel further and `stride` taps back where that is inside.
        with m.If(shape.backward):
            wrap = (over + 1 == shape.stride) & (self.at != shape.width_last)
            m.d.comb += [
                next_tap.eq(Mux(wrap, walk.kx_first, self.tap + 1)),
                next_at.eq(self.at + wrap),
            ]
        with m.Else():
            cut = over >= shape.stride
            m.d.comb += [
                next_tap.eq(Mux(cut, self.tap - shape.stride, walk.kx_first)),
                next_at.eq(self.at + Mux(cut, 0, shape.stride - over[:3])[:3]),
            ]
        with m.FSM():
            with m.State("idle"):
                with m.If(self.load):
                    m.next = "column"
            with m.State("column"):
                m.d.sync += [self.tap.eq(shape.x_tap), self.at.eq(shape.x_pixel)]
                m.next = "align"
            with m.State("align"):
                m.d.sync += [row_tap.eq(self.tap), row_at.eq(self.at), columns.eq(walk.columns)]
                with m.If(before):
                    self._forward(m)
                with m.Else():
                    m.d.sync += [self.tap.eq(walk.x_tap), self.at.eq(walk.x_pixel)]
                    m.next = "first"
            with m.State("first"):
                with m.If(before):
                    self._forward(m)
                with m.Else():
                    m.d.comb += self.ready.eq(1)
                with m.If(self.take):
                    m.d.sync += [self.tap.eq(next_tap), self.at.eq(next_at), columns.eq(columns - 1)]
                    with m.If(self.ends):
                        m.d.sync += [
                            self.tap.eq(row_tap),
                            self.at.eq(row_at),
                            columns.eq(shape.columns_last),
                        ]
                with m.If(self.load):
                    m.next = "column"
        return m

    def _forward(self, m):
        """The next tap of the same pixel."""
        backward = self.shape.backward
        m.d.sync += [
            self.tap.eq(self.tap + Mux(backward, self.shape.stride, 1)),
            self.at.eq(self.at + Mux(backward, -1, 1)),
        ]


class RowStep(wiring.Component):
    """The rows of the images: first tap in y, and the row of blocks under it.

    Args:
        config: geometry.

    Members:
        shape, walk, load, tap, at, valid: as in `ColumnStep`, for y.
        block: `Out(block_bits)`: first block of row `at`.
        ready: `Out(1)`: the row is there. take: `In(1)`: step to the next row; this one's values are gone.

    Timing: the next row is ready `stride` cycles after `take` (BP: 1), that of the next image 2 cycles after,
    that of a walk 2 cycles after `load`, and later by one cycle a tap that lies before the rectangle.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "shape": In(pass_layout(config)),
                "walk": In(walk_command(config)),
                "load": In(1),
                "ready": Out(1),
                "take": In(1),
                "tap": Out(TAP_BITS),
                "at": Out(AT),
                "block": Out(config.block_bits),
                "valid": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        shape, walk = self.shape, self.walk
        base = Signal(self.config.block_bits, reset_less=True)
        rows = Signal(PIXEL_BITS, reset_less=True)
        left = Signal(3)  # input pixels until the next row
        before, unit, align, up = Signal(), Signal(), Signal(), Signal()
        width = Signal(PIXEL_BITS + 1)
        m.d.comb += [
            width.eq(shape.width_last + 1),
            before.eq(self.tap < walk.ky_first),
            self.valid.eq((self.tap <= walk.ky_last) & (self.at >= 0) & (self.at <= shape.height_last)),
        ]
        with m.FSM():
            with m.State("idle"):
                with m.If(self.load):
                    m.next = "first"
            with m.State("first"):
                m.d.sync += [
                    self.tap.eq(walk.y_tap),
                    self.at.eq(walk.y_pixel),
                    self.block.eq(walk.y_block),
                    base.eq(walk.base),
                    rows.eq(walk.rows),
                    left.eq(0),
                ]
                m.next = "row"
            with m.State("image"):
                m.d.sync += [
                    self.tap.eq(shape.y_tap),
                    self.at.eq(shape.y_pixel),
                    self.block.eq(base + shape.y_offset),
                    rows.eq(shape.rows_last),
                ]
                m.next = "row"
            with m.State("row"):
                m.d.comb += [
                    unit.eq(self.take | (left != 0)),
                    align.eq(~unit & before),
                    self.ready.eq((left == 0) & ~before),
                ]
                with m.If(left != 0):
                    m.d.sync += left.eq(left - 1)
                with m.If(self.take):
                    m.d.sync += rows.eq(rows - 1)
                    with m.If(~shape.backward):
                        m.d.sync += left.eq(shape.stride - 1)
                    with m.If(rows == 0):
                        m.d.sync += [base.eq(base + shape.image), left.eq(0)]
                        m.next = "image"
                with m.If(self.load):
                    m.next = "first"
        # One input pixel further (forward), one tap further (backward), or to the rectangle's first tap.
        wrap = (self.tap - walk.ky_first + 1 == shape.stride) & (self.at != shape.height_last)
        with m.If(shape.backward & unit):
            m.d.comb += up.eq(wrap)
            m.d.sync += self.tap.eq(Mux(wrap, walk.ky_first, self.tap + 1))
        with m.Elif(unit):
            m.d.comb += up.eq(self.tap == walk.ky_first)
            m.d.sync += self.tap.eq(Mux(up, self.tap, self.tap - 1))
        with m.Elif(align):
            m.d.comb += up.eq(~shape.backward)
            m.d.sync += self.tap.eq(self.tap + Mux(shape.backward, shape.stride, 1))
        with m.If(up):
            m.d.sync += [self.at.eq(self.at + 1), self.block.eq(self.block + width)]
        with m.Elif(align):
            m.d.sync += [self.at.eq(self.at - 1), self.block.eq(self.block - width)]
        return m

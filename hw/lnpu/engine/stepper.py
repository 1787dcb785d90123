"""From pixel to pixel: the first tap of a rectangle, and the sparse input's pixel under it.

Along an axis, the taps of a pixel read the sparse input in an arithmetic progression (`docs/engine.md`,
section 5). What is stepped here is the first tap inside the rectangle; whether it is a valid one is said
beside it, since a pixel may have none.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import PIXEL_BITS, TAP_BITS, pass_layout, walk_command

__all__ = ["AT", "ColumnStep", "RowStep", "shifted"]

AT = signed(PIXEL_BITS + 1)
"""A pixel of the sparse input, up to a kernel outside of it on both sides."""


def shifted(value, amount, back):
    """`value` plus or (`back`) minus `amount`, modulo the width of `value`, in one adder."""
    bits = len(value)
    operand = Cat(amount, Const(0, bits))[:bits] ^ back.replicate(bits)
    return (Cat(back, value) + Cat(back, operand))[1 : bits + 1]


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

    Timing: a pixel a cycle. A walk's first pixel is there 2 cycles after `load`; it and a row's first pixel
    are later by one cycle a tap that lies before the rectangle.
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
        columns = Signal(PIXEL_BITS, reset_less=True)
        started, first, before = Signal(), Signal(), Signal()
        over = Signal(TAP_BITS)
        tap = Signal(TAP_BITS)
        moved = Signal(signed(4))
        m.d.sync += first.eq(self.load)
        with m.If(first):
            m.d.sync += started.eq(1)
        m.d.comb += [
            before.eq(self.tap < walk.kx_first),
            over.eq(self.tap - walk.kx_first),
            self.valid.eq((self.tap <= walk.kx_last) & (self.at >= 0) & (self.at <= shape.width_last)),
            self.ends.eq(columns == 0),
            self.ready.eq(started & ~first & ~before),
            tap.eq(self.tap),
        ]
        # Forward, a pixel further is `stride` input pixels further; taps that padding cut off come first.
        # Backward it is a tap further, and a pixel further and `stride` taps back where that is inside.
        with m.If(before):
            m.d.comb += [
                tap.eq(self.tap + Mux(shape.backward, shape.stride, 1)),
                moved.eq(Mux(shape.backward, -1, 1)),
            ]
        with m.Elif(shape.backward):
            wrap = (over + 1 == shape.stride) & (self.at != shape.width_last)
            m.d.comb += [tap.eq(Mux(wrap, walk.kx_first, self.tap + 1)), moved.eq(wrap)]
        with m.Else():
            cut = over >= shape.stride
            m.d.comb += [
                tap.eq(Mux(cut, self.tap - shape.stride, walk.kx_first)),
                moved.eq(Mux(cut, 0, shape.stride - over[:3])),
            ]
        with m.If(first):
            m.d.sync += [self.tap.eq(walk.x_tap), self.at.eq(walk.x_pixel), columns.eq(walk.columns)]
        with m.Elif(self.take & self.ends):
            m.d.sync += [self.tap.eq(shape.x_tap), self.at.eq(shape.x_pixel), columns.eq(shape.columns_last)]
        with m.Elif(self.take | before):
            m.d.sync += [self.tap.eq(tap), self.at.eq(self.at + moved)]
        with m.If(~first & self.take & ~self.ends):
            m.d.sync += columns.eq(columns - 1)
        return m


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
        started, first, image = Signal(), Signal(), Signal()
        before, unit, move = Signal(), Signal(), Signal()
        tap, over = Signal(TAP_BITS), Signal(TAP_BITS)
        width = Signal(PIXEL_BITS + 1)
        back = Signal()  # one row of the input up instead of down
        m.d.sync += [first.eq(self.load), image.eq(self.take & (rows == 0))]
        with m.If(first):
            m.d.sync += started.eq(1)
        m.d.comb += [
            width.eq(shape.width_last + 1),
            before.eq(self.tap < walk.ky_first),
            over.eq(self.tap - walk.ky_first),
            unit.eq(self.take | (left != 0)),
            self.ready.eq(started & ~first & ~image & ~before & (left == 0)),
            self.valid.eq((self.tap <= walk.ky_last) & (self.at >= 0) & (self.at <= shape.height_last)),
        ]
        # One input pixel further (forward), one tap further (backward), or to the rectangle's first tap.
        with m.If(~unit):
            m.d.comb += [
                tap.eq(self.tap + Mux(shape.backward, shape.stride, 1)),
                move.eq(1),
                back.eq(shape.backward),
            ]
        with m.Elif(shape.backward):
            m.d.comb += [
                move.eq((over + 1 == shape.stride) & (self.at != shape.height_last)),
                tap.eq(Mux(move, walk.ky_first, self.tap + 1)),
            ]
        with m.Else():
            m.d.comb += [move.eq(over == 0), tap.eq(Mux(move, self.tap, self.tap - 1))]

        with m.If(first):
            m.d.sync += [
                self.tap.eq(walk.y_tap),
                self.at.eq(walk.y_pixel),
                self.block.eq(walk.y_block),
                base.eq(walk.base),
            ]
        with m.Elif(image):
            m.d.sync += [
                self.tap.eq(shape.y_tap),
                self.at.eq(shape.y_pixel),
                self.block.eq(base + shape.y_offset),
            ]
        with m.Elif(unit | before):
            m.d.sync += self.tap.eq(tap)
            with m.If(move):
                m.d.sync += [
                    self.at.eq(self.at + Mux(back, -1, 1)),
                    self.block.eq(shifted(self.block, width, back)),
                ]
        with m.If(self.take & (rows == 0)):
            m.d.sync += base.eq(base + shape.image)
        with m.If(first):
            m.d.sync += [rows.eq(walk.rows), left.eq(0)]
        with m.Elif(image):
            m.d.sync += rows.eq(shape.rows_last)
        with m.Elif(self.take):
            m.d.sync += rows.eq(rows - 1)
            with m.If(~shape.backward & (rows != 0)):
                m.d.sync += left.eq(shape.stride - 1)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return m

"""Valid taps of the pixels of a tile, one a cycle (`docs/engine.md`, section 5)."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.array.config import EngineConfig
from lnpu.array.walk_payloads import PIXEL_BITS, TAP_BITS, pass_layout, tap_layout, walk_command

__all__ = ["PixelStep", "TapWalker"]


class PixelStep(wiring.Component):
    """First tap of the next pixel along an axis.

    Forward, a pixel further is `stride` input pixels further: taps that padding cut off come first. Backward,
    a pixel further is one tap further, modulo the stride; behind the last output pixel taps count on.

    Members:
        backward: `In(1)`, stride: `In(3)`, end: `In`, last pixel of the sparse input;
        tap, pixel: `In`, of this pixel; next_tap, next_pixel: `Out`, of the next one;
        moved: `Out(3)`, `next_pixel - pixel`.

    Timing: combinational.
    """

    def __init__(self):
        super().__init__(
            {
                "backward": In(1),
                "stride": In(3),
                "end": In(PIXEL_BITS),
                "tap": In(TAP_BITS),
                "pixel": In(PIXEL_BITS),
                "next_tap": Out(TAP_BITS),
                "next_pixel": Out(PIXEL_BITS),
                "moved": Out(3),
            }
        )

    def elaborate(self, platform):
        m = Module()
        more = Signal(TAP_BITS)
        wrap = Signal()
        cut = Signal()
        m.d.comb += [
            more.eq(self.tap + 1),
            wrap.eq((self.pixel != self.end) & (more == self.stride)),
            cut.eq(self.tap >= self.stride),
            self.next_pixel.eq(self.pixel + self.moved),
        ]
        with m.If(self.backward):
            m.d.comb += [self.next_tap.eq(Mux(wrap, 0, more)), self.moved.eq(wrap)]
        with m.Else():
            m.d.comb += [
                self.next_tap.eq(Mux(cut, self.tap - self.stride, 0)),
                self.moved.eq(Mux(cut, 0, self.stride - self.tap[:3])),
            ]
        return m


class TapWalker(wiring.Component):
    """Commands to blocks: for each pixel its valid taps, then the constant-1 channel; at last the end.

    Args:
        config: geometry of the engine.

    Members:
        shape: `In(pass_layout)`, constant during a pass; clear: `In(1)`: abandon.
        command: `In(stream(walk_command))`; filled: `In(2)`: X banks that may be read; claim: `Out(2)`: a
        command that frees its X bank is taken.
        o: `Out(stream(tap_layout))`.

    Timing: one beat a cycle; a pixel without valid taps takes one cycle, so does taking a command.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "shape": In(pass_layout(config)),
                "clear": In(1),
                "command": In(stream.Signature(walk_command(config))),
                "filled": In(2),
                "claim": Out(2),
                "o": Out(stream.Signature(tap_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, shape, first, beat = self.config, self.shape, self.command.payload, self.o.payload
        tile_bits = config.line.tile_bits
        command = Signal(walk_command(config), reset_less=True)
        # A pixel's first tap lives in `command`; the tap that is being sent in these:
        y_tap = Signal(TAP_BITS, reset_less=True)
        y_pixel = Signal(PIXEL_BITS, reset_less=True)
        y_block = Signal(config.block_bits, reset_less=True)
        y_tile = Signal(tile_bits, reset_less=True)
        x_tap = Signal(TAP_BITS, reset_less=True)
        x_pixel = Signal(PIXEL_BITS, reset_less=True)
        tile = Signal(tile_bits, reset_less=True)
        row = Signal(config.line.row_bits, reset_less=True)
        active = Signal()
        one = Signal()
        end = Signal()

        kernel = Signal(3)
        step = Signal(3)
        limit = Signal(PIXEL_BITS)
        limit_y = Signal(PIXEL_BITS)
        width = Signal(PIXEL_BITS + 1)
        tap_step = Signal(tile_bits)
        valid = Signal()
        m.d.comb += [
            kernel.eq(shape.kernel_last + 1),
            step.eq(Mux(shape.backward, shape.stride, 1)),
            limit.eq(Mux(shape.backward, 0, shape.width_last)),
            limit_y.eq(Mux(shape.backward, 0, shape.height_last)),
            width.eq(shape.width_last + 1),
            tap_step.eq(step * command.channels),
            valid.eq((y_tap <= shape.kernel_last) & (x_tap <= shape.kernel_last)),
            beat.block.eq(y_block + x_pixel),
            beat.tile.eq(tile),
            beat.row.eq(row),
            beat.one.eq(one),
            beat.end.eq(end),
            self.o.valid.eq(active & (one | end | valid)),
            self.command.ready.eq(~active & self.filled.bit_select(first.x_bank, 1)),
        ]
        for name in ("both", "free", "x_bank", "tile_bank", "row_bank", "release", "last"):
            m.d.comb += beat[name].eq(command[name])

        x_done = Signal()
        y_done = Signal()
        pixel_done = Signal()
        m.d.comb += [
            x_done.eq((x_tap + step > shape.kernel_last) | (x_pixel == limit)),
            y_done.eq((y_tap + step > shape.kernel_last) | (y_pixel == limit_y)),
            pixel_done.eq(one | ((~valid | (x_done & y_done)) & ~command.one)),
        ]
        load = Signal()
        start = Signal(walk_command(config))
        with m.If(active & (self.o.ready | ~self.o.valid)):
            with m.If(end):
                m.d.sync += [active.eq(0), end.eq(0)]
            with m.Elif(pixel_done):
                m.d.comb += load.eq(1)
                m.d.sync += [one.eq(0), row.eq(row + 1), command.pixels.eq(command.pixels - 1)]
                with m.If(command.pixels == 0):
                    m.d.sync += end.eq(1)
            with m.Elif(~valid | (x_done & y_done)):
                m.d.sync += [one.eq(1), tile.eq(kernel * kernel * command.channels)]
            with m.Elif(x_done):
                m.d.sync += [
                    x_tap.eq(command.x_tap),
                    x_pixel.eq(command.x_pixel),
                    y_tap.eq(y_tap + step),
                    y_pixel.eq(Mux(shape.backward, y_pixel - 1, y_pixel + 1)),
                    y_block.eq(Mux(shape.backward, y_block - width, y_block + width)),
                    y_tile.eq(y_tile + tap_step * kernel),
                    tile.eq(y_tile + tap_step * kernel),
                ]
            with m.Else():
                m.d.sync += [
                    x_tap.eq(x_tap + step),
                    x_pixel.eq(Mux(shape.backward, x_pixel - 1, x_pixel + 1)),
                    tile.eq(tile + tap_step),
                ]

        self._next_pixel(m, command, start, width)
        taken = Signal()
        m.d.comb += taken.eq(self.command.valid & self.command.ready)
        with m.If(taken):
            m.d.comb += [start.eq(first), load.eq(1)]
            m.d.comb += self.claim.eq(Cat(~first.x_bank, first.x_bank) & first.free.replicate(2))
            m.d.sync += [command.eq(first), active.eq(1), row.eq(0), one.eq(0), end.eq(0)]
        with m.If(load):
            base = (start.y_tap * kernel + start.x_tap) * start.channels
            m.d.sync += [
                y_tap.eq(start.y_tap),
                y_pixel.eq(start.y_pixel),
                y_block.eq(start.y_block),
                x_tap.eq(start.x_tap),
                x_pixel.eq(start.x_pixel),
                y_tile.eq(base),
                tile.eq(base),
            ]
            for name in ("y_tap", "y_pixel", "y_block", "x_tap", "x_pixel", "left"):
                m.d.sync += command[name].eq(start[name])
        with m.If(self.clear):
            m.d.sync += active.eq(0)
        return m

    def _next_pixel(self, m: Module, command, start, width):
        """The first tap of the next pixel: along the row, or of the next row's column 0."""
        shape = self.shape
        m.submodules.step_x = step_x = PixelStep()
        m.submodules.step_y = step_y = PixelStep()
        for unit, axis, end in ((step_x, "x", shape.width_last), (step_y, "y", shape.height_last)):
            m.d.comb += [
                unit.backward.eq(shape.backward),
                unit.stride.eq(shape.stride),
                unit.end.eq(end),
                unit.tap.eq(command[f"{axis}_tap"]),
                unit.pixel.eq(command[f"{axis}_pixel"]),
            ]
        m.d.comb += start.eq(command)
        with m.If(command.left == 0):
            m.d.comb += [
                start.x_tap.eq(shape.x_tap),
                start.x_pixel.eq(shape.x_pixel),
                start.y_tap.eq(step_y.next_tap),
                start.y_pixel.eq(step_y.next_pixel),
                start.y_block.eq(command.y_block + step_y.moved * width),
                start.left.eq(shape.row_last),
            ]
        with m.Else():
            m.d.comb += [
                start.x_tap.eq(step_x.next_tap),
                start.x_pixel.eq(step_x.next_pixel),
                start.left.eq(command.left - 1),
            ]

"""Where the blocks of a dense tensor lie in memory, in the order of the compressed format."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import ADDRESS_BITS
from lnpu.bus.limits import MAX_WORDS
from lnpu.codec.config import BLOCK

__all__ = ["Places", "place_layout", "shape_layout"]

PAIR_BITS = 21


def shape_layout() -> data.StructLayout:
    """Sizes of a tensor, each 1 to 65535."""
    return data.StructLayout(dict.fromkeys("nhwc", 16))


def place_layout() -> data.StructLayout:
    """A run of blocks: `words` words from `address`; `pairs`: mask bits of it / 2; `last`: of the tensor."""
    return data.StructLayout(
        {"address": ADDRESS_BITS, "words": MAX_WORDS.bit_length(), "pairs": PAIR_BITS, "last": 1}
    )


class Places(wiring.Component):
    """Walks over image, plane, row and pixel. Rows are padded to multiples of 4 elements.

    Args:
        element_bytes: 2 or 4. merge: a row of pixels is one run where its blocks are adjacent, else every
            block is one.

    Members:
        start: `In(1)`: begin; `shape`: `In(shape_layout)`, `base`: `In(32)`: address, constant from then on.
        o: `Out(stream(place_layout))`.

    Timing: the first place 2 cycles after `start`, then one a cycle.
    """

    def __init__(self, element_bytes: int, *, merge: bool = False):
        self.element_bytes, self.merge = element_bytes, merge
        super().__init__(
            {
                "start": In(1),
                "shape": In(shape_layout()),
                "base": In(ADDRESS_BITS),
                "o": Out(stream.Signature(place_layout())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        size, shape, o = self.element_bytes, self.shape, self.o.payload
        log = BLOCK.bit_length() - 1
        starting, active = Signal(), Signal()
        x, y, plane, image = (Signal(16, name=name) for name in ("x", "y", "plane", "image"))
        plain, first = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)  # without the plane; of the image
        length, quads = Signal(log + 1), Signal(log)
        planes = Signal(16 - log + 1)
        last = {name: Signal(name=f"{name}_last") for name in ("x", "y", "plane", "image")}
        merged, run_words, run_pairs = Signal(), Signal(MAX_WORDS.bit_length()), Signal(PAIR_BITS)
        step, pixel, pitch = Signal(), Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)
        m.d.comb += [
            planes.eq((shape.c + (BLOCK - 1)) >> log),
            last["plane"].eq(plane + 1 == planes),
            length.eq(Mux(last["plane"], (shape.c - 1)[:log] + 1, BLOCK)),
            quads.eq((length + 3) >> 2),
            last["x"].eq((x + 1 == shape.w) | merged),
            last["y"].eq(y + 1 == shape.h),
            last["image"].eq(image + 1 == shape.n),
            pixel.eq(((shape.c + 3) >> 2) << (size.bit_length() + 1)),
            pitch.eq(Mux(merged, Cat(Const(0, 3), run_words), pixel)),
            self.o.valid.eq(active),
            o.address.eq(plain + (plane << (log + size.bit_length() - 1))),
            o.words.eq(Mux(merged, run_words, (length * size + 7) >> 3)),
            o.pairs.eq(Mux(merged, run_pairs, Cat(Const(0, 1), quads))),
            o.last.eq(last["x"] & last["y"] & last["plane"] & last["image"]),
            step.eq(active & self.o.ready),
        ]
        m.d.sync += starting.eq(self.start)
        with m.If(self.start):
            m.d.sync += [counter.eq(0) for counter in (x, y, plane, image)]
            m.d.sync += [plain.eq(self.base), first.eq(self.base)]
        with m.If(starting):
            m.d.sync += active.eq(1)
            if self.merge:
                # Without a remainder of 4 a pixel's words are exactly its block's.
                m.d.sync += [
                    merged.eq((shape.c <= BLOCK) & (shape.c[:2] == 0) & ~shape.w[-1]),  # at most MAX_WORDS
                    run_words.eq(shape.w * (shape.c[2 : log + 1] * (size // 2))),
                    run_pairs.eq(shape.w * Cat(Const(0, 1), shape.c[2 : log + 1])),
                ]
        with m.If(step):
            m.d.sync += [plain.eq(plain + pitch), x.eq(Mux(last["x"], 0, x + 1))]
            with m.If(last["x"]):
                m.d.sync += y.eq(Mux(last["y"], 0, y + 1))
            with m.If(last["x"] & last["y"]):
                m.d.sync += plane.eq(Mux(last["plane"], 0, plane + 1))
                with m.If(last["plane"]):
                    m.d.sync += [image.eq(image + 1), first.eq(plain + pitch), active.eq(~last["image"])]
                with m.Else():
                    m.d.sync += plain.eq(first)
        return m

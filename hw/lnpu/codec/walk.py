"""Order of a tensor's vectors: counters over channel, pixel, image row, plane and image."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import BLOCK
from lnpu.codec.payloads import LENGTH_BITS, encoder_command

__all__ = ["TensorWalk"]


class TensorWalk(wiring.Component):
    """Where the next vector of a tensor belongs.

    Args:
        lanes: elements of a vector.

    Members:
        shape: the tensor, constant while it is walked. restart: go to its first vector. step: go to the next.
        mask: lanes inside the block. block_last, row_last, tensor_last: this vector ends its block, ...
        block: elements of a full block. count_bits: bits of a header count.
    """

    def __init__(self, lanes: int):
        super().__init__(
            {
                "shape": In(encoder_command()),
                "restart": In(1),
                "step": In(1),
                "mask": Out(lanes),
                "block_last": Out(1),
                "row_last": Out(1),
                "tensor_last": Out(1),
                "block": Out(LENGTH_BITS),
                "count_bits": Out(3),
            }
        )
        self.lanes = lanes

    def elaborate(self, platform):
        m = Module()
        shape, base, length = self.shape, Signal(LENGTH_BITS), Signal(LENGTH_BITS)
        planes = (shape.c + (BLOCK - 1)) >> (BLOCK.bit_length() - 1)
        x, y, plane, image = (Signal(16, name=name) for name in ("x", "y", "plane", "image"))
        final = {}
        for name, counter, size in (("x", x, shape.w), ("y", y, shape.h), ("image", image, shape.n)):
            final[name] = Signal(name=f"{name}_last")
            m.d.comb += final[name].eq(counter + 1 == size)
        plane_last = Signal()
        m.d.comb += [
            plane_last.eq(plane + 1 == planes),
            self.block.eq(Mux(shape.c >= BLOCK, BLOCK, shape.c[:LENGTH_BITS])),
            # The last plane has ((C - 1) mod 64) + 1 channels, which is C itself when there is only one.
            length.eq(Mux(plane_last, ((shape.c - 1)[: LENGTH_BITS - 1]) + 1, BLOCK)),
            self.block_last.eq(base + self.lanes >= length),
            self.row_last.eq(self.block_last & final["x"]),
            self.tensor_last.eq(self.row_last & final["y"] & plane_last & final["image"]),
        ]
        for width in range(1, LENGTH_BITS + 1):
            with m.If(self.block[width - 1]):
                m.d.comb += self.count_bits.eq(width)
        for lane in range(self.lanes):
            m.d.comb += self.mask[lane].eq(base + lane < length)

        with m.If(self.step):
            m.d.sync += base.eq(Mux(self.block_last, 0, base + self.lanes))
            wrap = self.block_last
            for counter, ending in (
                (x, final["x"]),
                (y, final["y"]),
                (plane, plane_last),
                (image, final["image"]),
            ):
                with m.If(wrap):
                    m.d.sync += counter.eq(Mux(ending, 0, counter + 1))
                wrap = wrap & ending
        with m.If(self.restart):
            m.d.sync += [counter.eq(0) for counter in (base, x, y, plane, image)]
        return m

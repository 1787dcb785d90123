"""Encoder: dense elements to rows, pointers and descriptor of a compressed tensor."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.finish import TensorFinish
from lnpu.codec.packer import GroupPacker
from lnpu.codec.packet import PacketFifo
from lnpu.codec.payloads import copy_beat, element_beat, encoder_command, meta_word, word
from lnpu.codec.quantiser import Quantiser, quantised
from lnpu.codec.slotter import Slotter, packed_entries
from lnpu.codec.statistics import StatisticsUnit
from lnpu.codec.walk import TensorWalk
from lnpu.codec.writer import RowWriter, finished_block
from lnpu.formats import FloatFormat
from lnpu.lib.pipeline import Rank

__all__ = ["Encoder"]

GROUP_ROWS = 32
"""Rows of each group's memory: two blocks (fp8: 13 rows of 64 bits, fp16: 11 of 128) and what is being
written; with 64-bit rows of the fp16 group one block (22) and a part of the next."""
BLOCKS_AHEAD = 16


class Encoder(wiring.Component):
    """Quantises, splits, packs and writes a tensor.

    Args:
        element: format of the elements. lanes: elements of a vector, 1, 2 or 4.
        copy: member `copy` is there.

    Members:
        command: `In(stream(encoder_command))`, one a tensor.
        i: `In(stream(element_beat))`, the tensor's vectors: blocks in the order of memory (image, plane, row,
            pixel), ceil(length / lanes) vectors each.
        o: `Out(stream(word))`, the rows' words.
        meta: `Out(stream(meta_word))`, the pointer table as it grows, and the descriptor when every word of
            the rows has been accepted.
        copy: `Out(stream(copy_beat))`, every vector as it will be decoded.
        invalid: sticky: NaN or infinity was met (encoded as zero, and flagged in the descriptor).
        clear: clears `invalid`.

    Timing: one vector a cycle while `o` is accepted and no more than 64 bits a cycle come out (up to two
        lanes: and a block with both groups has two vectors or more). Between
    tensors about 85 cycles (clearing of the histogram, draining, descriptor).
    """

    def __init__(self, element: FloatFormat, lanes: int = 4, *, copy: bool = False):
        super().__init__(
            {
                **({"copy": Out(stream.Signature(copy_beat(lanes)))} if copy else {}),
                "command": In(stream.Signature(encoder_command())),
                "i": In(stream.Signature(element_beat(element.width, lanes))),
                "o": Out(stream.Signature(word())),
                "meta": Out(stream.Signature(meta_word())),
                "invalid": Out(1),
                "clear": In(1),
            }
        )
        self.element, self.lanes, self.has_copy = element, lanes, copy

    def elaborate(self, platform):
        m = Module()
        lanes = self.lanes
        flags = {"block_last": 1, "row_last": 1}
        front_layout = data.StructLayout(
            {"elements": data.ArrayLayout(quantised(), lanes), "mask": lanes, **flags}
        )
        packed_layout = data.StructLayout(
            {"fp8": packed_entries(lanes, 8), "fp16": packed_entries(lanes, 16), **flags}
        )
        m.submodules.walk = walk = TensorWalk(lanes)
        m.submodules.front = front = Rank(front_layout)
        m.submodules.slot8 = slot8 = Slotter(lanes, 8)
        m.submodules.slot16 = slot16 = Slotter(lanes, 16)
        m.submodules.statistics = statistics = StatisticsUnit(lanes)
        m.submodules.packed = packed = Rank(packed_layout)
        m.submodules.pack8 = pack8 = GroupPacker(lanes, 8, 64, GROUP_ROWS)
        wide = lanes > 2  # the fp16 entries of a vector do not fit one row of 64 bits
        m.submodules.pack16 = pack16 = GroupPacker(lanes, 16, 128 if wide else 64, GROUP_ROWS)
        m.submodules.blocks = blocks = PacketFifo(finished_block(), BLOCKS_AHEAD)
        m.submodules.writer = writer = RowWriter(wide=wide)
        m.submodules.finish = finish = TensorFinish()
        tensor = Signal(encoder_command())
        running = Signal()

        # ---- quantise --------------------------------------------------------------------------------------
        vector = front.i.payload
        for n in range(lanes):
            m.submodules[f"quantiser{n}"] = quantiser = Quantiser(self.element)
            m.d.comb += [
                quantiser.element.eq(self.i.payload.elements[n]),
                quantiser.bias.eq(tensor.bias),
                vector.elements[n].eq(quantiser.o),
            ]
        m.d.comb += [
            walk.shape.eq(tensor),
            walk.step.eq(front.accept),
            vector.mask.eq(walk.mask),
            vector.block_last.eq(walk.block_last),
            vector.row_last.eq(walk.row_last),
            front.i.valid.eq(self.i.valid & running),
            self.i.ready.eq(front.i.ready & running),
        ]
        with m.If(front.accept & walk.tensor_last):
            m.d.sync += running.eq(0)

        # ---- count, run lengths ----------------------------------------------------------------------------
        taken = front.o.payload
        copied = Signal(init=not self.has_copy)
        m.d.comb += [
            statistics.count.eq(packed.accept),
            statistics.elements.eq(taken.elements),
            statistics.mask.eq(taken.mask),
        ]
        for unit, name, code, k in (
            (slot8, "fp8", "code8", tensor.k8),
            (slot16, "fp16", "code16", tensor.k16),
        ):
            for n in range(lanes):
                m.d.comb += [
                    unit.present[n].eq(taken.elements[n][name] & taken.mask[n]),
                    unit.codes[n].eq(taken.elements[n][code]),
                ]
            m.d.comb += [
                unit.k.eq(k),
                unit.step.eq(packed.accept),
                unit.last.eq(taken.block_last),
                packed.i.payload[name].eq(unit.o),
            ]
        m.d.comb += [
            packed.i.payload.block_last.eq(taken.block_last),
            packed.i.payload.row_last.eq(taken.row_last),
            packed.i.valid.eq(front.o.valid & copied),
            front.o.ready.eq(packed.i.ready & copied),
        ]
        if self.has_copy:
            m.d.comb += [
                self.copy.valid.eq(front.o.valid & packed.i.ready),
                copied.eq(self.copy.ready),
                self.copy.payload.mask.eq(taken.mask),
                self.copy.payload.block_last.eq(taken.block_last),
            ]
            for source, target in zip(taken.elements, self.copy.payload.elements, strict=True):
                mantissa = Mux(source.fp16, source.code16[:10], Cat(Const(0, 7), source.code8[:3]))
                sign = Mux(source.fp16, source.code16[15], source.code8[7])
                # The exponent is 0 for zero, of the fp16 code otherwise.
                m.d.comb += target.eq(Mux(source.fp8 | source.fp16, Cat(mantissa, source.exponent, sign), 0))

        # ---- pack ------------------------------------------------------------------------------------------
        step, row_last = Signal(), Signal()
        room = pack8.room & pack16.room & (blocks.level > 1)
        m.d.comb += [packed.o.ready.eq(room), step.eq(packed.o.valid & room)]
        for unit, name, k in ((pack8, "fp8", tensor.k8), (pack16, "fp16", tensor.k16)):
            m.d.comb += [
                unit.i.eq(packed.o.payload[name]),
                unit.k.eq(k),
                unit.step.eq(step),
                unit.last.eq(packed.o.payload.block_last),
            ]
        m.d.comb += pack8.reserve.eq(walk.count_bits << 1)
        m.d.sync += row_last.eq(packed.o.payload.row_last)
        m.d.comb += [
            blocks.data.n8.eq(pack8.count),
            blocks.data.n16.eq(pack16.count),
            blocks.data.bits8.eq(pack8.bits),
            blocks.data.bits16.eq(pack16.bits),
            blocks.data.count_bits.eq(walk.count_bits),
            blocks.data.row_last.eq(row_last),
            blocks.write.eq(pack8.done),
            blocks.commit.eq(pack8.done),
            blocks.keep.eq(1),
        ]
        entries8, entries16 = Signal(32), Signal(32)
        m.d.sync += [
            entries8.eq(Mux(statistics.clear, 0, entries8 + Mux(pack8.done, pack8.count, 0))),
            entries16.eq(Mux(statistics.clear, 0, entries16 + Mux(pack16.done, pack16.count, 0))),
        ]

        # ---- write -----------------------------------------------------------------------------------------
        for source, target in ((blocks.o, writer.block), (pack8.o, writer.fp8), (pack16.o, writer.fp16)):
            wiring.connect(m, source, target)
        m.d.comb += [
            self.o.payload.eq(writer.o.payload),
            # Room for a pointer only shrinks by a row's last word, so `o.valid` never drops.
            self.o.valid.eq(writer.o.valid & finish.room),
            writer.o.ready.eq(self.o.ready & finish.room),
            finish.word.eq(self.o.valid & self.o.ready),
            finish.row_end.eq(self.o.payload.last),
        ]
        wiring.connect(m, finish.meta, wiring.flipped(self.meta))

        # ---- tensor ----------------------------------------------------------------------------------------
        empty = ~front.o.valid & ~packed.o.valid & ~pack8.done & ~blocks.o.valid & writer.idle
        m.d.comb += [
            finish.tensor.eq(tensor),
            finish.block.eq(walk.block),
            finish.empty.eq(~running & empty),
            finish.entries8.eq(entries8),
            finish.entries16.eq(entries16),
            finish.bin.eq(statistics.bin),
            statistics.address.eq(finish.address),
            statistics.clear.eq(finish.clear),
            self.command.ready.eq(finish.waiting),
            walk.restart.eq(self.command.ready & self.command.valid),
            finish.start.eq(walk.restart),
        ]
        for name in ("fp8", "fp16", "flushed", "saturated", "exponent", "invalid"):
            m.d.comb += getattr(finish, name).eq(getattr(statistics, name))
        with m.If(walk.restart):
            m.d.sync += tensor.eq(self.command.payload)
        with m.If(finish.cleared):
            m.d.sync += running.eq(1)
        m.d.sync += self.invalid.eq((self.invalid & ~self.clear) | statistics.invalid)
        return m

"""ENCODE and MASK: fp32 elements through ReLU or a mask, to a compressed tensor or back to memory."""

import enum

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from lnpu.bus.axi import command_layout
from lnpu.bus.read import word_layout
from lnpu.bus.write import strobed_layout
from lnpu.codec.encoder import Encoder
from lnpu.codec.walk import TensorWalk
from lnpu.formats import FP32
from lnpu.vector.copy import CopyWords
from lnpu.vector.gather import Gather
from lnpu.vector.mask_reader import MaskPairs, MaskRequests
from lnpu.vector.payloads import encode_task
from lnpu.vector.places import Places

__all__ = ["EncodeUnit"]

LANES = 2
"""fp32 elements of a word of memory."""
ROWS, POINTERS, MASK = range(3)
DESCRIPTOR_WORDS = 24


class _State(enum.IntEnum):
    IDLE = 0
    BEGIN = 1  # counters are set
    RUN = 2  # elements are under way
    FLUSH = 3  # what was gathered is written
    DESCRIPTOR = 4  # so is the descriptor


class EncodeUnit(wiring.Component):
    """Reads a tensor in the order of the compressed format, masks it and encodes it.

    Members:
        tasks: `In(stream(encode_task))`. a_requests, a_data: a `ReadDma` for the elements; b_requests,
            b_data: one for mask bits. requests, words: a `WriteDma`.
        idle: `Out(1)`. invalid, saturated: `Out(1)`, sticky until clear: `In(1)`.

    Timing: a word (2 elements) a cycle. A compressed tensor takes about 85 cycles more.
    """

    def __init__(self):
        super().__init__(
            {
                "tasks": In(stream.Signature(encode_task())),
                **{f"{port}_requests": Out(stream.Signature(command_layout())) for port in "ab"},
                **{f"{port}_data": In(stream.Signature(word_layout())) for port in "ab"},
                "requests": Out(stream.Signature(command_layout())),
                "words": Out(stream.Signature(strobed_layout())),
                "idle": Out(1),
                "invalid": Out(1),
                "saturated": Out(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        task = Signal(encode_task(), reset_less=True)
        record = task.record
        state = Signal(_State)
        begin = Signal()
        m.submodules.encoder = encoder = Encoder(FP32, LANES, copy=True)
        m.submodules.copy = copy = CopyWords()
        m.submodules.copies = copies = Places(2, merge=True)
        m.submodules.gather = gather = Gather(3)
        m.submodules.target = target = Places(4)
        m.d.comb += [
            self.idle.eq(state == _State.IDLE),
            self.tasks.ready.eq(state == _State.IDLE),
            begin.eq((state == _State.BEGIN) & (task.dense | encoder.command.ready)),
            gather.start.eq(begin),
            gather.base[ROWS].eq(record.target),
            gather.base[POINTERS].eq(record.pointers),
            gather.base[MASK].eq(record.mask),
            target.start.eq(begin & task.dense),
            target.base.eq(record.target),
            copy.enable.eq(record.copy.any()),
            copies.start.eq(begin & ~task.dense & copy.enable),
            copies.base.eq(record.copy_target),
            encoder.command.valid.eq((state == _State.BEGIN) & ~task.dense),
            encoder.command.payload.pointer_address.eq(record.pointers),
            encoder.command.payload.data_address.eq(record.target),
            *(encoder.command.payload[name].eq(record[name]) for name in ("bias", "k8", "k16")),
            *(encoder.command.payload[name].eq(record[name]) for name in "nhwc"),
            *(places.shape[name].eq(record[name]) for places in (target, copies) for name in "nhwc"),
            encoder.clear.eq(self.clear),
        ]
        connect(m, encoder.copy, copy.i)
        connect(m, copy.o, gather.placed)
        connect(m, copies.o, gather.places)
        odd = Signal()  # vectors of the block before this one
        ended, valid, masked, step, walk = self._front(m, task, begin, odd)
        bits_ready, bits_done = self._mask_out(m, task, walk, step, masked, ended, gather, begin, odd)
        dense = task.dense
        # A MASK command's block is one run, whose request goes before its words.
        run = Signal()
        m.d.comb += [
            step.eq(valid & bits_ready & Mux(dense, run & self.words.ready, encoder.i.ready)),
            encoder.i.valid.eq(valid & bits_ready & ~dense),
            Cat(*encoder.i.payload.elements).eq(Cat(*(value for value, _ in masked))),
        ]
        self._write(m, state, task, encoder, gather, target, run, walk, step, masked, valid & bits_ready)
        with m.Switch(state):
            with m.Case(_State.IDLE):
                m.d.sync += task.eq(self.tasks.payload)
                with m.If(self.tasks.valid):
                    m.d.sync += state.eq(_State.BEGIN)
            with m.Case(_State.BEGIN):
                with m.If(begin):
                    m.d.sync += state.eq(_State.RUN)
            with m.Case(_State.RUN):
                described = encoder.meta.valid & encoder.meta.payload.descriptor
                with m.If(bits_done & Mux(dense, ended & ~run, described)):
                    m.d.sync += state.eq(_State.FLUSH)
            with m.Case(_State.FLUSH):
                with m.If(gather.empty):
                    m.d.sync += state.eq(Mux(dense, _State.IDLE, _State.DESCRIPTOR))
            with m.Case(_State.DESCRIPTOR):
                last = encoder.meta.valid & encoder.meta.ready & encoder.meta.payload.last
                with m.If(last):
                    m.d.sync += state.eq(_State.IDLE)
        infinite = Cat(*(value[23:31].all() for value, _ in masked)).any()
        dense_invalid = Signal()
        m.d.sync += dense_invalid.eq(~self.clear & (dense_invalid | (dense & step & infinite)))
        m.d.comb += self.invalid.eq(encoder.invalid | dense_invalid)
        counted = encoder.meta.valid & encoder.meta.ready & encoder.meta.payload.descriptor
        at = Signal(range(DESCRIPTOR_WORDS))
        with m.If(counted):
            m.d.sync += at.eq(Mux(encoder.meta.payload.last, 0, at + 1))
        moved = counted & (at == 6) & encoder.meta.payload.data[32:].any()  # bytes 52 to 55
        m.d.sync += self.saturated.eq(~self.clear & (self.saturated | moved))
        return m

    def _front(self, m, task, begin, odd):
        """Requests and elements; (all vectors were taken, a vector is there, its elements with whether they
        are positive, step, its place)."""
        record = task.record
        m.submodules.source = source = Places(4, merge=True)
        m.submodules.mask_requests = asks = MaskRequests()
        m.submodules.mask_pairs = pairs = MaskPairs()
        m.submodules.walk = walk = TensorWalk(LANES)
        step, running, valid = Signal(), Signal(), Signal()
        needs = record.mask_in.any()
        place = source.o
        m.d.comb += [
            source.start.eq(begin),
            source.base.eq(record.source),
            walk.restart.eq(begin),
            walk.step.eq(step),
            *(unit.shape[name].eq(record[name]) for unit in (source, walk) for name in "nhwc"),
            asks.start.eq(begin),
            asks.base.eq(record.mask),
            pairs.start.eq(begin),
            # A run is asked for when its mask bits are.
            asks.pairs.payload.eq(place.payload.pairs),
            self.a_requests.payload.address.eq(place.payload.address),
            self.a_requests.payload.words.eq(place.payload.words),
            self.b_requests.payload.eq(asks.requests.payload),
        ]
        asked = Signal()  # the mask bits of the run were
        m.d.comb += [
            asks.pairs.valid.eq(place.valid & needs & ~asked),
            self.b_requests.valid.eq(asks.requests.valid),
            asks.requests.ready.eq(self.b_requests.ready),
            self.a_requests.valid.eq(place.valid & (asked | ~needs)),
            place.ready.eq(self.a_requests.ready & (asked | ~needs)),
        ]
        with m.If(asks.pairs.valid & asks.pairs.ready):
            m.d.sync += asked.eq(1)
        with m.If(place.valid & place.ready):
            m.d.sync += asked.eq(0)
        with m.If(begin):
            m.d.sync += running.eq(1)
        with m.Elif(step & walk.tensor_last):
            m.d.sync += running.eq(0)
        with m.If(step):
            m.d.sync += odd.eq(~odd & ~walk.block_last)
        m.d.comb += [
            valid.eq(running & self.a_data.valid & (pairs.valid | ~needs)),
            self.a_data.ready.eq(step),
            pairs.i.payload.eq(self.b_data.payload),
            pairs.i.valid.eq(self.b_data.valid),
            self.b_data.ready.eq(pairs.i.ready),
            pairs.step.eq(step & needs),
            pairs.skip.eq(walk.block_last & ~odd),
            pairs.last.eq(walk.tensor_last),
        ]
        masked = []
        for lane in range(LANES):
            code = self.a_data.payload.data.word_select(lane, 32)
            positive = ~code[31] & code[23:31].any()
            keep = (positive | ~record.relu.any()) & (pairs.pair[lane] | ~needs) & walk.mask[lane]
            value = Signal(32, name=f"masked{lane}")
            m.d.comb += value.eq(Mux(keep, code, 0))
            masked.append((value, positive & walk.mask[lane]))
        return ~running, valid, masked, step, walk

    def _mask_out(self, m, task, walk, step, masked, ended, gather, begin, odd):
        """Mask bits to words; (there is room for those of a vector, all words are on their way)."""
        record, out = task.record, gather.i[MASK]
        word, at = Signal(64), Signal(range(33))
        full, next_ = Signal(), Signal(range(35))
        writes = record.mask_out.any()
        m.d.comb += [
            full.eq(at == 32),
            next_.eq(at + 1 + (walk.block_last & ~odd)),
            out.valid.eq(full | (ended & (at != 0))),
            out.payload.eq(word),
        ]
        with m.If(out.valid & out.ready):
            m.d.sync += [at.eq(0), word.eq(0)]
        with m.If(step & writes):
            m.d.sync += [at.eq(next_), word.word_select(at[:5], 2).eq(Cat(*(bit for _, bit in masked)))]
        with m.If(begin):
            m.d.sync += [at.eq(0), word.eq(0)]
        return ~full, at == 0

    def _write(self, m, state, task, encoder, gather, target, run, walk, step, masked, ready):
        """Rows, pointers and mask bits in runs, then the descriptor; or dense blocks."""
        record, dense, meta = task.record, task.dense, encoder.meta
        rows, pointers = gather.i[ROWS], gather.i[POINTERS]
        described = state == _State.DESCRIPTOR
        asked = Signal()
        m.d.comb += [
            rows.valid.eq(encoder.o.valid),
            rows.payload.eq(encoder.o.payload.data),
            encoder.o.ready.eq(rows.ready),
            pointers.payload.eq(meta.payload.data),
            pointers.valid.eq(meta.valid & ~meta.payload.descriptor),
            gather.flush.eq((state == _State.FLUSH) | dense),
            meta.ready.eq(Mux(meta.payload.descriptor, described & asked & self.words.ready, pointers.ready)),
        ]
        with m.If(run):  # a dense block
            lanes = Cat(*(value for value, _ in masked))
            m.d.comb += [
                self.words.valid.eq(ready),
                self.words.payload.data.eq(lanes),
                self.words.payload.strobe.eq(Cat(*(bit.replicate(4) for bit in walk.mask))),
            ]
            with m.If(step & walk.block_last):
                m.d.sync += run.eq(0)
        with m.Elif(described):
            m.d.comb += [
                self.requests.valid.eq(~asked),
                self.requests.payload.address.eq(record.descriptor),
                self.requests.payload.words.eq(DESCRIPTOR_WORDS),
                self.words.valid.eq(asked & meta.valid),
                self.words.payload.data.eq(meta.payload.data),
                self.words.payload.strobe.eq(0xFF),
            ]
            with m.If(self.requests.ready & ~asked):
                m.d.sync += asked.eq(1)
        # A word of mask bits that is on its way to `gather` would take the place of this request.
        with m.Elif(dense & target.o.valid & gather.empty & ~gather.i[MASK].valid):
            m.d.comb += [
                self.requests.valid.eq(1),
                self.requests.payload.address.eq(target.o.payload.address),
                self.requests.payload.words.eq(target.o.payload.words),
                target.o.ready.eq(self.requests.ready),
            ]
            with m.If(self.requests.ready):
                m.d.sync += run.eq(1)
        with m.Else():
            connect(m, gather.requests, wiring.flipped(self.requests))
            connect(m, gather.words, wiring.flipped(self.words))
        with m.If(state == _State.BEGIN):
            m.d.sync += asked.eq(0)

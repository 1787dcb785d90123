"""Rows of words to entries: finds the fields, knows nothing about their meaning."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.codec.header import Header
from lnpu.codec.payloads import HEADER_BITS, LENGTH_BITS
from lnpu.engine.config import EngineConfig
from lnpu.engine.halves import HALF, half_layout
from lnpu.engine.row_payloads import ENTRY_BITS, entry_layout, job_layout
from lnpu.lib.bits import named

__all__ = ["RowReader"]


class RowReader(wiring.Component):
    """Walks the blocks of a row (`docs/formats.md`, sections 3 and 7).

    Behind a COUNT or TRUNCATED the rest of the row's blocks end without entries. The other causes leave the
    places of all fields as they are, so they are not this module's business.

    Args:
        config: geometry.

    Members:
        jobs: `In(stream(job_layout))`, taken when the row is over. i: `In(stream(half_layout))`, its words.
        free: `In(2)`, pulses: the bank is empty again. A job waits while the bank holds what this decoder
        has brought before.
        o: `Out(stream(entry_layout))`, from a register.

    Timing: an entry a cycle; one cycle for a block's header; one or two behind a row's last entry.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "jobs": In(stream.Signature(job_layout(config))),
                "i": In(stream.Signature(half_layout())),
                "free": In(2),
                "o": Out(stream.Signature(entry_layout(config))),
            }
        )

    def _window(self, m: Module, need: Value, use: Value, skip: Value):
        """Two halves of the row. `need`: bits that are wanted; `use`: and taken; `skip`: the front half is
        dropped. Returns the next bits; whether they are there; whether the row ends before `need` of them;
        whether more than zero padding is left; whether the row's last half is in front."""
        front, back = Signal(HALF, reset_less=True), Signal(HALF, reset_less=True)
        front_last, back_last = Signal(reset_less=True), Signal(reset_less=True)
        front_valid, back_valid = Signal(), Signal()
        # The row's last half stays in front until the row is over: the offset is 32 where it is used up.
        offset, after = Signal(6), Signal(6)
        pop, shift = Signal(), Signal()
        m.d.comb += [
            after.eq(offset + need),
            pop.eq(skip | (use & after[5] & ~front_last)),
            shift.eq(pop | ~front_valid),
            self.i.ready.eq(shift | ~back_valid),
        ]
        with m.If(skip):
            m.d.sync += offset.eq(0)
        with m.Elif(use):
            m.d.sync += offset.eq(Cat(after[:5], after[5] & front_last))
        with m.If(shift):
            m.d.sync += [front.eq(back), front_last.eq(back_last), front_valid.eq(back_valid)]
        with m.If(self.i.ready):
            m.d.sync += [
                back.eq(self.i.payload.data),
                back_last.eq(self.i.payload.last),
                back_valid.eq(self.i.valid),
            ]
        # The half behind the row's last one belongs to the next row.
        word: Value = Cat(front, back & (~front_last).replicate(HALF))
        for n in reversed(range(5)):
            width = ENTRY_BITS + (1 << n) - 1
            word = named(m, f"shifted{n}", Mux(offset[n], word >> (1 << n), word)[:width])
        ready, cut, rest = Signal(), Signal(), Signal()
        m.d.comb += [
            ready.eq(front_valid & (front_last | back_valid)),
            cut.eq(front_last & after[5] & after[:5].any()),
            # The window, and what of the front half lies beyond it. A whole word or more is left at offset 0
            # of a half that is not the row's last one: in this cycle or when the next half is in front.
            rest.eq(
                ~offset[5]
                & (
                    word.any()
                    | ((offset < ENTRY_BITS) & front[ENTRY_BITS:].any())
                    | (~front_last & (offset == 0))
                )
            ),
        ]
        return word, ready, cut, rest, front_last

    def elaborate(self, platform):
        m = Module()
        job, shape = self.jobs.payload, self.jobs.payload.row
        beat = Signal(entry_layout(self.config), reset_less=True)
        made = Signal.like(beat)
        valid, make, go = Signal(), Signal(), Signal()
        m.d.comb += [self.o.valid.eq(valid), self.o.payload.eq(beat), go.eq(~valid | self.o.ready)]
        with m.If(go):
            m.d.sync += [valid.eq(make), beat.eq(made)]

        need, use, skip = Signal(5), Signal(), Signal()
        bits, ready, cut, rest, last_half = self._window(m, need, use, skip)
        header = Header(m, "header", bits[:HEADER_BITS], shape.count_bits, shape.length)

        rem8, rem16 = Signal(LENGTH_BITS), Signal(LENGTH_BITS)
        wide, rem, k = Signal(), Signal(LENGTH_BITS), Signal(3)
        begun, done = Signal(), Signal()  # the row; its last block
        number, following, last = Signal(16), Signal(16), Signal()
        sent = Signal(2)
        m.d.comb += [
            wide.eq(rem8 == 0),
            rem.eq(Mux(wide, rem16, rem8)),
            k.eq(Mux(wide, shape.k16, shape.k8)),
            following.eq(number + 1),
            last.eq(following == shape.blocks),
            made.bits.eq(bits),
            made.k.eq(k),
            made.wide.eq(wide),
            made.length.eq(shape.length),
            made.block.eq(job.base + number),
            made.bank.eq(job.bank),
            made.group_end.eq(rem == 1),
        ]
        m.d.sync += sent.eq(sent & ~self.free)

        def end_job() -> None:
            m.d.comb += [made.end.eq(job.end), self.jobs.ready.eq(1)]
            m.d.sync += [number.eq(0), done.eq(0), begun.eq(0)]
            with m.If(job.end):
                m.d.sync += sent.bit_select(job.bank, 1).eq(1)

        def end_block(state: str | None = None) -> None:
            m.d.comb += [made.block_end.eq(1), make.eq(1)]
            m.d.sync += [number.eq(following), done.eq(last)]
            if state:
                m.next = state
            else:
                m.next = "HEADER"
                with m.If(last):
                    m.next = "TAIL"

        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += need.eq(header.bits)
                with m.If(go & self.jobs.valid & (begun | ~sent.bit_select(job.bank, 1))):
                    with m.If(~job.decode):
                        m.d.comb += make.eq(1)
                        end_job()
                    with m.Elif(ready):
                        m.d.sync += begun.eq(1)
                        with m.If(cut):
                            m.d.comb += made.truncated.eq(1)
                            end_block("DROP")
                        with m.Else():
                            m.d.comb += use.eq(1)
                            m.d.sync += [rem8.eq(header.n8), rem16.eq(header.n16)]
                            with m.If((header.n8 | header.n16) == 0):
                                end_block()
                            with m.Else():
                                m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += need.eq(k + Mux(wide, 16, 8))
                with m.If(go & ready):
                    with m.If((rem8 > shape.length) | (rem16 > shape.length)):
                        m.d.comb += made.count.eq(1)
                        end_block("DROP")
                    with m.Elif(cut):
                        m.d.comb += made.truncated.eq(1)
                        end_block("DROP")
                    with m.Else():
                        m.d.comb += [use.eq(1), make.eq(1), made.entry.eq(1)]
                        with m.If(wide):
                            m.d.sync += rem16.eq(rem - 1)
                        with m.Else():
                            m.d.sync += rem8.eq(rem - 1)
                        with m.If((rem == 1) & (wide | (rem16 == 0))):
                            end_block()
            with m.State("TAIL"):
                with m.If(go & ready):
                    m.d.comb += [skip.eq(1), make.eq(1), made.trailing.eq(rest), made.row_end.eq(last_half)]
                    with m.If(last_half):
                        end_job()
                        m.next = "HEADER"
            with m.State("DROP"):
                with m.If(go & ~done):
                    end_block("DROP")
                with m.Elif(go & ready):
                    m.d.comb += [skip.eq(1), make.eq(last_half), made.row_end.eq(1)]
                    with m.If(last_half):
                        end_job()
                        m.next = "HEADER"
        return m

"""A group: some PEs of a line with their column of the Tile file."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import WORD, tile_beat
from lnpu.numeric.pe import Pe, broadcast_layout

__all__ = ["NO_CHECK", "Group", "group_control"]

OPERAND = 16
"""Bits of an operand."""

NO_CHECK = {"no_rw_check": 1}
"""Yosys' attribute of memories in which a word that is read and written in the same cycle is not used."""


def group_control(config: EngineConfig) -> data.StructLayout:
    """What a group is told in a cycle; each field belongs to another stage (`docs/engine.md`).

    `read`, `tile`: read of the Tile column (A; in WG C); `take`: operands into the PEs (B); `factor`: input
    (C); `load`: the PEs start from the file's sums (D); `store`: their present sums are written (D);
    `write`, `full`, `place`: write to the Tile column in WG: sums, or that there is none (D, E).
    """
    return data.StructLayout(
        {
            "read": 1,
            "tile": config.tile_bits,
            "take": 1,
            "factor": broadcast_layout(),
            "load": 1,
            "store": 1,
            "write": 1,
            "full": 1,
            "place": config.tile_bits,
        }
    )


class Group(wiring.Component):
    """PEs `index * group` and following of a line.

    A lane of the Tile column has `WORD` bits and one that says whether they count as a sum; else it is zero.

    Args:
        config: geometry. index: of the group, 0 to `config.groups` - 1.

    Members:
        wg: `In(1)`: Tile accumulates. control: `In(group_control)`.
        load: `In(struct of valid and beat)`: operands for the Tile column, written in this cycle (FP, BP).
        row: `In(row_lanes * WORD)`, row_full: `In(1)`: word of the Row file, and whether it counts as sums.
        words: `Out(row_lanes * WORD)`: the PEs' sums, low lanes first, then from lane `group` the high ones;
        lanes of PEs that are not there are zero. overflow: `Out(1)`: a sum that is stored now saturated.

    Timing: words read are used in the next cycle; see `group_control`.
    """

    def __init__(self, config: EngineConfig, index: int):
        self.config, self.index = config, index
        first = index * config.group
        self.pes = min(config.group, config.pes - first)
        self.lanes = [half * config.pes + first + n for half in range(2) for n in range(self.pes)]
        """Lanes of the line, in the order of the column."""
        word = WORD * config.row_lanes
        super().__init__(
            {
                "wg": In(1),
                "control": In(group_control(config)),
                "load": In(data.StructLayout({"valid": 1, "beat": tile_beat(config)})),
                "row": In(word),
                "row_full": In(1),
                "words": Out(word),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, control, wg = self.config, self.control, self.wg
        beat = self.load.beat
        lanes = len(self.lanes)
        depth = 2 * config.tile_entries
        # Operands need the low half of a word only: the upper halves are a memory of their own, which rests
        # in FP and BP.
        low = data.StructLayout({"word": OPERAND, "full": 1})
        m.submodules.tile = tile = Memory(
            shape=data.ArrayLayout(low.size, lanes), depth=depth, init=[], attrs=NO_CHECK
        )
        m.submodules.tile_high = tile_high = Memory(
            shape=data.ArrayLayout(WORD - OPERAND, lanes), depth=depth, init=[], attrs=NO_CHECK
        )
        read, write = tile.read_port(), tile.write_port(granularity=1)
        read_high, write_high = tile_high.read_port(), tile_high.write_port()
        fetched, stored = Signal(data.ArrayLayout(low, lanes)), Signal(data.ArrayLayout(low, lanes))
        m.d.comb += [
            read.en.eq(control.read),
            read.addr.eq(control.tile),
            fetched.eq(Cat(*read.data)),
            write.addr.eq(Mux(wg, control.place, beat.entry)),
            Cat(*write.data).eq(stored),
            read_high.en.eq(control.read & wg),
            read_high.addr.eq(control.tile),
            write_high.en.eq(control.write & wg),
            write_high.addr.eq(control.place),
        ]
        # Sums are written to all lanes at once, so one lane's bit speaks for all.
        full = Signal()
        m.d.comb += full.eq(Mux(wg, fetched[0].full, self.row_full))
        overflows = []
        for n in range(self.pes):
            m.submodules[f"pe{n}"] = pe = Pe()
            m.d.comb += [pe.a.eq(control.factor), pe.load.eq(control.load)]
            overflows.append(pe.overflow.any())
            for half in range(2):
                at = half * self.pes + n
                place = half * config.group + n
                chunk, element = divmod(self.lanes[at], config.vector)
                # In WG an even group has the low half of the word of operands.
                row_operand = self.row.word_select((self.index % 2) * config.row_lanes + place, OPERAND)
                operand = Signal(OPERAND, name=f"operand{at}", reset_less=True)
                with m.If(control.take):
                    m.d.sync += operand.eq(Mux(wg, row_operand, fetched[at].word))
                word = pe.word[half]
                total = Cat(fetched[at].word, read_high.data[at])
                m.d.comb += [
                    pe.b[half].eq(operand),
                    pe.c[half].eq(Mux(wg, total, self.row.word_select(place, WORD)) & full.replicate(WORD)),
                    self.words.word_select(place, WORD).eq(word),
                    write.en[at].eq(Mux(wg, control.write, self.load.valid & (beat.chunk == chunk))),
                    stored[at].word.eq(Mux(wg, word[:OPERAND], beat.elements[element])),
                    write_high.data[at].eq(word[OPERAND:]),
                    stored[at].full.eq(control.full),
                ]
        m.d.comb += self.overflow.eq(control.store & Cat(*overflows).any())
        return m

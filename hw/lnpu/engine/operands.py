"""Operands of the Row file (WG): vectors of a pixel in, words of the Row file out."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import row_beat

__all__ = ["RowAssembler", "pixel_vector"]


def pixel_vector(config: EngineConfig) -> data.StructLayout:
    """A vector of a pixel: `chunk` of its lanes; `end`: the pixel's last one. With it count `word`, first
    word of the pixel, `lines` and `bank`, where it goes, and `final`, the pixel completes the bank."""
    return data.StructLayout(
        {
            "elements": data.ArrayLayout(16, config.vector),
            "chunk": max(1, (config.chunks - 1).bit_length()),
            "end": 1,
            "word": config.row_bits,
            "lines": config.lines,
            "bank": 1,
            "final": 1,
        }
    )


class RowAssembler(wiring.Component):
    """Gathers a pixel's lanes, then writes its `operand_words` words while the next pixel gathers.

    Lanes of chunks that a pixel does not have, and lanes that no PE has, are zero.

    Args:
        config: geometry.

    Members:
        i: `In(stream(pixel_vector))`, chunks of a pixel in ascending order, from 0.
        valid: `Out(lines)`: lines that write `beat` in this cycle. beat: `Out(row_beat)`.
        completes: `Out(1)`: with `valid`: this word completes `bank`, `Out(1)`.
        busy: `Out(1)`: something is inside.

    Timing: a pixel takes max(vectors, `operand_words`) cycles; its first word comes 2 cycles after its last
    vector was taken.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "i": In(stream.Signature(pixel_vector(config))),
                "valid": Out(config.lines),
                "beat": Out(row_beat(config)),
                "completes": Out(1),
                "bank": Out(1),
                "busy": Out(1),
            }
        )
        self.config = config

    def elaborate(self, platform):
        m = Module()
        config, i = self.config, self.i.payload
        gathered = Signal()  # a whole pixel
        leaving = Signal()
        left = Signal(range(config.operand_words))
        taken = Signal()
        move = Signal()
        m.d.comb += [
            move.eq(gathered & (~leaving | (left == 0))),
            self.i.ready.eq(~gathered | move),
            taken.eq(self.i.valid & self.i.ready),
            self.busy.eq(gathered | leaving),
        ]
        with m.If(taken & i.end):
            m.d.sync += gathered.eq(1)
        with m.Elif(move):
            m.d.sync += gathered.eq(0)

        lanes = self._gather(m, taken)
        where = {"word": config.row_bits, "lines": config.lines, "bank": 1, "final": 1}
        tag = Signal(data.StructLayout(where), reset_less=True)
        out = Signal(data.StructLayout(where), reset_less=True)
        with m.If(taken & i.end):
            m.d.sync += [tag[name].eq(i[name]) for name in where]
        shape = self.beat.lanes.shape()
        words = [Signal(shape, name=f"word{n}", reset_less=True) for n in range(config.operand_words)]
        with m.If(move):
            m.d.sync += [leaving.eq(1), left.eq(config.operand_words - 1), out.eq(tag)]
            m.d.sync += [word.eq(Cat(self._word(lanes, n))) for n, word in enumerate(words)]
        with m.Else():
            m.d.sync += [left.eq(left - 1), out.word.eq(out.word + 1)]
            m.d.sync += [word.eq(after) for word, after in pairwise(words)]
            with m.If(left == 0):
                m.d.sync += leaving.eq(0)
        m.d.comb += [
            self.valid.eq(out.lines & leaving.replicate(config.lines)),
            self.completes.eq(out.final & (left == 0)),
            self.bank.eq(out.bank),
            self.beat.word.eq(out.word),
            self.beat.lanes.eq(words[0]),
        ]
        return m

    def _gather(self, m: Module, taken: Signal) -> list[Signal]:
        """Registers of the lanes."""
        config, i = self.config, self.i.payload
        lanes = []
        for lane in range(config.lanes):
            chunk, element = divmod(lane, config.vector)
            register = Signal(16, name=f"lane{lane}", reset_less=True)
            with m.If(taken & (i.chunk == chunk)):
                m.d.sync += register.eq(i.elements[element])
            if chunk:
                with m.Elif(taken & (i.chunk == 0)):
                    m.d.sync += register.eq(0)
            lanes.append(register)
        return lanes

    def _word(self, lanes: list[Signal], word: int) -> list[Signal | Const]:
        """Lanes of a word: of its even group, then of its odd one; each low lanes first, then high lanes."""
        config = self.config
        out: list[Signal | Const] = []
        for group in (2 * word, 2 * word + 1):
            for half in range(2):
                for pe in range(group * config.group, (group + 1) * config.group):
                    out.append(lanes[half * config.pes + pe] if pe < config.pes else Const(0, 16))
        return out

"""Cycles of the X buffer's fill side, as `lnpu.engine.store`: rows to decoders, packers to the RAM."""

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.cycles.decoder import WORDS, Decoder, Job, Row
from lnpu_sim.engine.cycles.turns import Turns
from lnpu_sim.engine.program import EngineProgram

__all__ = ["FillSide"]

Ints = NDArray[np.int64]


class FillSide:
    """When banks become filled.

    Args:
        program: its `fills` and `words`, always offered. config: geometry.

    Attributes:
        filled: bits of banks that are complete and not claimed.
    """

    def __init__(self, program: EngineProgram, config: EngineConfig) -> None:
        fills, words = program.fills, program.words
        data, last = words["data"].astype("<u8"), words["last"].astype(bool)
        ends = (np.flatnonzero(last) + 1).tolist()
        self._fills = [
            (
                Row(int.from_bytes(data[begin:end].tobytes(), "little"), *map(int, fields[:5])),
                int(fields[5]),
                bool(fields[6]),
                end - begin,
            )
            for begin, end, *fields in zip(
                [0, *ends[:-1]],
                ends,
                *(fills[f"row_{name}"] for name in ("blocks", "length", "count_bits", "k8", "k16")),
                fills["bank"],
                fills["last"],
                strict=True,
            )
        ]
        self._at = 0  # the next fill command
        self._turn = 0
        self._left = 0  # words of the present row that have not come yet
        self._closing = False
        self._decoders = [Decoder(config) for _ in range(config.decoders)]
        self._arrived = [0] * config.decoders
        self._writers = Turns(config.decoders)
        self._claimed = 0
        self.filled = 0

    def step(self, claim: int, free: int) -> None:
        """One cycle: `claim`, `free`: bits of banks, as the hardware's."""
        decoders, arrived = self._decoders, self._arrived
        asleep = not claim and not free and not self._left
        if asleep:
            for decoder in decoders:
                asleep = asleep and decoder.asleep
            # Without a free place, or fills, nothing comes in either.
            if asleep and (self._at == len(self._fills) or any(decoder.first for decoder in decoders)):
                return
        granted = self._writers.grant([decoder.writes for decoder in decoders])
        ready = True
        full = decoders[self._turn].level == WORDS
        for n, decoder in enumerate(decoders):
            if not decoder.asleep or free:
                if decoder.step(granted == n, free):
                    decoder.second = None
                arrived[n] = (arrived[n] | decoder.ended) & ~free
            if decoder.first is not None and decoder.second is None:
                decoder.second, decoder.first = decoder.first, None
                decoder.asleep = False
            ready = ready and decoder.first is None
        self._distribute(ready, full)
        self._claimed = (self._claimed | claim) & ~free
        filled = 3 & ~self._claimed
        for bits in arrived:
            filled &= bits
        self.filled = filled

    def _distribute(self, ready: bool, full: bool) -> None:
        """`ready`: every decoder takes a job; `full`: the present decoder's FIFO takes no word."""
        if self._left:
            if not full:
                decoder = self._decoders[self._turn]
                self._left -= 1
                decoder.words.append(self._left == 0)
                decoder.level += 1
                decoder.asleep = False
                if not self._left:
                    turn = self._turn + 1
                    self._turn = 0 if self._closing or turn == len(self._decoders) else turn
        elif ready and self._at < len(self._fills):
            row, bank, self._closing, self._left = self._fills[self._at]
            self._at += 1
            for n, decoder in enumerate(self._decoders):
                if n == self._turn or self._closing:
                    decoder.first = Job(row if n == self._turn else None, bank, self._closing)
                    decoder.asleep = False

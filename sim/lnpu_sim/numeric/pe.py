"""Golden model of the array's processing element."""

from typing import Any

import numpy as np
import numpy.typing as npt

from lnpu.formats import FP16
from lnpu.numeric.config import FMA_BUILDS, FmaConfig
from lnpu_sim.numeric.window import WindowModel

__all__ = ["PeModel"]

Words = npt.NDArray[np.int64]


class PeModel:
    """What a line's broadcast and one PE compute; arrays have time as their only axis.

    Args:
        config: training flavour, fp8 x fp16, windowed; one fp8 format.
    """

    def __init__(self, config: FmaConfig = FMA_BUILDS["pe"]):
        self.config = config
        self.window = WindowModel(config)

    def broadcast(
        self, valid: Words, dual: Words, lane: Words, code: Words, s: Words, top: Words
    ) -> dict[str, Words]:
        """The fields that a line sends to its PEs, by name; see `lnpu.numeric.pe.broadcast_layout`."""
        (fp8,) = self.config.fp8.formats
        mantissa8 = code & fp8.mantissa_mask
        field8 = code >> fp8.mantissa_bits & fp8.exponent_mask
        sparse = (mantissa8 | (field8 != 0) << fp8.mantissa_bits) << (4 - fp8.precision)
        field16 = code >> FP16.mantissa_bits & FP16.exponent_mask
        wide = code & FP16.mantissa_mask | (field16 != 0) << FP16.mantissa_bits
        # The product's exponent is a + b - biases (+ s); two more places stand above its last one.
        room8 = top - (s + field8 + 2 - fp8.bias - FP16.bias)
        room16 = top - (field16 + 2 - 2 * FP16.bias)
        return {
            "valid": valid & np.where(dual, field8 != 0, field16 != 0),
            "dual": dual,
            "lane": lane,
            "significand": np.where(dual, sparse << 7 | sparse, wide),
            "sign": np.where(dual, code >> 7 & 1, code >> 15 & 1),
            "room": np.where(dual, room8, room16),
        }

    def run(
        self,
        valid: Words,
        dual: Words,
        lane: Words,
        code: Words,
        s: Words,
        top: Words,
        b: tuple[Words, Words],
        load: Words,
        c: tuple[Words, Words],
    ) -> tuple[tuple[Words, Words], Words]:
        """Slots in order; every array has one element a slot.

        Args:
            valid: whether the slot carries work; dual: fp8 for both lanes, else fp16 for `lane`.
            code: input; s: fp8 scale; top: top of the window; b: fp16 operands of both lanes.
            load: the lanes start from `c` in this slot; c: signed words.

        Returns:
            `(words of both lanes, overflow)`: signed words and a bit a lane, after each slot.
        """
        words: list[Words] = []
        overflow = np.zeros(len(code), dtype=np.int64)
        for n in range(2):
            # A single slot is the model's single mode with this lane's operand, a dual slot its lane 0.
            operands: Any = np.where(dual, b[n] & 0xFFFF, b[n])
            terms = self.window.terms(dual, code, operands, top, s, 0).value[0]
            live = valid.astype(bool) & (dual.astype(bool) | (lane == n))
            word, over = self._accumulate(np.where(live, terms, 0), load, c[n])
            words.append(word)
            overflow |= over << n
        return (words[0], words[1]), overflow

    def _accumulate(self, terms: Words, load: Words, c: Words) -> tuple[Words, Words]:
        words, flags = np.zeros_like(terms), np.zeros_like(terms)
        word = flag = 0
        low, high = self.window.low, self.window.high
        columns = zip(terms.tolist(), load.tolist(), c.tolist(), strict=True)
        for t, (term, start, addend) in enumerate(columns):
            if start:
                word, flag = addend, 0
            total = word + term
            word = min(max(total, low), high)
            flag |= int(word != total)
            words[t], flags[t] = word, flag
        return words, flags

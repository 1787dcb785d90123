"""Block headers: two counts of a run-time width."""

from amaranth.hdl import Module, Signal, Value

from lnpu.codec.payloads import LENGTH_BITS

__all__ = ["Header"]


class Header:
    """The header at the low end of a field.

    Signals: `n8`, `n16` (7 bits), `bits` (length of the header, 2 to 14), `bad` (a count exceeds `length`).

    Args:
        m: the module. name: prefix of signal names. field: 14 bits, header first.
        count_bits: bits of a count, 1 to 7. length: elements of the block.
    """

    def __init__(self, m: Module, name: str, field: Value, count_bits: Value, length: Value):
        self.n8 = Signal(LENGTH_BITS, name=f"{name}_n8")
        self.n16 = Signal(LENGTH_BITS, name=f"{name}_n16")
        self.bits = Signal(4, name=f"{name}_bits")
        self.bad = Signal(name=f"{name}_bad")
        m.d.comb += self.bits.eq(count_bits << 1)
        with m.Switch(count_bits):
            for width in range(1, LENGTH_BITS + 1):
                with m.Case(width):
                    m.d.comb += [self.n8.eq(field[:width]), self.n16.eq(field[width : 2 * width])]
        m.d.comb += self.bad.eq((self.n8 > length) | (self.n16 > length))

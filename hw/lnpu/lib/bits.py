"""Combinational bit helpers: leading zeros and barrel shifts over a word that can split into two lanes.

Functions that use a value more than once take the module and give every intermediate a named signal:
an Amaranth expression that is used twice becomes hardware twice.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["leading_zeros", "named", "shift_left_split", "shift_right", "shift_right_split", "top_align"]


def named(m: Module, name: str, value: Value) -> Signal:
    """A signal of that name and of the value's shape, driven by it."""
    signal = Signal(value.shape(), name=name)
    m.d.comb += signal.eq(value)
    return signal


def top_align(value: Value, width: int) -> Value:
    """The value moved to the top of a word of `width` bits (zeros below), or its top `width` bits."""
    if len(value) > width:
        return value[len(value) - width :]
    return Cat(Const(0, width - len(value)), value)


def leading_zeros(m: Module, name: str, value: Value) -> Value:
    """Number of zeros before the first one, counted from the most significant bit.

    A tree of 2:1 choices; `value == 0` gives `len(value)`, or one less where that is a power of two.
    """
    word = named(m, f"{name}_word", value)
    bits = list(word)[::-1]
    bits += [Const(1)] * ((1 << max(1, (len(bits) - 1).bit_length())) - len(bits))
    # Each node: (any bit set, count within the node).
    nodes: list[tuple[Value, Value | None]] = [(bit, None) for bit in bits]
    level = 0
    while len(nodes) > 1:
        merged: list[tuple[Value, Value | None]] = []
        for n, (left, right) in enumerate(zip(nodes[::2], nodes[1::2], strict=True)):
            (high, high_count), (low, low_count) = left, right
            count = ~high if high_count is None else Cat(Mux(high, high_count, low_count), ~high)
            merged.append(
                (
                    named(m, f"{name}_any{level}_{n}", high | low),
                    named(m, f"{name}_count{level}_{n}", count),
                )
            )
        nodes, level = merged, level + 1
    count = nodes[0][1]
    assert count is not None
    return count


def shift_right(m: Module, name: str, word: Value, by: Value) -> Value:
    """Logical right shift, smallest step first: the word of a narrow value widens late."""
    for n in range(len(by)):
        word = named(m, f"{name}_{n}", Mux(by[n], word >> (1 << n), word)[: len(word)])
    return word


def shift_right_split(
    m: Module, name: str, high: Value, low: Value, by_high: Value, by_low: Value, cross: Value
) -> tuple[Value, Value, Value, Value]:
    """Right shift of two words, each by its own amount, or of both as one word.

    Args:
        m: the module; name: prefix of the intermediate signals.
        high, low: the words; `low` may be empty.
        by_high, by_low: shift amounts; equal where `cross` is set.
        cross: 1: bits leaving `high` enter `low`.

    Returns:
        `(high, low, sticky_high, sticky_low)`: shifted words and whether a one left them (with `cross`,
        `sticky_high` is 0 and `sticky_low` stands for the whole word).
    """
    sticky_high: Value = Const(0, 1)
    sticky_low: Value = Const(0, 1)
    for n in reversed(range(max(len(by_high), len(by_low)))):
        amount = 1 << n
        take_high = by_high[n] if n < len(by_high) else Const(0)
        take_low = by_low[n] if n < len(by_low) else Const(0)
        if len(low):
            joined = Cat(low, high & cross.replicate(len(high)))
            sticky_low = sticky_low | (take_low & joined[:amount].any())
            low = named(m, f"{name}_low_{n}", Mux(take_low, (joined >> amount)[: len(low)], low))
        sticky_high = sticky_high | (take_high & high[:amount].any() & ~cross)
        high = named(m, f"{name}_high_{n}", Mux(take_high, high >> amount, high)[: len(high)])
    return high, low, sticky_high, sticky_low


def shift_left_split(
    m: Module,
    name: str,
    high: Value,
    low: Value,
    by_high: Value,
    by_low: Value,
    cross: Value,
    skip: int = 0,
) -> tuple[Value, Value]:
    """Left shift of two words, each by its own amount, or of both as one word.

    With `cross`, the top `skip` bits of `low` are no part of the joined word.

    Returns:
        `(high, low)`, same widths; with `cross`, bits leaving `low` enter `high`.
    """
    inner = len(low) - skip
    for n in reversed(range(max(len(by_high), len(by_low)))):
        amount = 1 << n
        take_high = by_high[n] if n < len(by_high) else Const(0)
        take_low = by_low[n] if n < len(by_low) else Const(0)
        entering = low[:inner] & cross.replicate(inner) if len(low) else Const(0, 0)
        shifted = (Cat(entering, high) << amount)[len(entering) : len(entering) + len(high)]
        high = named(m, f"{name}_high_{n}", Mux(take_high, shifted, high))
        if len(low):
            low = named(m, f"{name}_low_{n}", Mux(take_low, (low << amount)[: len(low)], low))
    return high, low

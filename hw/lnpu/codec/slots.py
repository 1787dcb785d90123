"""Entries at the front of a bit window: their fields for every run width, and what makes a code illegal."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from lnpu.codec.config import RUN_WIDTHS_8, RUN_WIDTHS_16

__all__ = ["RUN_BITS", "Slots", "run_width_index", "slot_cases"]

RUN_BITS = max(RUN_WIDTHS_16)


def run_width_index(wide: Value | int, k8: Value, k16: Value) -> Value:
    """Number of the case in `slot_cases`: one-hot fields 1, 2, 4 and 4, 6 to 0..4."""
    wide = Const(wide, 1) if isinstance(wide, int) else wide
    narrow = Cat(k8[1], k8[2])  # 1, 2, 4 -> 0, 1, 2
    return Cat(narrow[0] & ~wide | wide & ~k16[1], narrow[1] & ~wide | wide & ~k16[1], wide & k16[1])


def slot_cases() -> list[tuple[int, int, int]]:
    """(case number, run width, value bits) of every run width; numbers as `run_width_index` gives them."""
    narrow = list(zip(range(3), RUN_WIDTHS_8, (8, 8, 8), strict=True))
    return [*narrow, (3, RUN_WIDTHS_16[0], 16), (4, RUN_WIDTHS_16[1], 16)]


def _at(bits: Value, start: int, width: int) -> Value:
    """Field of the window, zeros beyond its end."""
    inside = bits[start : start + width]
    return inside if len(inside) == width else Cat(inside, Const(0, width - len(inside)))


class Slots:
    """The first `count` entries of a group at the front of a window, for the run width that `case` selects.

    Signals, one each entry: `run`, `code`, `escape`, `reserved` (an illegal code that is no escape), `fits`
    (the entry lies within `avail` bits). `end[n]` is the number of bits of the first n entries and
    `behind[n]` the bits that follow them (`behind_bits` wide).

    Args:
        m: the module. name: prefix of signal names. bits: the window. avail: valid bits of it.
        case: see `run_width_index`. count: entries. behind_bits: width of `behind`, 0 for none.
        cases: which cases can occur; default all.
    """

    def __init__(
        self,
        m: Module,
        name: str,
        bits: Value,
        avail: Value,
        case: Value,
        count: int,
        *,
        behind_bits: int = 0,
        cases: list[tuple[int, int, int]] | None = None,
    ):
        cases = slot_cases() if cases is None else cases
        width = len(bits)
        value_bits = max(v for _, _, v in cases)
        self.run = [Signal(RUN_BITS, name=f"{name}_run{n}") for n in range(count)]
        self.code = [Signal(value_bits, name=f"{name}_code{n}") for n in range(count)]
        self.escape = [Signal(name=f"{name}_escape{n}") for n in range(count)]
        self.reserved = [Signal(name=f"{name}_reserved{n}") for n in range(count)]
        self.fits = [Signal(name=f"{name}_fits{n}") for n in range(count)]
        self.end = [Signal(range(width + 1), name=f"{name}_end{n}") for n in range(count + 1)]
        self.behind = [Signal(behind_bits, name=f"{name}_behind{n}") for n in range(count + 1)]
        self.step = Signal(RUN_BITS + 1, name=f"{name}_step")
        """Elements that an escape skips."""
        with m.Switch(case):
            for number, k, v in cases:
                with m.Case(number):
                    m.d.comb += self.step.eq(1 << k)
                    for n in range(count):
                        start, stop = n * (k + v), (n + 1) * (k + v)
                        if stop > width:
                            continue
                        field = bits[start:stop]
                        run, code = field[:k], field[k:]
                        exponent, illegal = self._checks(code, v)
                        m.d.comb += [
                            self.run[n].eq(run),
                            self.code[n].eq(code),
                            self.escape[n].eq(run.all() & ~code.any()),
                            self.reserved[n].eq(illegal | ~exponent & ~(run.all() & ~code.any())),
                            self.fits[n].eq(avail >= stop),
                        ]
                    for n in range(count + 1):
                        if n * (k + v) <= width:
                            m.d.comb += self.end[n].eq(n * (k + v))
                            if behind_bits:
                                m.d.comb += self.behind[n].eq(_at(bits, n * (k + v), behind_bits))

    @staticmethod
    def _checks(code: Value, value_bits: int) -> tuple[Value, Value]:
        """(exponent field is not zero, code is reserved)."""
        if value_bits == 8:
            return code[3:7].any(), code[:7].all()
        return code[10:15].any(), code[10:15].all()

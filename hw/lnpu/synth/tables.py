"""Lookup tables of the non-linear delay model (NLDM): delay or transition over input slew and output load."""

from bisect import bisect_right
from itertools import pairwise

from lnpu.synth.errors import SynthError
from lnpu.synth.liberty import Group

__all__ = ["Table", "numbers"]

_LOAD = "total_output_net_capacitance"
_CLOCK_SLEW = "related_pin_transition"


def numbers(strings: tuple[str, ...], where: str) -> list[float]:
    """The numbers of `"1, 2", "3, 4"`, in order.

    Raises:
        SynthError: one of them is no number; the message says `where`.
    """
    try:
        return [float(x) for s in strings for x in s.replace(",", " ").split()]
    except ValueError as error:
        raise SynthError(f"Liberty: {where}: {error}") from None


class Table:
    """One table; linear between its points and beyond them.

    Args:
        group: a `cell_rise`, `rise_transition`, `rise_constraint` ... group.
        templates: the library's `lu_table_template` groups by name.
        where: what error messages call the table.

    Raises:
        SynthError: the number of values is not the product of the axes, or an axis does not rise.
    """

    def __init__(self, group: Group, templates: dict[str, Group], where: str) -> None:
        template = templates.get(group.name, Group("", (), 0))
        variables = [template.simple.get(f"variable_{i}", "") for i in (1, 2)]
        values = numbers(group.complex.get("values", ()), where)
        axes = [
            numbers(group.complex.get(f"index_{i}") or template.complex.get(f"index_{i}", ()), where)
            for i in (1, 2)
        ]
        if len(values) == 1:
            axes = [[], []]
        x, y = (axis or [0.0] for axis in axes)
        if len(values) != len(x) * len(y):
            raise SynthError(f"Liberty: {where}: {len(values)} values for axes of {len(x)} x {len(y)} points")
        if any(a >= b for axis in (x, y) for a, b in pairwise(axis)):
            raise SynthError(f"Liberty: {where}: an index does not rise")
        self._x, self._y = x, y
        self._rows = [values[i * len(y) : (i + 1) * len(y)] for i in range(len(x))]
        # Stored order is free: a call always gives (own slew, load) or (own slew, clock slew).
        self._swap = variables[0] in (_LOAD, _CLOCK_SLEW)

    def __call__(self, slew: float, other: float) -> float:
        """The value at the pin's own slew and the output load (delays) or the clock slew (constraints)."""
        a, b = (other, slew) if self._swap else (slew, other)
        i, f = _place(self._x, a)
        j, g = _place(self._y, b)
        low = self._rows[i]
        value = low[j] if g == 0.0 else low[j] + (low[j + 1] - low[j]) * g
        if f == 0.0:
            return value
        high = self._rows[i + 1]
        above = high[j] if g == 0.0 else high[j] + (high[j + 1] - high[j]) * g
        return value + (above - value) * f

    @property
    def slew_axis(self) -> list[float]:
        """Points of the pin's own slew, in the library's time unit."""
        return self._y if self._swap else self._x

    @property
    def other_axis(self) -> list[float]:
        """Points of the output load or of the clock slew, in the library's units."""
        return self._x if self._swap else self._y


def _place(axis: list[float], value: float) -> tuple[int, float]:
    """Segment and position in it (below 0 or above 1 outside the axis)."""
    if len(axis) == 1:
        return 0, 0.0
    i = min(max(bisect_right(axis, value) - 1, 0), len(axis) - 2)
    return i, (value - axis[i]) / (axis[i + 1] - axis[i])

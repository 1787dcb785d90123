"""Line and toggle coverage from Verilator's coverage.dat, with explained exclusions.

An exclusion file is TOML:

    [[exclude]]
    pattern = "toggle fma o_flags\\\\[3\\\\]"     # regular expression, searched in Point.text
    reason = "DZ: an FMA never divides"
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Coverage", "Exclusion", "Point", "read_coverage", "read_exclusions"]

_LINE = re.compile(r"^C '(.*)' (\d+)$")

GENERATED = re.compile(r"\$auto\$verilog_backend")
"""Helper signals that the Verilog writer invents; nobody wrote them, nobody can judge them."""


@dataclass(frozen=True)
class Point:
    """One thing that can be covered.

    Args:
        file: source file name.
        line: line in it.
        kind: "line", "branch" or "toggle".
        module: module name.
        what: the signal bit and direction, or the kind of block.
    """

    file: str
    line: int
    kind: str
    module: str
    what: str

    @property
    def text(self) -> str:
        """What exclusion patterns are searched in: `kind module what file:line`."""
        return f"{self.kind} {self.module} {self.what} {self.file}:{self.line}"


@dataclass(frozen=True)
class Exclusion:
    """Points that need not be covered, and why."""

    pattern: re.Pattern[str]
    reason: str


@dataclass
class Coverage:
    """Counts of points; add two to merge runs of the same design."""

    counts: dict[Point, int] = field(default_factory=dict)

    def __add__(self, other: "Coverage") -> "Coverage":
        merged = dict(self.counts)
        for point, count in other.counts.items():
            merged[point] = merged.get(point, 0) + count
        return Coverage(merged)

    def without(self, exclusions: Sequence[Exclusion]) -> "Coverage":
        """The coverage that is left to judge.

        Raises:
            AssertionError: an exclusion matches no uncovered point, so its reason no longer holds.
        """
        missed = [point for point, count in self.counts.items() if count == 0]
        for exclusion in exclusions:
            assert any(exclusion.pattern.search(point.text) for point in missed), (
                f"stale exclusion {exclusion.pattern.pattern!r} ({exclusion.reason}): "
                "it matches no uncovered point"
            )
        return Coverage(
            {
                point: count
                for point, count in self.counts.items()
                if count or not any(exclusion.pattern.search(point.text) for exclusion in exclusions)
            }
        )

    def uncovered(self) -> list[Point]:
        """Points with count 0, in source order."""
        missed = [point for point, count in self.counts.items() if count == 0]
        return sorted(missed, key=lambda point: (point.file, point.line, point.text))

    def percent(self, kind: str | None = None) -> dict[str, float]:
        """File -> share of covered points in percent, of one kind or of all."""
        totals: dict[str, list[int]] = {}
        for point, count in self.counts.items():
            if kind is None or point.kind == kind:
                entry = totals.setdefault(point.file, [0, 0])
                entry[0] += count > 0
                entry[1] += 1
        return {name: 100.0 * hit / total for name, (hit, total) in sorted(totals.items())}

    def report(self, limit: int = 20) -> str:
        """Percentages a file and kind, then the first uncovered points."""
        kinds = sorted({point.kind for point in self.counts})
        rows = [
            f"{name}: {kind} {value:.1f} %" for kind in kinds for name, value in self.percent(kind).items()
        ]
        missed = self.uncovered()
        rows += [f"  not covered: {point.text}" for point in missed[:limit]]
        rows += [f"  ... and {len(missed) - limit} more"] if len(missed) > limit else []
        return "\n".join(rows)


def read_coverage(files: Iterable[Path]) -> Coverage:
    """Merge coverage.dat files; helper signals of the Verilog writer are left out.

    Raises:
        ValueError: a file holds no coverage.
    """
    total = Coverage()
    for file in files:
        counts: dict[Point, int] = {}
        for line in file.read_text(errors="replace").splitlines():
            match = _LINE.match(line)
            if match is None:
                continue
            entry = dict(pair.partition("\x02")[::2] for pair in match[1].split("\x01") if pair)
            page = entry.get("page", "")
            kind, _, module = page.partition("/")
            if GENERATED.search(entry.get("o", "")):
                continue
            point = Point(
                Path(entry.get("f", "?")).name,
                int(entry.get("l", 0)),
                kind.removeprefix("v_"),
                module,
                entry.get("o", ""),
            )
            # One module in several places counts as one.
            counts[point] = counts.get(point, 0) + int(match[2])
        if not counts:
            raise ValueError(f"{file} holds no coverage points")
        total += Coverage(counts)
    return total


def read_exclusions(file: Path) -> list[Exclusion]:
    """Exclusions from a TOML file; every one needs a pattern and a reason.

    Raises:
        ValueError: one lacks either, or has another key.
    """
    rows: list[Mapping[str, str]] = tomllib.loads(file.read_text()).get("exclude", [])
    for number, row in enumerate(rows, 1):
        if set(row) != {"pattern", "reason"} or not all(row.values()):
            raise ValueError(f"{file.name}: exclusion {number} needs exactly `pattern` and `reason`: {row}")
    return [Exclusion(re.compile(row["pattern"]), row["reason"]) for row in rows]

"""Workloads of `lnpu asic` as text: `synthetic:sparsity=0.9,numerics=fp8`, or `FILE.npz:layers=a+b`."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lnpu.engine.config import Convolution, EngineError, Pass
from lnpu_sim.engine.inputs import Technique
from lnpu_sim.engine.workload import Workload, synthetic, trace
from lnpu_sim.gates.measure import Numerics

T = TypeVar("T")

__all__ = ["Job", "WorkloadError", "jobs"]


class WorkloadError(ValueError):
    """A workload that cannot be used; the message names the value and what is allowed."""


@dataclass(frozen=True)
class Job:
    """One pass to measure.

    Args:
        label: what reports call it. work, kind, technique, share: as `lnpu_sim.gates.measure`.
    """

    label: str
    work: Workload
    kind: Pass
    technique: Technique
    share: float


def jobs(text: str) -> list[Job]:
    """The passes that a workload asks for.

    Args:
        text: `synthetic` or the path of a trace, then after a colon values separated by commas: for both
            `numerics` (fp16, fp8, fgmp), `pass` (fp, bp, wg, all) and `zeros` (skipped, issued); for
            synthetic layers `sparsity` (0 to 1), `inputs`, `outputs`, `height`, `width`, `kernel`, `seed`;
            for a trace `layers` (names with +) and `images`.

    Raises:
        WorkloadError: an unknown name or value, or a file that cannot be read.
    """
    head, _, tail = text.partition(":")
    values = dict(_pair(part) for part in tail.split(",")) if tail else {}
    take = _Taker(text, values)
    numerics = take.choice("numerics", Numerics.FGMP, {n.value: n for n in Numerics})
    passes = {kind.name.lower(): (kind,) for kind in Pass} | {"all": tuple(Pass)}
    kinds = take.choice("pass", passes["all"] if head != "synthetic" else passes["fp"], passes)
    skip = take.choice("zeros", True, {"skipped": True, "issued": False})
    works = _synthetic(take) if head == "synthetic" else _trace(Path(head), take)
    take.done()
    technique = numerics.technique(skip)
    how = f"{numerics.value}{'' if skip else ', zeros issued'}"
    return [
        Job(f"{work.name} {kind.name}, {how}", work, kind, technique, numerics.share)
        for work in works
        for kind in kinds
    ]


def _pair(part: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals or not name or not value:
        raise WorkloadError(f"workload: {part!r} must be name=value")
    return name.strip(), value.strip()


class _Taker:
    """Takes values by name and refuses what is left."""

    def __init__(self, text: str, values: dict[str, str]) -> None:
        self._text, self._values = text, values
        self._known: list[str] = []

    def choice(self, name: str, default: T, allowed: dict[str, T]) -> T:
        return self._take(name, default, lambda value: allowed[value], f"one of {', '.join(allowed)}")

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        def read(value: str) -> int:
            if not low <= int(value) <= high:
                raise ValueError
            return int(value)

        return self._take(name, default, read, f"{low} to {high}")

    def share(self, name: str, default: float) -> float:
        def read(value: str) -> float:
            if not 0 <= float(value) <= 1:
                raise ValueError
            return float(value)

        return self._take(name, default, read, "0 to 1")

    def names(self, name: str) -> list[str] | None:
        return self._take(name, None, lambda value: value.split("+"), "names with + between them")

    def done(self) -> None:
        if self._values:
            name = next(iter(self._values))
            raise WorkloadError(f"workload {self._text!r}: `{name}` is not one of {', '.join(self._known)}")

    def _take(self, name: str, default: T, read: Callable[[str], T], allowed: str) -> T:
        self._known.append(name)
        if name not in self._values:
            return default
        value = self._values.pop(name)
        try:
            return read(value)
        except (ValueError, KeyError):
            raise WorkloadError(f"workload: `{name}` must be {allowed}, not {value}") from None


def _synthetic(take: _Taker) -> list[Workload]:
    zeros = take.share("sparsity", 0.5)
    height, width = take.integer("height", 8, 1, 256), take.integer("width", 16, 1, 256)
    inputs, outputs = take.integer("inputs", 64, 1, 1024), take.integer("outputs", 64, 1, 1024)
    kernel = take.integer("kernel", 3, 1, 7)
    seed = take.integer("seed", 0, 0, 2**31)
    try:
        shape = Convolution(height, width, inputs, outputs, kernel, 1, kernel // 2)
    except EngineError as error:
        raise WorkloadError(f"workload: {error}") from None
    work = synthetic(shape, 1, zeros, seed=seed)
    return [dataclasses.replace(work, name=f"{inputs}-{outputs} {kernel}x{kernel}, {zeros:.0%} zeros")]


def _trace(path: Path, take: _Taker) -> list[Workload]:
    names = take.names("layers")
    images = take.integer("images", 1, 1, 1024)
    if path.suffix != ".npz":
        raise WorkloadError(
            f"workload must be synthetic:... or the path of a trace (.npz), not {str(path)!r}"
        )
    try:
        works = trace(path, names)
    except (OSError, KeyError, EngineError, ValueError) as error:
        raise WorkloadError(f"workload {path}: {error}") from None
    return [dataclasses.replace(work, x=work.x[:images], d=work.d[:images]) for work in works]

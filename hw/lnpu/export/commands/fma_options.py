"""Command-line options that describe an FMA, and how they become an `FmaConfig`."""

import dataclasses
import enum
from typing import Annotated, TypeVar

import typer

from lnpu.export.commands.errors import UserError
from lnpu.formats import FormatError, parse_format
from lnpu.numeric.config import (
    FMA_BUILDS,
    ConfigError,
    Dual,
    Flavour,
    FloatAccumulate,
    FmaConfig,
    Fp8,
    Share,
    WindowAccumulate,
)

__all__ = [
    "Acc",
    "Build",
    "DualKind",
    "FlavourName",
    "Fp8Name",
    "Latency",
    "ShareName",
    "Window",
    "fma_config",
]


def _values(kind: type[enum.Enum]) -> str:
    return ", ".join(member.value for member in kind)


_PANEL = "FMA"
Build = Annotated[
    str,
    typer.Option(
        "--build", help=f"Start from a named build: {', '.join(FMA_BUILDS)}.", rich_help_panel=_PANEL
    ),
]
FlavourName = Annotated[
    str | None, typer.Option("--flavour", help=f"{_values(Flavour)}.", rich_help_panel=_PANEL)
]
Fp8Name = Annotated[
    str | None,
    typer.Option("--fp8", help=f"fp8 format of dual mode: {_values(Fp8)}.", rich_help_panel=_PANEL),
]
DualKind = Annotated[
    str | None,
    typer.Option("--dual", help=f"Operands of dual mode: {_values(Dual)}.", rich_help_panel=_PANEL),
]
Acc = Annotated[
    str | None,
    typer.Option(
        "--acc",
        help="Accumulate format: fp16, fp32, bf16, e<bits>m<bits>, or window (fixed point).",
        rich_help_panel=_PANEL,
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        "--window", help="Bits of the window, 23 to 64 (with --acc window).", rich_help_panel=_PANEL
    ),
]
ShareName = Annotated[
    str | None,
    typer.Option("--share", help=f"What the modes share: {_values(Share)}.", rich_help_panel=_PANEL),
]
Latency = Annotated[
    int | None,
    typer.Option("--latency", help="Register ranks, 0 to 4 (window: 1 to 4).", rich_help_panel=_PANEL),
]

E = TypeVar("E", bound=enum.Enum)


def _choice(field: str, kind: type[E], text: str) -> E:
    try:
        return kind(text.strip().lower())
    except ValueError:
        raise UserError(f"`{field}` must be one of {_values(kind)}, not {text!r}") from None


def fma_config(
    build: str,
    *,
    flavour: str | None = None,
    fp8: str | None = None,
    dual: str | None = None,
    acc: str | None = None,
    window: int | None = None,
    share: str | None = None,
    latency: int | None = None,
) -> FmaConfig:
    """The configuration that the options describe: a named build with the given fields replaced.

    Raises:
        UserError: an option is out of range or two exclude each other.
    """
    if build not in FMA_BUILDS:
        raise UserError(f"`build` must be one of {', '.join(FMA_BUILDS)}, not {build!r}")
    base = FMA_BUILDS[build]
    changes: dict[str, object] = {}
    if flavour is not None:
        changes["flavour"] = _choice("flavour", Flavour, flavour)
    if fp8 is not None:
        changes["fp8"] = _choice("fp8", Fp8, fp8)
    if dual is not None:
        changes["dual"] = _choice("dual", Dual, dual)
    if share is not None:
        changes["share"] = _choice("share", Share, share)
    if latency is not None:
        changes["latency"] = latency
    try:
        if acc == "window" or (acc is None and base.windowed):
            changes["accumulate"] = (
                WindowAccumulate(window) if window is not None else _default_window(base.accumulate)
            )
        elif window is not None:
            raise UserError("`window` needs `--acc window`: a float accumulator has no window")
        elif acc is not None:
            changes["accumulate"] = FloatAccumulate(parse_format(acc))
        return dataclasses.replace(base, **changes)  # type: ignore[arg-type]
    except (ConfigError, FormatError) as error:
        raise UserError(str(error)) from None


def _default_window(accumulate: FloatAccumulate | WindowAccumulate) -> WindowAccumulate:
    return accumulate if isinstance(accumulate, WindowAccumulate) else WindowAccumulate()

"""Command-line options that describe an FMA, and how they become an `FmaConfig`."""

import dataclasses
import enum
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

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

__all__ = ["fma_config", "with_fma_config"]


def _values(kind: type[enum.Enum]) -> str:
    return ", ".join(member.value for member in kind)


def _option(kind: type, flag: str, text: str) -> Any:
    return Annotated[kind | None, typer.Option(flag, help=text, rich_help_panel="FMA")]


_OPTIONS = {
    "build": _option(str, "--build", f"Start from a named build: {', '.join(FMA_BUILDS)}. Default: default."),
    "flavour": _option(str, "--flavour", f"{_values(Flavour)}."),
    "fp8": _option(str, "--fp8", f"fp8 format of dual mode: {_values(Fp8)}."),
    "dual": _option(str, "--dual", f"Operands of dual mode: {_values(Dual)}."),
    "acc": _option(str, "--acc", "fp16, fp32, bf16, e<bits>m<bits>, or window (fixed point)."),
    "window": _option(int, "--window", "Bits of the window, 23 to 64 (with --acc window)."),
    "share": _option(str, "--share", f"What the modes share: {_values(Share)}."),
    "latency": _option(int, "--latency", "Register ranks, 0 to 4 (window: 1 to 4)."),
}


def with_fma_config(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the FMA; it receives them as one argument, `config`."""

    @functools.wraps(command)
    def wrapper(**arguments: Any) -> None:
        chosen = {name: arguments.pop(name) for name in _OPTIONS}
        command(config=fma_config(**chosen), **arguments)

    own = [p for p in inspect.signature(command).parameters.values() if p.name != "config"]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _OPTIONS.items()
    ]
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    wrapper.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in [*own, *more]}
    return wrapper


E = TypeVar("E", bound=enum.Enum)


def _choice(field: str, kind: type[E], text: str) -> E:
    try:
        return kind(text.strip().lower())
    except ValueError:
        raise UserError(f"`{field}` must be one of {_values(kind)}, not {text!r}") from None


def fma_config(
    *,
    build: str | None = None,
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
    build = build or "default"
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

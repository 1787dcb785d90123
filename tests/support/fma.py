"""Exported FMA units and what the independent oracles say about their ports."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lnpu.export.fma import fma_verilog
from lnpu.numeric.config import Dual, Flavour, FloatAccumulate, FmaConfig
from lnpu_sim.rtl import STALL_PATTERNS, RtlModule, build
from oracles.fma import ieee_fma, training_fma

__all__ = [
    "Result",
    "assert_equal",
    "fma_unit",
    "name_of",
    "oracle",
    "play",
    "split",
    "verilog",
    "verilog_file",
]


@functools.cache
def verilog(config: FmaConfig) -> str:
    """The exported text, made once a process."""
    return fma_verilog(config)


def verilog_file(config: FmaConfig, folder: Path) -> Path:
    """The exported text as `fma.v` in a folder."""
    file = folder / "fma.v"
    file.write_text(verilog(config))
    return file


def fma_unit(config: FmaConfig, **options: Any) -> RtlModule:
    """A fresh instance of the compiled export; options as for `build`."""
    return build([verilog(config)], "fma", **options)


def name_of(config: FmaConfig) -> str:
    """A test id."""
    return "-".join(str(value) for value in config.as_dict().values())


@dataclass(frozen=True)
class Result:
    """One lane of many operations: words and flags."""

    d: np.ndarray
    flags: np.ndarray


def split(config: FmaConfig, d: np.ndarray, flags: np.ndarray) -> list[Result]:
    """Port words as lanes, lane 0 first. `d` may be `(n, words)` of 64 bits."""
    width = config.accumulate.width
    if width <= 32:
        mask = np.uint64((1 << width) - 1)
        words = [(d >> np.uint64(width * k) & mask).astype(np.int64) for k in range(config.lanes)]
    else:
        d = np.atleast_2d(d.T).astype(object)
        total = sum((word << 64 * k for k, word in enumerate(d)), np.zeros(d.shape[1], object))
        words = [total >> width * k & (1 << width) - 1 for k in range(config.lanes)]
    flags = flags.astype(np.int64)
    return [Result(word, flags >> 5 * k & 31) for k, word in enumerate(words)]


def play(
    unit: RtlModule, config: FmaConfig, words: Mapping[str, Any], pattern: str = "none", seed: int = 1
) -> list[Result]:
    """Operations through a unit, `words` by port name without `i_`; the lanes of what came out."""
    source, sink = STALL_PATTERNS[pattern]
    inputs = {f"i_{name}": value for name, value in words.items()}
    out = unit.run_stream(inputs, ["o_d", "o_flags"], source_stall=source, sink_stall=sink, seed=seed)
    return split(config, out["o_d"], out["o_flags"])


def oracle(config: FmaConfig, words: Mapping[str, np.ndarray]) -> list[Result]:
    """What the oracles expect of a unit with float accumulate (up to 32 bits), all modes."""
    assert isinstance(config.accumulate, FloatAccumulate)
    judge: Callable = ieee_fma if config.flavour is Flavour.IEEE else training_fma
    acc, width = config.accumulate.format.name, config.accumulate.width
    a, b, c = (np.asarray(words[name]).astype(np.int64) for name in "abc")
    n = len(a)
    mode, s, fmt = (np.broadcast_to(words.get(name, 0), n).astype(np.int64) for name in ("mode", "s", "fmt"))
    wide_b = config.dual is Dual.FP8XFP16
    names = [f.name for f in config.fp8.formats]
    results = []
    for lane in range(config.lanes):
        d, flags = np.zeros(n, np.int64), np.zeros(n, np.int64)
        z = c >> width * lane & (1 << width) - 1
        if lane == 0:
            part = mode == 0
            d[part], flags[part] = judge(("fp16", "fp16", acc), a[part], b[part] & 0xFFFF, z[part])
        for choice in range(1 << config.fmt_bits):
            part = (mode == 1) & (fmt == choice)
            if not part.any():
                continue
            first = names[choice & 1 if config.fmt_bits else 0]
            second = "fp16" if wide_b else names[choice >> config.fmt_bits - 1 if config.fmt_bits else 0]
            x = a[part] >> 8 * lane & 0xFF
            y = b[part] >> 16 * lane & 0xFFFF if wide_b else b[part] >> 8 * lane & 0xFF
            d[part], flags[part] = judge((first, second, acc), x, y, z[part], s[part])
        results.append(Result(d, flags))
    return results


def assert_equal(got: list[Result], want: list[Result], words: Mapping[str, Any], note: str = "") -> None:
    """Every lane equal; else the number of differences and the first few operations in hex."""
    for lane, (g, w) in enumerate(zip(got, want, strict=True)):
        wrong = np.flatnonzero((g.d != w.d) | (g.flags != w.flags))
        examples = [
            ", ".join(f"{name}={int(np.broadcast_to(v, len(g.d))[k]):#x}" for name, v in words.items())
            + f": got {_word(g, k)}, expected {_word(w, k)}"
            for k in wrong[:5]
        ]
        assert not len(wrong), "\n".join(
            [f"lane {lane}: {len(wrong)} of {len(g.d)} differ {note}", *examples]
        )


def _word(result: Result, k: int) -> str:
    return f"d {int(result.d[k]):#x} flags {int(result.flags[k]):05b}"

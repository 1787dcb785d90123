"""Codec blocks under cocotb on exported Verilog: same bytes, every stall pattern, throughput counted."""

import json
from pathlib import Path

import numpy as np
import pytest

from lnpu.codec.config import CodecConfig, FgmpFormat
from lnpu.export.codec import export_codec
from lnpu_sim.codec.tensor import encode, geometry_of
from lnpu_sim.rtl import STALL_PATTERNS
from support import codec as s
from support.cocotb import run_cocotb

BENCH = Path(__file__).with_name("bench_codec.py")

# name: format, shape [H][W][C], zeros, fp16 share
CASES = {
    "gradient": (FgmpFormat(0, 1, 4), (3, 8, 16), 0.0, 0.03),
    "activation": (FgmpFormat(0, 2, 6), (3, 8, 64), 0.5, 0.03),
    "sparse": (FgmpFormat(0, 4, 6), (2, 6, 64), 0.9, 0.05),
    "image": (FgmpFormat(0, 1, 4), (4, 16, 3), 0.1, 0.03),
    "odd": (FgmpFormat(0, 4, 6), (3, 7, 13), 0.2, 0.1),
}


def beats_of(fields):
    """Column arrays to a list of port dictionaries (wide ports arrive as words)."""

    def value(entry):
        return int(entry) if np.ndim(entry) == 0 else sum(int(w) << 64 * n for n, w in enumerate(entry))

    return [dict(zip(fields, map(value, row), strict=True)) for row in zip(*fields.values(), strict=True)]


def prefixed(prefix, fields):
    return {f"{prefix}_{name}": values for name, values in fields.items()}


def sparse_traffic(x, fmt):
    rows = s.encode_array(x, fmt)
    out = s.sparse_beats(s.decode_batch(rows), fmt)
    sources = {"command": s.row_commands(rows), "i": s.word_beats(rows)}
    return sources, {"o": prefixed("o", out)}, 0


def dense_traffic(x, fmt):
    rows = s.encode_array(x, fmt)
    out = s.dense_beats(s.decode_batch(rows), rows.length, 4)
    sources = {"command": s.row_commands(rows, bias=True), "i": s.word_beats(rows)}
    return sources, {"o": prefixed("o", out)}, 0


def encoder_traffic(x, fmt):
    words, meta = s.encoded_beats(encode(x, fmt))
    sources = {"command": s.encoder_command_beats(geometry_of(x.shape), fmt), "i": s.element_beats(x, 4)}
    return sources, {"o": prefixed("o", words), "meta": prefixed("meta", meta)}, None


BLOCKS = {
    "codec-encoder": (encoder_traffic, "i"),
    "codec-sparse-decoder": (sparse_traffic, "o"),
    "codec-dense-decoder": (dense_traffic, "o"),
}


def play(block, x, fmt, tmp_path, *, pattern, seed=1, gaps=None):
    """Run the bench; idle cycles of the block's counted stream."""
    traffic, counted = BLOCKS[block]
    sources, sinks, errors = traffic(x, fmt)
    beats = {
        side: {p: beats_of(f) for p, f in part.items()}
        for side, part in (("sources", sources), ("sinks", sinks))
    }
    if errors is not None:
        beats["errors"] = errors
    (tmp_path / "beats.json").write_text(json.dumps(beats))
    manifest = export_codec(block, CodecConfig(), tmp_path / "verilog")
    run_cocotb(
        [tmp_path / "verilog" / manifest["files"][0]],
        manifest["top"],
        BENCH,
        settings={
            "beats": str(tmp_path / "beats.json"),
            "report": str(tmp_path / "report.json"),
            "pattern": pattern,
            "seed": seed,
            "counted": counted,
            "gaps": gaps,
        },
    )
    return json.loads((tmp_path / "report.json").read_text())["idle"]


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("block", BLOCKS)
def test_under_stalls(block, pattern, tmp_path):
    fmt = FgmpFormat(-2, 2, 4)
    play(block, s.array((2, 3, 20), fmt, zeros=0.5, wide=0.1, seed=4), fmt, tmp_path, pattern=pattern, seed=4)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("block", BLOCKS)
def test_throughput(block, case, tmp_path):
    """Cycles without a transfer while nobody stalls, from the first to the last beat of the counted stream.

    Encoder: none on its input. Decoders: one between rows. The sparse decoder parses one element a cycle
    without a pause and delivers whole blocks, so its output spreads by the largest block's size less the
    first one's.
    """
    fmt, shape, zeros, wide = CASES[case]
    rows = shape[0]
    x = s.array(shape, fmt, zeros=zeros, wide=wide, seed=2)
    allowed = 0 if block == "codec-encoder" else rows - 1
    if block == "codec-sparse-decoder":
        ends = np.flatnonzero(s.sparse_beats(s.decode_batch(s.encode_array(x, fmt)), fmt)["last"])
        sizes = np.diff(ends, prepend=-1)
        allowed += int(sizes.max() - sizes[0])
    play(block, x, fmt, tmp_path, pattern="none", gaps=allowed)

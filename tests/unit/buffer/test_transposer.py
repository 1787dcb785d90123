# amaranth: UnusedElaboratable=no
"""Every transposition scheme against the model of the transposing buffer, as `Transposer` promises."""

import numpy as np
import pytest

from lnpu.buffer.scheme import Scheme
from lnpu.buffer.shift import ShiftTransposer
from lnpu.buffer.transposer import make_transposer
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.buffer.transpose import TransposeModel
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from support.words import packed, unpacked

SIZE = 5


@pytest.fixture(scope="module", params=Scheme, ids=lambda scheme: scheme.value)
def transposer(request):
    unit = make_transposer(request.param, SIZE)
    return build([to_verilog(unit, "transposer", flat_ports(unit))], "transposer"), unit.latency


def counted(lengths):
    """Index and last of vectors, tile after tile."""
    index = np.concatenate([np.arange(n) for n in lengths])
    last = np.concatenate([np.arange(n) == n - 1 for n in lengths]).astype(np.int64)
    return index, last


def check(unit, columns, rows, pattern, seed):
    """Tiles of so many columns are read by so many rows; returns the stream result."""
    source, sink = STALL_PATTERNS[pattern]
    (index, last), (read_index, read_last) = counted(columns), counted(rows)
    elements = np.random.default_rng(seed).integers(0, 2**16, (len(index), SIZE))
    unit.reset()
    result = unit.run_streams(
        [
            Source(
                {
                    "i_elements": packed(elements, 16),
                    "i_index": index,
                    "i_axis": np.ones_like(index),
                    "i_last": last,
                },
                "i_valid",
                "i_ready",
                source,
            ),
            Source(
                {"read_index": read_index, "read_axis": 0 * read_index, "read_last": read_last},
                "read_valid",
                "read_ready",
                source,
            ),
        ],
        [Sink(["o_elements", "o_last"], "o_valid", "o_ready", sink, len(read_index))],
        seed=seed,
    )
    want, _ = TransposeModel(SIZE).run(
        elements, index, np.ones_like(index), last, read_index, 0 * read_index, read_last
    )
    # Elements of columns that the tile has not got are undefined.
    width = np.concatenate([np.full(n, c) for c, n in zip(columns, rows, strict=True)])
    defined = np.arange(SIZE) < width[:, None]
    got = unpacked(result["o_elements"], SIZE, 16) & 0xFFFF
    np.testing.assert_array_equal(got[defined], want[defined])
    np.testing.assert_array_equal(result["o_last"], read_last)
    return result


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_transposes(transposer, pattern):
    unit, _ = transposer
    for seed in range(4):
        columns, rows = np.random.default_rng(seed).integers(1, SIZE + 1, (2, 60))
        check(unit, columns, rows, pattern, seed)


def test_one_vector_a_cycle(transposer):
    """Only the first tile is written before anything is read."""
    unit, latency = transposer
    result = check(unit, [SIZE] * 20, [SIZE] * 20, "none", 1)
    assert result.cycles <= 21 * SIZE + 1 + latency


def test_refuses():
    with pytest.raises(ValueError, match="`size` must be 2 to 32, not 33"):
        ShiftTransposer(33)

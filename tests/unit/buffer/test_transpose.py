# amaranth: UnusedElaboratable=no
"""The transposing buffer's exported Verilog against its model: every axis, partial tiles, stalls, rate."""

import numpy as np
import pytest

from lnpu.buffer.transpose import Axis, TransposeBuffer
from lnpu.export.codec import flat_ports
from lnpu.export.verilog import to_verilog
from lnpu_sim.buffer.transpose import TransposeModel
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from support.words import packed, unpacked

SIZES = [2, 7, 8]


def compiled(size, **options):
    unit = TransposeBuffer(size, **options)
    return build([to_verilog(unit, "transpose", flat_ports(unit))], "transpose")


def beats(size, tiles, rng, partial=False):
    """Random tiles: writes and reads, each of any axis, in any order."""
    columns = {name: [] for name in ("index", "axis", "last", "read_index", "read_axis", "read_last")}
    for _ in range(tiles):
        for prefix in ("", "read_"):
            count = int(rng.integers(1, size + 1)) if partial else size
            columns[f"{prefix}index"].append(rng.permutation(size)[:count])
            axis = rng.integers(0, 2, count) if partial else np.full(count, rng.integers(0, 2))
            columns[f"{prefix}axis"].append(axis)
            columns[f"{prefix}last"].append(np.arange(count) == count - 1)
    joined = {name: np.concatenate(parts).astype(np.int64) for name, parts in columns.items()}
    return {"elements": rng.integers(0, 2**16, (len(joined["index"]), size)), **joined}


def check(unit, size, b, pattern="none", seed=1):
    source, sink = STALL_PATTERNS[pattern]
    writes = {f"i_{name}": b[name] for name in ("index", "axis", "last")}
    reads = {f"read_{name}": b[f"read_{name}"] for name in ("index", "axis", "last")}
    result = unit.run_streams(
        [
            Source({"i_elements": packed(b["elements"], 16), **writes}, "i_valid", "i_ready", source),
            Source(reads, "read_valid", "read_ready", source),
        ],
        [Sink(["o_elements", "o_last"], "o_valid", "o_ready", sink, len(b["read_last"]))],
        seed=seed,
    )
    want, defined = TransposeModel(size).run(**b)
    got = unpacked(result["o_elements"], size, 16) & 0xFFFF
    wrong = np.argwhere((got != want) & defined)
    assert not len(wrong), f"pattern {pattern}, seed {seed}: read {wrong[0][0]}, element {wrong[0][1]}"
    np.testing.assert_array_equal(result["o_last"], b["read_last"])
    return result


@pytest.fixture(scope="module", params=SIZES)
def buffer(request):
    return compiled(request.param), request.param


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
@pytest.mark.parametrize("partial", [False, True], ids=["full", "partial"])
def test_equals_model(buffer, pattern, partial):
    unit, size = buffer
    for seed in range(3):
        unit.reset()
        check(unit, size, beats(size, 60, np.random.default_rng(seed), partial), pattern, seed)


@pytest.mark.parametrize("write", Axis)
@pytest.mark.parametrize("read", Axis)
def test_all_four_ways_at_one_vector_a_cycle(buffer, write, read):
    """Straight where the axes agree, transposed where they differ; tiles follow without a gap."""
    unit, size = buffer
    tiles = 20
    rng = np.random.default_rng(1)
    values = rng.integers(0, 2**16, (tiles, size, size))
    index = np.tile(np.arange(size), tiles)
    b = {
        "elements": values.reshape(-1, size),
        "index": index,
        "axis": np.full(len(index), int(write)),
        "last": (index == size - 1).astype(np.int64),
    }
    b |= {"read_index": index, "read_axis": np.full(len(index), int(read)), "read_last": b["last"]}
    unit.reset()
    result = check(unit, size, b)
    want = values if write == read else values.transpose(0, 2, 1)
    np.testing.assert_array_equal(unpacked(result["o_elements"], size, 16) & 0xFFFF, want.reshape(-1, size))
    # The first tile is written before it is read; the rest hides.
    assert result.cycles == (tiles + 1) * size + TransposeBuffer.latency


def test_row_reads_only():
    unit = compiled(5, read_axes=(Axis.ROW,))
    b = beats(5, 40, np.random.default_rng(3))
    b["read_axis"][:] = 0
    check(unit, 5, b, "random")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 1}, "`size` must be 2 to 32, not 1"),
        ({"size": 33}, "`size` must be 2 to 32, not 33"),
        ({"size": 4, "read_axes": (Axis.COLUMN,)}, "`read_axes` must have rows"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransposeBuffer(**arguments)

"""Coverage and mutation of the exported blocks (long): what the stimulus reaches, and what it notices."""

import functools
from pathlib import Path

import numpy as np
import pytest

from lnpu.codec.config import CodecConfig, FgmpFormat
from lnpu.export.codec import codec_verilog
from lnpu_sim.rtl import STALL_PATTERNS
from support.codec import FORMATS, array, code_rows, encode_array, overlap_rows
from support.codec_rtl import compiled, dense_play, encoder_play, mutated_batches, sparse_play
from support.coverage import read_coverage, read_exclusions
from support.mutation import Fate, mutate
from support.yosys import run_yosys

HERE = Path(__file__).parent
BAR = 95.0


def batch(fmt, size, seed):
    zeros = (0, 0.5, 0.95)[seed % 3]
    return encode_array(array((3, 4, size), fmt, zeros=zeros, wide=0.2, seed=seed), fmt), None


def batches(seed):
    formats = FORMATS[:: 2 if seed else 1]
    return [batch(fmt, size, seed) for fmt in formats for size in (1, 3, 5, 10, 16, 40, 64)]


@functools.cache
def decoder_plays(make):
    plays = [make([(overlap_rows(FgmpFormat(0, 1, 4)), None)])]
    for seed, pattern in enumerate(STALL_PATTERNS):
        plays.append(make(batches(seed), pattern, seed))
        plays.append(make(mutated_batches(np.random.default_rng(seed), 60), pattern, seed))
    plays.append(
        make([(encode_array(array((4, 4, 64), f, zeros=0, wide=1, seed=2), f), None) for f in FORMATS])
    )
    plays.append(make([(code_rows(fmt), None) for fmt in FORMATS[:6]]))
    long = []
    for k8, size, zeros in ((1, 64, 0.1), (1, 16, 0.0), (4, 16, 0.0), (4, 64, 0.0), (2, 64, 0.5)):
        fmt = FgmpFormat(0, k8, 6)
        x = array((1, 400, size), fmt, zeros=zeros, wide=0.02, seed=3)
        long.append(make([(encode_array(x, fmt), None)]))
    return plays, long


def decoder_stimulus(make):
    def stimulus(unit):
        plays, long = decoder_plays(make)
        for play in plays:
            play.run(unit)
        for play in long:
            result = play.run(unit)
            # The sparse decoder delivers whole blocks, so a run spreads by up to one.
            assert result.cycles - result.latency <= len(play.want["o"]["last"]) + 64, "throughput was lost"

    return stimulus


@functools.cache
def encoder_plays():
    shapes = [
        (1, 1, 1, 1),
        (1, 2, 3, 4),
        (2, 3, 2, 5),
        (2, 2, 4, 16),
        (1, 2, 3, 40),
        (1, 2, 3, 65),
        (1, 1, 2, 130),
    ]
    small = []
    for seed, pattern in enumerate(STALL_PATTERNS):
        for index, shape in enumerate(shapes):
            for number, fmt in enumerate(FORMATS):
                if (number + index + seed) % 3 == 0:
                    x = array(shape, fmt, zeros=(0.0, 0.5, 0.95)[index % 3], wide=0.2, seed=seed + index)
                    small.append(encoder_play(x, fmt, pattern, seed))
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32).reshape(16, 64, 64)
    near = (halves.view(np.uint32) + np.uint32(0x1000)).view(np.float32)
    powers = np.append(np.arange(60, 159, dtype=np.uint32), np.uint32(255))[:, None] << np.uint32(23)
    steps = np.array([0, 0, 1, 1, 32, 32, 64, 64, 2, 4, 31, 1 << 12, (1 << 23) - 1], np.uint32)
    limits = (powers + steps).view(np.float32).reshape(1, 20, 65)  # powers of two, and just above and below
    borders = [encoder_play(x, FgmpFormat(bias, 2, 6)) for x in (near, limits) for bias in (-8, -1, 0, 7)]
    fmt = FgmpFormat(0, 1, 4)
    large = [
        encoder_play(array(shape, fmt, zeros=0.5, wide=0.5, seed=3), fmt)
        for shape in ((1, 1, 65535, 1), (1, 65535, 1, 1), (65535, 1, 1, 1), (1, 1, 1, 65535))
    ]
    dense = encoder_play(array((16, 30, 64), fmt, zeros=0, wide=0.02, seed=1), fmt)
    return small, borders, large, dense


def encoder_stimulus(unit):
    small, borders, large, dense = encoder_plays()
    assert unit["invalid"] == 0
    for play in small:
        play.run(unit)
    assert unit["invalid"] == 0
    for play in borders:
        play.run(unit)
        assert unit["invalid"] == 1
        unit["clear"] = 1
        unit.step(2)
        unit["clear"] = 0
    result = dense.run(unit)
    assert result.cycles <= 16 * 30 * 16 + 100, "throughput was lost"
    for play in large:
        play.run(unit)


STIMULI = {
    "codec-encoder": encoder_stimulus,
    "codec-sparse-decoder": decoder_stimulus(sparse_play),
    "codec-dense-decoder": decoder_stimulus(dense_play),
}


@pytest.mark.full
@pytest.mark.parametrize("name", STIMULI)
def test_coverage(name, tmp_path):
    unit = compiled(name, coverage=True)
    STIMULI[name](unit)
    unit.write_coverage(tmp_path / "coverage.dat")
    exclusions = read_exclusions(HERE / "coverage.toml")
    if name == "codec-encoder":
        exclusions += read_exclusions(HERE / "coverage_encoder.toml")
    coverage = read_coverage([tmp_path / "coverage.dat"]).without(exclusions)
    for kind in ("line", "toggle", "branch"):
        percent = coverage.percent(kind)
        print(name, kind, percent)
        assert all(value >= BAR for value in percent.values()), coverage.report()


EXPLAINED = {
    "codec-encoder": {
        "$ternary$unit.v:2743$1261 Y[3]": "an address bit, inverted for reads and writes alike",
        "$add$unit.v:1468$380 Y[0]": "a sum of which only the bits from 6 on are read",
    },
    "codec-dense-decoder": {
        "$procmux$2168 A[0]": "data of a memory's write port while it does not write",
    },
    "codec-sparse-decoder": {
        "$ternary$unit.v:2674$854 A[0]": "bitmap of seen elements, which the next header clears",
        "$ternary$unit.v:2667$847 A[0]": "bitmap of seen elements, which the next header clears",
        "$ternary$unit.v:2700$880 Y[0]": "bitmap of seen elements, which the next header clears",
        "$not$unit.v:1687$558 A[0]": "`reserved` of an escape, which the parser reads of elements only",
    },
}
"""Mutants that cannot make a difference, but too large for the solver: cell and port, and the argument."""


@pytest.mark.full
@pytest.mark.parametrize("name", STIMULI)
def test_mutation(name, tmp_path):
    top = "lnpu_" + name.replace("-", "_")
    (tmp_path / "exported.v").write_text(codec_verilog(name, CodecConfig()))
    # Unused carry bits would give mutants that are equivalent but too large to be proved so.
    reduce = f"read_verilog exported.v\nprep -top {top}\nwreduce -memx\nopt -full\nopt_clean -purge\n"
    if name == "codec-dense-decoder":
        # Mutants of single multiplexers, not of the parallel ones that they make up.
        reduce += "pmuxtree\n"
    run_yosys(f"{reduce}write_verilog -noattr unit.v\n", tmp_path, "reduce")
    file = tmp_path / "unit.v"
    report = mutate([file], top, STIMULI[name], count=40, seed=1, depth=5, timeout=8)
    print(name, report)
    left = [*report.of(Fate.SURVIVED), *report.of(Fate.UNDECIDED)]
    explained = EXPLAINED.get(name, {})
    # Other versions of Yosys choose other cells: an explanation that names none of them does no harm.
    print("not needed:", [where for where in explained if not any(where in str(m) for m in left)])
    holes = [mutant for mutant in left if not any(where in str(mutant) for where in explained)]
    killed = len(report.of(Fate.KILLED))
    assert killed >= BAR / 100 * (killed + len(holes)), "\n".join(map(str, holes))

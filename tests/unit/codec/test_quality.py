"""Coverage and mutation of the exported blocks (long): what the stimulus reaches, and what it notices."""

from pathlib import Path

import numpy as np
import pytest

from lnpu.codec.config import CodecConfig, FgmpFormat
from lnpu.export.codec import codec_verilog
from lnpu_sim.rtl import STALL_PATTERNS
from support.codec import FORMATS, array, encode_array
from support.codec_rtl import check_dense, check_encoder, check_sparse, compiled, mutated_batches
from support.coverage import read_coverage, read_exclusions
from support.mutation import mutate

HERE = Path(__file__).parent
BAR = 95.0


def batch(fmt, size, seed):
    zeros = (0, 0.5, 0.95)[seed % 3]
    return encode_array(array((3, 4, size), fmt, zeros=zeros, wide=0.2, seed=seed), fmt), None


def batches(seed):
    formats = FORMATS[:: 2 if seed else 1]
    return [batch(fmt, size, seed) for fmt in formats for size in (1, 3, 10, 16, 64)]


def decoder_stimulus(check):
    def stimulus(unit):
        for seed, pattern in enumerate(STALL_PATTERNS):
            check(unit, batches(seed), pattern, seed)
            check(unit, mutated_batches(np.random.default_rng(seed), 20), pattern, seed)
        wide_row = encode_array(
            array((1, 300, 64), FgmpFormat(0, 1, 4), zeros=0.1, seed=3), FgmpFormat(0, 1, 4)
        )
        result = check(unit, [(wide_row, None)])
        blocks = 300 * 64
        assert result.cycles - result.latency <= blocks, "throughput was lost"

    return stimulus


def encoder_stimulus(unit):
    shapes = [(1, 1, 1, 1), (1, 2, 3, 4), (2, 3, 2, 5), (2, 2, 4, 16), (1, 2, 3, 65), (1, 1, 2, 130)]
    for seed, pattern in enumerate(STALL_PATTERNS):
        for index, shape in enumerate(shapes):
            for number, fmt in enumerate(FORMATS):
                if (number + index + seed) % 3 == 0:
                    x = array(shape, fmt, zeros=(0.0, 0.5, 0.95)[index % 3], wide=0.2, seed=seed + index)
                    check_encoder(unit, x, fmt, pattern, seed)
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32).reshape(16, 64, 64)
    for bias in (-8, -1, 0, 7):
        unit["clear"] = 1
        unit.step()
        unit["clear"] = 0
        near = (halves.view(np.uint32) + np.uint32(0x1000)).view(np.float32)
        check_encoder(unit, near, FgmpFormat(bias, 2, 6))
        assert unit["invalid"] == 1
    fmt = FgmpFormat(0, 1, 4)
    for shape in ((1, 1, 65535, 1), (1, 65535, 1, 1), (65535, 1, 1, 1), (1, 1, 1, 65535)):
        check_encoder(
            unit, array(shape, FgmpFormat(0, 1, 4), zeros=0.5, wide=0.5, seed=3), FgmpFormat(0, 1, 4)
        )
    dense = array((16, 30, 64), FgmpFormat(0, 1, 4), zeros=0, wide=0.02, seed=1)
    result = check_encoder(unit, dense, FgmpFormat(0, 1, 4))
    assert result.cycles <= dense.size // 4 + 100, "throughput was lost"


STIMULI = {
    "codec-encoder": encoder_stimulus,
    "codec-sparse-decoder": decoder_stimulus(check_sparse),
    "codec-dense-decoder": decoder_stimulus(check_dense),
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


@pytest.mark.full
@pytest.mark.parametrize("name", STIMULI)
def test_mutation(name, tmp_path):
    file = tmp_path / "unit.v"
    file.write_text(codec_verilog(name, CodecConfig()))
    top = "lnpu_" + name.replace("-", "_")
    report = mutate([file], top, STIMULI[name], count=60, seed=1, depth=6, timeout=30)
    print(name, report)
    assert report.score >= BAR, str(report)

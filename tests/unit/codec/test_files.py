"""Files, the independent reader, and the command line: every user error is one line and leaves no file."""

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lnpu.codec.config import CodecError, FgmpFormat
from lnpu.codec.descriptor import Descriptor
from lnpu.export.cli import app
from lnpu.export.commands import UserError
from lnpu_sim.codec.container import FgmpFile, pack, unpack
from lnpu_sim.codec.quantise import quantise
from lnpu_sim.codec.tensor import EncodedTensor, decode, encode
from oracles.fgmp_reader import read
from support.codec import FORMATS, array

SHAPES = [(1,), (3,), (64,), (65,), (4, 10), (3, 4, 10), (2, 3, 4, 3), (1, 2, 3, 130), (2, 2, 2, 64)]


def run(*args):
    result = CliRunner().invoke(app, [str(a) for a in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_independent_reader_reads_our_files(shape, dtype):
    for index, fmt in enumerate(FORMATS):
        x = array(shape, fmt, zeros=(0.0, 0.5, 0.95, 1.0)[index % 4], wide=0.1, seed=index, dtype=dtype)
        data = pack(FgmpFile.from_array(x, fmt))
        got_shape, got_dtype, values = read(data)
        assert (got_shape, got_dtype) == (shape, np.dtype(dtype).name)
        assert values == [float(v) for v in quantise(x, fmt).values.ravel()]
        back = unpack(data)
        assert (back.to_array().astype(np.float64).ravel() == values).all()
        assert len(data) == 64 + back.tensor.size


def test_descriptor_survives_and_every_field_is_checked():
    data = pack(FgmpFile.from_array(array((2, 3, 4, 70), FgmpFormat(-3, 1, 4)), FgmpFormat(-3, 1, 4)))[64:256]
    assert Descriptor.unpack(data).pack() == data
    checks = [
        (0, b"X", "magic"),
        (4, b"\x02", "version"),
        (5, b"\x09", "codec"),
        (6, b"\x01", "fp8 format"),
        (7, b"\x80", "reserved"),
        (8, b"\0\0", "`n`"),
        (16, b"\x08", "bias"),
        (17, b"\x03", "k8"),
        (18, b"\x05", "k16"),
        (19, b"\x1f", "exponent"),
        (20, b"\x10", "block"),
        (21, b"\x01", "reserved"),
        (24, b"\x04", "pointer_address"),
        (28, b"\x01", "data_address"),
        (36, b"\x99", "rows"),
    ]
    for at, value, name in checks:
        bad = data[:at] + value + data[at + len(value) :]
        with pytest.raises(CodecError, match=name):
            Descriptor.unpack(bad)
    with pytest.raises(CodecError, match="192 bytes, not 100"):
        Descriptor.unpack(data[:100])


def repaired(data):
    """The file with a matching checksum."""
    return data[:12] + struct.pack("<I", zlib.crc32(data[16:])) + data[16:]


def decodes(data):
    """Whether a file gives finite values; anything else than a `CodecError` fails the test."""
    try:
        return bool(np.isfinite(unpack(data).to_array()).all())
    except CodecError:
        return False


def test_damaged_files_are_refused_with_and_without_a_matching_checksum():
    fmt = FgmpFormat(-2, 2, 4)
    good = pack(FgmpFile.from_array(array((2, 3, 4, 20), fmt, zeros=0.4), fmt))
    rng, refused = np.random.default_rng(1), 0
    for _ in range(600):
        bad = bytearray(good)
        bad[int(rng.integers(len(bad)))] ^= 1 << int(rng.integers(8))
        if rng.random() < 0.2:
            bad = bad[: int(rng.integers(len(bad)))]
        with pytest.raises(CodecError):
            unpack(bytes(bad)).to_array()
        refused += not decodes(repaired(bytes(bad)))
    assert refused > 150


def test_command_line_round_trip(tmp_path):
    x = array((2, 4, 5, 16), FgmpFormat(-4), zeros=0.5, wide=0.02, seed=8)
    np.save(tmp_path / "x.npy", x)
    out, back = tmp_path / "x.fgmp", tmp_path / "back.npy"
    text = run("encode", tmp_path / "x.npy", "-o", out).stdout
    assert "bits an element" in text
    run("decode", out, "-o", back)
    file = unpack(out.read_bytes())
    assert (np.load(back) == quantise(x, file.tensor.descriptor.format).values).all()
    assert np.load(back).dtype == np.float32
    s = file.tensor.descriptor.statistics
    assert s.fp16 <= 0.05 * (s.fp8 + s.fp16 + s.flushed)

    run("encode", tmp_path / "x.npy", "-o", out, "--bias", "1", "--k8", "4", "--k16", "4")
    assert unpack(out.read_bytes()).tensor.descriptor.format == FgmpFormat(1, 4, 4)
    report = json.loads(run("inspect", out, "--json").stdout)
    assert report["elements"] == x.size
    assert report["bits_per_element"] == pytest.approx(sum(report["parts"].values()))
    assert report["zero"] + report["fp8"] + report["fp16"] == x.size
    assert report["other_formats"]["bitmask fp16"] == 1 + 16 * (report["fp8"] + report["fp16"]) / x.size
    assert "FGMP, everything included" in run("inspect", out, "--plot", tmp_path / "h.png").stdout
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
    run("inspect", out, "--plot", tmp_path / "h.html")
    assert "data:image/png" in (tmp_path / "h.html").read_text()


@pytest.mark.parametrize(
    ("array_", "options", "message"),
    [
        (np.float32([1, np.nan]), [], "1 element is NaN or infinite"),
        (np.float16([np.inf, np.nan]), [], "2 elements are NaN or infinite"),
        (np.float16([np.inf]), ["--scale", "0.5"], "1 element is NaN or infinite"),
        (np.float64([1.0]), ["--scale", "2"], "float16 or float32, not float64"),
        (np.float32(1.0), ["--scale", "2"], "rank must be 1 to 4, not 0"),
        (np.zeros((2, 65536), np.float16), [], r"shape \(2, 65536\): axis 1 must be 1 to 65535 long"),
        (np.float64([1.0]), [], "float16 or float32, not float64"),
        (np.zeros((0, 3), np.float32), [], "at least one element"),
        (np.zeros((1,) * 5, np.float32), [], "rank must be 1 to 4"),
        (np.float32(1.0), [], "rank must be 1 to 4, not 0"),
        (np.float32([1.0]), ["--bias", "8"], "^--bias must be -8 to 7, not 8"),
        (np.float32([1.0]), ["--k8", "3"], "^--k8 must be one of 1, 2, 4, not 3"),
        (np.float32([1.0]), ["--k16", "5"], "^--k16 must be one of 4, 6, not 5"),
        (np.float32([1.0]), ["--p", "2"], "^--p must be 0 to 1, not 2"),
        (np.float32([1.0]), ["--p", "0.1", "--bias", "0"], "not both"),
        (np.float32([1.0]), ["--scale", "0"], "^--scale must be a finite number above 0, not 0"),
        (np.float32([1.0]), ["--scale", "-2"], "^--scale must be .* not -2"),
        (np.float32([1.0]), ["--scale", "nan"], "^--scale must be .* not nan"),
        (np.float32([1.0]), ["--scale", "inf"], "^--scale must be .* not inf"),
        (None, [], "not a .npy file$"),
    ],
)
def test_encode_errors(tmp_path, array_, options, message):
    source, out = tmp_path / "x.npy", tmp_path / "x.fgmp"
    if array_ is None:
        source.write_bytes(b"rubbish")
    else:
        np.save(source, array_)
    with pytest.raises(UserError, match=message) as error:
        run("encode", source, "-o", out, *options)
    assert "\n" not in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npy"]


def test_decode_errors_leave_no_file(tmp_path):
    fmt = FgmpFormat()
    data = bytearray(pack(FgmpFile.from_array(array((1, 2, 3, 8), fmt, zeros=0.2), fmt)))
    data[-8] ^= 0xFF
    for name, content, message in (
        ("a", bytes(data), "checksum"),
        ("b", repaired(bytes(data)), "row|malformed"),
        ("c", b"LNPUFGMP", "too short"),
        ("d", bytes(300), "not an FGMP file"),
        ("e", b"text", "not an FGMP file"),
    ):
        source = tmp_path / f"{name}.fgmp"
        source.write_bytes(content)
        for arguments in (["decode", source, "-o", tmp_path / "out.npy"], ["inspect", source]):
            with pytest.raises(UserError, match=message) as error:
                run(*arguments)
            assert "\n" not in str(error.value)
    assert not (tmp_path / "out.npy").exists()
    with pytest.raises(UserError, match="No such file"):
        run("decode", tmp_path / "missing.fgmp", "-o", tmp_path / "out.npy")
    np.save(tmp_path / "x.npy", np.float32([1]))
    for target, reason in ((tmp_path / "none" / "x.fgmp", "No such file"), (tmp_path, "directory")):
        with pytest.raises(UserError) as error:
            run("encode", tmp_path / "x.npy", "-o", target)
        assert str(error.value).startswith(f"{target}: cannot be written (")
        assert reason in str(error.value)
        assert str(error.value).count(str(tmp_path)) == 1


def test_the_reader_checks_reserved_bytes_padding_and_counts():
    fmt = FgmpFormat(-2, 2, 4)
    good = pack(FgmpFile.from_array(array((1, 2, 3, 8), fmt, zeros=0.4, wide=0.2), fmt))
    padding = 256 + 4 * 3
    for at, message in (
        (36, "reserved byte"),
        (63, "reserved byte"),
        (64, "`magic` must be 46 47 4d 50, not"),
        (padding, "padding behind the pointers"),
        (64 + 10, r"the array's shape \(1, 2, 3, 8\) does not match the descriptor's N 1, H 3, W 3, C 8"),
        (64 + 19, "`exponent` must be"),
        (64 + 40, "`fp8` must be"),
        (64 + 44, "`fp16` must be"),
        (64 + 56, "`entries8` must be"),
        (64 + 60, "`entries16` must be"),
    ):
        bad = bytearray(good)
        bad[at] ^= 1
        if at == 64 + 10:
            bad[at], bad[64 + 36] = 3, 3
        with pytest.raises(CodecError, match=message):
            unpack(repaired(bytes(bad))).to_array()
    for at in (64 + 48, 64 + 52, 64 + 64):  # flushed, saturated, histogram: about the input, not checked
        free = bytearray(good)
        free[at] ^= 1
        assert decodes(repaired(bytes(free)))
    assert decodes(repaired(good + bytes(8)))


def test_trailing_names_the_end_of_the_row():
    tensor = encode(np.float32([[1, 2]]), FgmpFormat())
    words, pointers = np.append(tensor.words, np.uint64(0)), tensor.pointers + np.uint32([0, 1])
    descriptor = replace(tensor.descriptor, data_words=len(words))
    with pytest.raises(CodecError, match=r"row 0, after the last block: malformed \(TRAILING\)"):
        decode(EncodedTensor(descriptor, pointers, words))


def test_scale_saturates_finite_elements(tmp_path):
    np.save(tmp_path / "x.npy", np.float16([60000, -60000, 0.5, 2**-20]))
    run("encode", tmp_path / "x.npy", "-o", tmp_path / "x.fgmp", "--scale", "1e300")
    run("decode", tmp_path / "x.fgmp", "-o", tmp_path / "y.npy")
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == np.float16
    assert list(y) == [65504, -65504, 65504, 65504]
    run("encode", tmp_path / "x.npy", "-o", tmp_path / "x.fgmp", "--scale", "16", "--bias", "-8")
    statistics = unpack((tmp_path / "x.fgmp").read_bytes()).tensor.descriptor.statistics
    assert (statistics.saturated, statistics.flushed) == (2, 1)
    assert unpack((tmp_path / "x.fgmp").read_bytes()).to_array()[2] == 8


def test_unreachable_share_is_a_warning_and_decode_says_what_it_wrote(tmp_path):
    np.save(tmp_path / "x.npy", np.float32([[60000, 1, 0, 0]]))
    result = run("encode", tmp_path / "x.npy", "-o", tmp_path / "x.fgmp", "--p", "0.1")
    assert result.stderr.splitlines() == [
        "warning: --p 0.1 cannot be reached: 50.0% of the non-zeros are fp16 even at the largest bias, 7"
    ]
    assert run("encode", tmp_path / "x.npy", "-o", tmp_path / "x.fgmp", "--p", "0.5").stderr == ""
    lines = run("decode", tmp_path / "x.fgmp", "-o", tmp_path / "y.npy").stdout.splitlines()
    assert len(lines) == 1
    assert "y.npy: 1x4 float32" in lines[0]
    assert lines[0].endswith("zero 50.0%, fp8 25.0%, fp16 25.0%")


def test_the_worked_example_of_the_documentation():
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
    dump = page[page.index("## 9.") :].split("```")[1]
    data = bytearray(0x110)
    for line in dump.strip().splitlines():
        at, *values = line.split()
        data[int(at, 16) : int(at, 16) + 16] = bytes.fromhex("".join(values))
    x = np.float32([[0, 1.5, 0, 0, -0.3], [0, 0, 0, 0, 300]])
    assert bytes(data) == pack(FgmpFile.from_array(x, FgmpFormat(-2, 1, 4)))
    assert "0x02E582117400A643" in page
    assert read(bytes(data))[2] == [0, 1.5, 0, 0, -0.3125, 0, 0, 0, 0, 300]

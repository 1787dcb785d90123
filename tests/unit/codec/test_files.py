"""Files, the independent reader, and the command line: every user error is one line and leaves no file."""

import json
import struct
import zlib
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
        (np.float32([1, np.nan]), [], "NaN or infinite"),
        (np.float16([np.inf]), [], "NaN or infinite"),
        (np.float64([1.0]), [], "float16 or float32, not float64"),
        (np.zeros((0, 3), np.float32), [], "at least one element"),
        (np.zeros((1,) * 5, np.float32), [], "rank must be 1 to 4"),
        (np.float32(1.0), [], "rank must be 1 to 4, not 0"),
        (np.float32([1.0]), ["--bias", "8"], "`bias` must be -8 to 7, not 8"),
        (np.float32([1.0]), ["--k8", "3"], "`k8` must be one of 1, 2, 4, not 3"),
        (np.float32([1.0]), ["--p", "2"], "`p` must be 0 to 1"),
        (np.float32([1.0]), ["--p", "0.1", "--bias", "0"], "not both"),
        (None, [], "not a .npy"),
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
        ("d", bytes(300), "does not start with"),
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
    with pytest.raises(UserError, match="No such file"):
        run("encode", tmp_path / "x.npy", "-o", tmp_path / "none" / "x.fgmp")


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

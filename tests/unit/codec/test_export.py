"""`lnpu verilog codec-...`: ports fixed and documented, byte-identical, clean under Verilator's lint."""

import json
import subprocess

import pytest
from typer.testing import CliRunner

from lnpu.codec.config import Codec, CodecConfig, CodecError
from lnpu.export.cli import app
from lnpu.export.commands import UserError
from lnpu.formats import BF16, E4M3, FP16
from lnpu_sim.rtl.toolchain import find_verilator

ROW = "command_blocks command_length command_count_bits command_k8 command_k16"
TENSOR = "command_n command_h command_w command_c command_bias command_k8 command_k16"
PORTS = {
    "codec-encoder": f"command_valid command_ready {TENSOR} command_pointer_address command_data_address "
    "i_valid i_ready i_elements o_valid o_ready o_data o_last "
    "meta_valid meta_ready meta_data meta_descriptor meta_last invalid clear",
    "codec-sparse-decoder": f"command_valid command_ready {ROW} i_valid i_ready i_data i_last "
    "o_valid o_ready o_index o_value o_wide o_entry o_last o_bad errors clear",
    "codec-dense-decoder": f"command_valid command_ready {ROW} command_bias i_valid i_ready i_data i_last "
    "o_valid o_ready o_elements o_last o_bad errors clear",
}
OPTIONS = {
    "codec-encoder": ["--lanes", "2"],
    "codec-sparse-decoder": ["--fold", "2"],
    "codec-dense-decoder": [],
}


def export(name, directory, *options):
    result = CliRunner().invoke(app, ["verilog", name, "-o", str(directory), *options])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return json.loads((directory / "manifest.json").read_text())


@pytest.mark.parametrize("name", PORTS)
def test_ports_are_fixed_and_output_is_reproducible(name, tmp_path):
    manifest = export(name, tmp_path / "a", *OPTIONS[name])
    again = export(name, tmp_path / "b", *OPTIONS[name])
    assert [port["name"] for port in manifest["ports"]] == ["clk", "rst", *PORTS[name].split()]
    assert all(port["doc"] for port in manifest["ports"])
    assert manifest == again
    file = manifest["files"][0]
    assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("name", PORTS)
def test_verilator_lint(name, tmp_path):
    manifest = export(name, tmp_path)
    verilator = find_verilator()
    # Unused bits of intermediate sums carry no information; Yosys writes parallel multiplexers as `casez`
    # with one-hot patterns, whose overlaps cannot occur.
    waived = ["UNUSEDSIGNAL", "CASEOVERLAP"]
    done = subprocess.run(
        [str(verilator.binary), "--lint-only", "-Wall", *(f"-Wno-{w}" for w in waived), manifest["files"][0]],
        cwd=tmp_path,
        env=verilator.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:2000]


def test_configuration_errors(tmp_path):
    for options, message in (
        (["codec-encoder", "--lanes", "3"], "`lanes` must be one of 1, 2, 4, not 3"),
        (["codec-sparse-decoder", "--fold", "0"], "`fold` must be 1 to 3, not 0"),
        (["codec-encoder", "--element", "e4m3"], "`element` must be an IEEE-style format"),
        (["codec-encoder", "--element", "fp99"], "unknown number format"),
    ):
        with pytest.raises(UserError, match=message):
            export(options[0], tmp_path / "x", *options[1:])
    assert not (tmp_path / "x").exists()
    with pytest.raises(CodecError):
        CodecConfig(element=E4M3)
    assert CodecConfig(element=BF16, lanes=1).as_dict() == {
        "codec": "fgmp_rle",
        "element": "bf16",
        "lanes": 1,
        "fold": 3,
    }
    assert CodecConfig(element=FP16).codec is Codec.FGMP_RLE

"""The exported text: reproducible, clean, readable by three tools; every option elaborates and computes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lnpu.export.verilog import LINT_WAIVERS
from lnpu.formats import parse_format
from lnpu.numeric.config import (
    FMA_BUILDS,
    Dual,
    Flavour,
    FloatAccumulate,
    FmaConfig,
    Fp8,
    Share,
    WindowAccumulate,
)
from lnpu_sim.numeric.stimulus import fma_stimulus
from lnpu_sim.rtl import STALL_PATTERNS
from lnpu_sim.rtl.toolchain import find_verilator
from lnpu_sim.rtl.verify_fma import check_fma
from support.fma import fma_unit, name_of, verilog, verilog_file
from support.formal import read_ports
from support.yosys import run_yosys

BARRED = ("default", "pe", "fp32")
IEEE, TRAINING = Flavour


def unit(flavour, fp8, dual, acc, share, latency):
    accumulate = WindowAccumulate(acc) if isinstance(acc, int) else FloatAccumulate(parse_format(acc))
    return FmaConfig(flavour, Fp8(fp8), Dual(dual), accumulate, Share(share), latency)


MATRIX = [
    unit(IEEE, "e4m3", "fp8xfp8", "fp16", "full", 0),
    unit(TRAINING, "e5m2", "fp8xfp8", "fp32", "full", 1),
    unit(IEEE, "both", "fp8xfp8", "bf16", "mult", 2),
    unit(TRAINING, "mixed", "fp8xfp8", "e6m9", "none", 4),
    unit(IEEE, "mixed", "fp8xfp16", "fp32", "none", 3),
    unit(TRAINING, "both", "fp8xfp16", "fp16", "mult", 1),
    unit(IEEE, "e5m2", "fp8xfp16", "e8m15", "full", 4),
    unit(TRAINING, "e4m3", "none", "bf16", "full", 2),
    unit(IEEE, "e4m3", "none", "e5m4", "none", 0),
    unit(IEEE, "mixed", "fp8xfp8", "e8m32", "full", 3),
    unit(TRAINING, "e4m3", "fp8xfp16", 23, "full", 1),
    unit(IEEE, "mixed", "fp8xfp8", 40, "mult", 2),
    unit(TRAINING, "both", "fp8xfp8", 64, "none", 3),
    unit(IEEE, "e5m2", "fp8xfp16", 32, "full", 4),
    unit(IEEE, "e4m3", "none", 57, "full", 3),
]


def covered():
    """Every value of every option that the matrix holds."""
    return {str(value) for config in MATRIX for value in config.as_dict().values()} | {
        f"windowed {config.latency}" if config.windowed else f"latency {config.latency}" for config in MATRIX
    }


def test_the_matrix_holds_every_option_value():
    wanted = {member.value for kind in (Flavour, Fp8, Dual, Share) for member in kind}
    wanted |= {f"latency {n}" for n in range(5)} | {f"windowed {n}" for n in range(1, 5)}
    wanted |= {"fp16", "fp32", "bf16", "window", "23", "64"}
    assert not wanted - covered()


@pytest.mark.parametrize("config", [*MATRIX, *(FMA_BUILDS[name] for name in FMA_BUILDS)], ids=name_of)
def test_every_option_elaborates_and_computes(config):
    """20,000 operations under every stall pattern; latency and throughput are those that are published."""
    dut = fma_unit(config)
    result = check_fma(config, verilog(config), 20_000, chunk=5_000, unit=dut)
    assert not result.mismatches, "\n".join(result.examples)
    assert result.operations == 20_000
    inputs = {f"i_{name}": value for name, value in fma_stimulus(config, 100).items()}
    source, sink = STALL_PATTERNS["none"]
    free = dut.run_stream(inputs, ["o_d"], source_stall=source, sink_stall=sink)
    assert (free.latency, free.cycles) == (config.latency, 100 + config.latency)


@pytest.mark.parametrize("name", BARRED)
def test_bytes_do_not_depend_on_the_hash_seed(name, tmp_path):
    script = "import sys; from lnpu.export import cli; sys.argv[0] = 'lnpu'; cli.main()"
    for seed in ("1", "4242"):
        subprocess.run(
            [sys.executable, "-c", script, "verilog", "fma", "--build", name, "-o", str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / seed).iterdir()} for seed in ("1", "4242")
    )
    assert first == second
    assert first["fma.v"].decode() == verilog(FMA_BUILDS[name])
    assert set(first) == {"fma.v", "fma.f", "manifest.json"}


@pytest.mark.parametrize("config", [*(FMA_BUILDS[name] for name in BARRED), *MATRIX[:4]], ids=name_of)
def test_verilator_lint_is_clean(config, tmp_path):
    tool = find_verilator()
    verilog_file(config, tmp_path)
    command = [str(tool.binary), "--lint-only", "-Wall", "--top-module", "fma", "fma.v"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **tool.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_lint_sees_an_error(tmp_path):
    """The check above can fail: a wire without a driver is reported in spite of the waivers."""
    tool, file = find_verilator(), verilog_file(FMA_BUILDS["pe"], tmp_path)
    text = file.read_text()
    file.write_text(text[: text.rindex("endmodule")] + "  wire x;\n  assign y = x;\nendmodule\n")
    command = [str(tool.binary), "--lint-only", "-Wall", "--top-module", "fma", "fma.v"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **tool.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "%Warning" in done.stderr


@pytest.mark.parametrize("name", BARRED)
def test_waivers_are_listed_with_reasons(name):
    text = verilog(FMA_BUILDS[name])
    off = re.findall(r"lint_off (\w+)", text)
    listed = dict(re.findall(r"// Lint waiver (\w+): (.+)\.", text))
    assert set(off) == set(listed) == set(LINT_WAIVERS)
    assert len(off) == len(set(off))


@pytest.mark.parametrize("name", BARRED)
def test_the_text_is_plain(name):
    """No escaped names, no paths, no helper processes that stay X until an input toggles."""
    text = verilog(FMA_BUILDS[name])
    code = re.sub(r"//.*", "", text)
    assert "\\" not in code
    assert str(Path(__file__).parents[2]) not in text
    assert ".py" not in text
    assert "always @*" not in code
    assert "initial" not in code
    assert code.count("endmodule") == 1


@pytest.mark.parametrize(
    "config", [*(FMA_BUILDS[name] for name in BARRED), MATRIX[0], MATRIX[2]], ids=name_of
)
def test_yosys_reads_it_with_the_published_ports(config, tmp_path):
    file = verilog_file(config, tmp_path)
    run_yosys("read_verilog fma.v\nhierarchy -check -top fma\nproc\ncheck -assert\n", tmp_path, "read")
    ports = read_ports([file], "fma")
    assert ports == {p.name: (p.width, p.output) for p in config.ports}


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
@pytest.mark.parametrize("name", BARRED)
def test_icarus_reads_it_and_settles(name, tmp_path):
    """Compiles without a message, and a first operation comes out defined."""
    config = FMA_BUILDS[name]
    verilog_file(config, tmp_path)
    inputs = [p for p in config.ports if not p.output and p.name not in ("clk", "rst", "i_valid", "o_ready")]
    b_width = next(p.width for p in inputs if p.name == "i_b")
    drive = {"i_a": "16'h3C00", "i_b": f"{b_width}'h4000", "i_clear": "1'b1", "i_top": "9'd31"}
    zero = {p.name: f"{p.width}'d0" for p in inputs}
    outputs = [p for p in config.ports if p.output]
    (tmp_path / "bench.v").write_text(
        "module bench;\n  reg clk = 0, rst = 1, i_valid = 0;\n"
        + "".join(f"  wire [{p.width - 1}:0] {p.name};\n" for p in outputs)
        + "  fma fma(.clk(clk), .rst(rst), .i_valid(i_valid), .o_ready(1'b1), "
        + ", ".join(f".{p.name}({drive.get(p.name, zero[p.name])})" for p in inputs)
        + "".join(f", .{p.name}({p.name})" for p in outputs)
        + ");\n  always #5 clk = ~clk;\n  initial begin\n"
        "    repeat (2) @(negedge clk); rst = 0; i_valid = 1;\n"
        '    #1 if (i_ready !== 1) $display("ready is %b", i_ready);\n'
        "    @(negedge clk); i_valid = 0;\n"
        "    while (o_valid === 0) @(negedge clk);\n"
        '    $display("%b %h %h", o_valid, o_d, o_flags); $finish;\n  end\nendmodule\n'
    )
    done = subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-s", "bench", "-o", "bench", "fma.v", "bench.v"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    out = subprocess.run(
        ["vvp", "bench"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    two = {"default": "00004000 000", "fp32": "0000000040000000 000", "pe": "0000000000000002 000"}
    assert f"1 {two[name]}" in out.stdout

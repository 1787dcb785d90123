"""Waveforms that the environment asks for."""

import os
import subprocess
import sys

import pytest

from lnpu_sim.rtl import build

COUNTER = """module counter(input clk, input rst, output reg [7:0] count);
always @(posedge clk) if (rst) count <= 0; else count <= count + 1;
endmodule
"""


def test_every_unit_writes_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LNPU_WAVES", "1")
    units = [build([COUNTER], "counter", cache=tmp_path / "cache") for _ in range(2)]
    for unit in units:
        unit.step(5)
        unit.close()
    files = sorted((tmp_path / "build" / "waves").glob("*.vcd"))
    assert len(files) == 2
    assert all("test_every_unit" in path.name and "counter" in path.name for path in files)
    assert all("count" in path.read_text() for path in files)


def test_files_are_whole_when_the_program_ends(tmp_path):
    """Whatever keeps the unit."""
    code = f"from lnpu_sim.rtl import build\nunit = build([{COUNTER!r}], 'counter')\nunit.step(300)\n"
    environment = {**os.environ, "LNPU_WAVES": "1", "LNPU_CACHE": str(tmp_path / "cache")}
    environment.pop("PYTEST_CURRENT_TEST", None)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    (file,) = (tmp_path / "build" / "waves").glob("*.vcd")
    assert file.name == "counter-1.vcd"
    last = [line for line in file.read_text().splitlines() if line.startswith("#")][-1]
    assert int(last[1:]) >= 3000


@pytest.mark.parametrize("value", ["", "0"])
def test_nothing_without_it(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LNPU_WAVES", value)
    build([COUNTER], "counter", cache=tmp_path / "cache").step(5)
    assert not (tmp_path / "build").exists()

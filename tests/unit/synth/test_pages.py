"""Reports as files and as text."""

import json

import pytest

from lnpu.synth import SynthError, asic, fpga
from lnpu.synth.pages import write
from lnpu.synth.summary import headline, points, stages

ADDER = "module add(input [3:0] a, b, output [4:0] s); assign s = a + b; endmodule"


def test_asic_report_as_files(tiny, verilog, tmp_path):
    report = asic([verilog(ADDER)], "add", tiny, sweep=True, booth=False)
    folder = tmp_path / "deep" / "out"
    written = write(report, folder)
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in written)
    assert {p.name for p in written} == {"netlist.v", "report.json", "index.html", "area.png", "sweep.png"}
    assert json.loads((folder / "report.json").read_text()) == report.as_dict()
    assert (folder / "netlist.v").read_text() == report.netlist
    page = (folder / "index.html").read_text()
    assert f"{report.area_um2:,.0f} um2" in page
    assert 'src="area.png"' in page
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    before = {p.name: p.read_bytes() for p in written}
    write(report, folder)
    assert {p.name: p.read_bytes() for p in written} == before


def test_fpga_report_as_files(verilog, tmp_path):
    report = fpga([verilog(ADDER)], "add")
    names = {p.name for p in write(report, tmp_path / "out")}
    assert names == {"netlist.v", "report.json", "index.html"}
    assert ("LUT4", f"{report.lut4:,} ({report.carry:,} carry cells)") in headline(report)


def test_rows_of_text(tiny, verilog):
    report = asic([verilog(ADDER)], "add", tiny, sweep=True, booth=False, period_ns=1)
    rows = points(report)
    assert len(rows) == len(report.points) == 4
    assert sum("smallest" in row[-1] for row in rows) == sum("fastest" in row[-1] for row in rows) == 1
    assert len(stages(report)) == len(report.critical_path)
    assert any(name == "period" for name, _ in headline(report))


def test_a_folder_that_cannot_be_written(tiny, verilog, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SynthError, match="cannot be written"):
        write(asic([verilog(ADDER)], "add", tiny), tmp_path / "file" / "out")

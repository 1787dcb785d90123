"""Export of the array's processing element, alone, for synthesis studies."""

from pathlib import Path

from lnpu.export.unit import manifest, write_unit
from lnpu.export.verilog import to_verilog
from lnpu.numeric.pe import PE_CONFIG, Pe

__all__ = ["export_pe", "pe_ports", "pe_verilog"]

TOP = "pe"


def pe_ports(unit: Pe) -> dict[str, tuple[object, bool, str]]:
    """Flat ports: name -> (signal, whether the unit drives it, what it carries)."""
    a = unit.a
    ports: dict[str, tuple[object, bool, str]] = {
        "i_valid": (a.valid, False, "the issue slot carries work"),
        "i_dual": (a.dual, False, "1: fp8 input for both lanes, 0: fp16 input for lane i_lane"),
        "i_lane": (a.lane, False, "lane of an fp16 slot"),
        "i_significand": (a.significand, False, "input: fp16 significand, or {fp8, 000, fp8}"),
        "i_sign": (a.sign, False, "sign of the input"),
        "i_room": (a.room, False, "signed: top of the window over the input's exponent"),
    }
    for lane in range(2):
        ports[f"i_b{lane}"] = (unit.b[lane], False, f"fp16 operand of lane {lane}")
    ports["i_load"] = (unit.load, False, "one cycle later: start from i_c, else from the last word")
    for lane in range(2):
        ports[f"i_c{lane}"] = (unit.c[lane], False, f"one cycle later: accumulator word of lane {lane}")
    for lane in range(2):
        ports[f"o_word{lane}"] = (unit.word[lane], True, f"two cycles later: sum of lane {lane}")
    ports["o_overflow"] = (unit.overflow, True, "a lane saturated since its last load")
    return ports


def pe_verilog() -> str:
    """Verilog text, top module `pe`."""
    return _build()[0]


def _build() -> tuple[str, list[dict]]:
    unit = Pe()
    ports = pe_ports(unit)
    rows = [{"name": "clk", "direction": "input", "width": 1, "doc": "clock, rising edge"}]
    for name, (signal, out, doc) in ports.items():
        direction = "output" if out else "input"
        rows.append({"name": name, "direction": direction, "width": len(signal), "doc": doc})
    flat = {name: (signal, out) for name, (signal, out, _) in ports.items()}
    return to_verilog(unit, TOP, flat), rows


def export_pe(directory: Path) -> dict:
    """Write `pe.v`, `manifest.json` and `pe.f` into a directory (created if missing).

    Returns:
        The manifest.
    """
    verilog, ports = _build()
    contents = manifest(TOP, verilog, PE_CONFIG.as_dict(), ports, reset=False, latency=Pe.latency)
    return write_unit(directory, verilog, contents)

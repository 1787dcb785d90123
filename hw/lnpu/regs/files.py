"""Files for software, made from the compiled register description."""

import tempfile
from pathlib import Path

from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_html import HTMLExporter
from peakrdl_ipxact import IPXACTExporter
from systemrdl.node import AddrmapNode

from lnpu import __version__
from lnpu.regs.description import Field, registers

__all__ = ["access", "c_header", "html_page", "ip_xact", "markdown_table", "python_constants", "write_all"]


def c_header(top: AddrmapNode) -> str:
    """C header: structure of the registers, masks, shifts and reset values of the fields, enumerations."""
    with tempfile.TemporaryDirectory(prefix="lnpu-") as folder:
        path = Path(folder) / "lnpu_registers.h"
        CHeaderExporter().export(top, str(path), generate_bitfields=False, reuse_typedefs=False)
        return path.read_text()


def ip_xact(top: AddrmapNode) -> str:
    """IP-XACT (IEEE 1685-2014) memory map."""
    with tempfile.TemporaryDirectory(prefix="lnpu-") as folder:
        path = Path(folder) / "lnpu.xml"
        IPXACTExporter(vendor="openlnpu", library="lnpu", version=__version__).export(top, str(path))
        return path.read_text()


def html_page(top: AddrmapNode, directory: Path) -> Path:
    """Write the register pages into a directory; returns `index.html`."""
    HTMLExporter().export(top, str(directory), title="OpenLNPU registers")
    return directory / "index.html"


def python_constants(top: AddrmapNode) -> str:
    """Python module: `<REGISTER>` is a byte offset, `<REGISTER>_<FIELD>` a pair (lowest bit, bits), `RESET`
    the values of registers after reset by offset."""
    lines = ['"""Registers of OpenLNPU, generated from lnpu.rdl."""', ""]
    for register in registers(top):
        lines.append(f"{register.name} = {register.address:#05x}")
        lines += [
            f"{register.name}_{field.name.upper()} = ({field.low}, {field.width})"
            for field in register.fields
        ]
    lines += ["", "RESET = {"]
    lines += [f"    {register.name}: {register.reset:#010x}," for register in registers(top)]
    return "\n".join([*lines, "}", ""])


def access(field: Field) -> str:
    """What software may do with a field: R, W, RW, W1C (writing 1 clears) or a pulse."""
    if field.clears:
        return "W1C"
    if field.pulse:
        return "W, pulse"
    return {(True, True): "RW", (True, False): "R", (False, True): "W"}[field.readable, field.writable]


def markdown_table(top: AddrmapNode) -> str:
    """Markdown table of all fields: offset, register, bits, access, reset value, meaning."""
    rows = [
        "| offset | register | bits | field | access | reset | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for register in registers(top):
        for n, field in enumerate(register.fields):
            high = field.low + field.width - 1
            bits = f"{high}:{field.low}" if high > field.low else str(field.low)
            reset = "" if field.reset is None else f"{field.reset:#x}"
            # A register with a field `value` says in its own description what the value is.
            meaning = register.description if field.name == "value" else field.description
            head = (f"{register.address:#05x}", register.name) if n == 0 else ("", "")
            cells = (*head, bits, field.name, access(field), reset, meaning)
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def write_all(top: AddrmapNode, directory: Path) -> tuple[Path, ...]:
    """Write `lnpu_registers.h`, `lnpu_registers.py`, `lnpu.xml` and `registers/index.html` into a directory
    (created if missing); returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        "lnpu_registers.h": c_header(top),
        "lnpu_registers.py": python_constants(top),
        "lnpu.xml": ip_xact(top),
    }
    for name, text in texts.items():
        (directory / name).write_text(text)
    page = html_page(top, directory / "registers")
    return (*(directory / name for name in texts), page)

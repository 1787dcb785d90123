"""SRAM: memories of a design as black boxes, and a model that says their area, energy and access time.

Standard-cell libraries have no memories, and memory compilers are not free; so figures of memories are a
model of a few coefficients, kept apart from those of the cells in every report, and exchangeable for a file.
"""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from lnpu.synth.errors import SynthError

__all__ = ["Sram", "SramModel", "extract", "sram_verilog"]

_CELL = re.compile(r"^((?:  attribute [^\n]*\n)*)  cell \$mem_v2 (\S+)\n(.*?)^  end\n", re.M | re.S)
_PARAMETER = re.compile(r"^    parameter (?:signed )?\\(\w+) (\S+)$", re.M)
_CONNECT = re.compile(r"^    connect \\(\w+) (.+)$", re.M)


@dataclass(frozen=True, order=True)
class Sram:
    """One kind of memory: synchronous reads, one write with a mask of bits.

    Args:
        words: its words. bits: of a word. reads: read ports, beside the one write port.
    """

    words: int
    bits: int
    reads: int = 1

    @property
    def name(self) -> str:
        """Module name."""
        return f"lnpu_sram_{self.reads}r1w_{self.words}x{self.bits}"

    @property
    def address_bits(self) -> int:
        """Width of an address."""
        return max(1, (self.words - 1).bit_length())

    @property
    def ports(self) -> tuple[tuple[str, str, int], ...]:
        """Name, direction and width of each port; read ports side by side, the first one low."""
        return (
            ("clk", "input", 1),
            ("r_en", "input", self.reads),
            ("r_addr", "input", self.reads * self.address_bits),
            ("r_data", "output", self.reads * self.bits),
            ("w_en", "input", self.bits),
            ("w_addr", "input", self.address_bits),
            ("w_data", "input", self.bits),
        )

    @property
    def capacity(self) -> int:
        """Bits stored."""
        return self.words * self.bits


@dataclass(frozen=True)
class SramModel:
    """Coefficients of a memory compiler, for a memory with one read and one write port.

    The defaults are for 130 nm and 1.8 V. Area: through two memories of the open compiler OpenRAM for sky130
    with one port more (1 kB: 479.78 x 397.5 um, 2 kB: 683.1 x 416.54 um). Energy and time: an estimate, not
    a measurement: a bit's sense amplifier and wires, and a bit line of 1.5 fF a cell, which a read moves by
    0.3 V and every second write from rail to rail; above `bank_words` a memory is made of banks, of which one
    works.

    Args:
        area_um2, area_bit_um2: fixed part, part of a bit.
        bank_words: words on one bit line.
        read_bit_fj, read_word_bit_fj: energy of a read: a bit, and a bit times words of the bank.
        write_bit_fj, write_word_bit_fj: of a write, likewise.
        access_pj: of either, whatever the size.
        leakage_bit_pw: leakage of a bit.
        access_ns, setup_ns: clock to data, address to clock.
        pin_ff: capacitance of an input.
    """

    area_um2: float = 96_900.0
    area_bit_um2: float = 11.45
    bank_words: int = 512
    read_bit_fj: float = 60.0
    read_word_bit_fj: float = 0.8
    write_bit_fj: float = 60.0
    write_word_bit_fj: float = 2.4
    access_pj: float = 1.0
    leakage_bit_pw: float = 5.0
    access_ns: float = 2.5
    setup_ns: float = 0.5
    pin_ff: float = 10.0

    @classmethod
    def load(cls, path: Path) -> "SramModel":
        """Read coefficients from a TOML file; those that it does not name keep their defaults.

        Raises:
            SynthError: the file cannot be read, an unknown name, or a value that is no number or negative.
        """
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SynthError(f"SRAM file {path} cannot be read: {error}") from None
        known = {field.name for field in fields(cls)}
        for name, value in found.items():
            if name not in known:
                raise SynthError(f"SRAM file {path}: `{name}` is not one of {', '.join(sorted(known))}")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or value < 0 or (name == "bank_words" and (value < 1 or value != int(value))):
                raise SynthError(f"SRAM file {path}: `{name}` must be a number of at least 0, not {value!r}")
        return cls(**found)

    def area(self, sram: Sram) -> float:
        """Area in um2; a further read port is a further copy."""
        return sram.reads * (self.area_um2 + self.area_bit_um2 * sram.capacity)

    def read_fj(self, sram: Sram) -> float:
        """Energy of a read of a whole word in fJ."""
        rows = min(sram.words, self.bank_words)
        return 1000 * self.access_pj + sram.bits * (self.read_bit_fj + self.read_word_bit_fj * rows)

    def write_fj(self, sram: Sram) -> float:
        """Energy of a write of a whole word in fJ, to all copies."""
        rows = min(sram.words, self.bank_words)
        one = 1000 * self.access_pj + sram.bits * (self.write_bit_fj + self.write_word_bit_fj * rows)
        return sram.reads * one

    def leakage_nw(self, sram: Sram) -> float:
        """Leakage in nW."""
        return sram.reads * sram.capacity * self.leakage_bit_pw * 1e-3


def extract(rtlil: str, smallest_words: int) -> tuple[str, list[Sram]]:
    """Replace large memories of a design by black boxes.

    A memory becomes one when it has at least `smallest_words` words, one write port, and reads that are
    synchronous and whose word does not matter when it is written at the same time.

    Args:
        rtlil: a design as Yosys writes it after `memory -nomap`. smallest_words: smaller ones are left.

    Returns:
        The design with the black boxes declared, and their kinds.
    """
    kinds: set[Sram] = set()

    def replace(match: re.Match[str]) -> str:
        attributes, body = match[1], match[3]
        parameter = dict(_PARAMETER.findall(body))
        connect = dict(_CONNECT.findall(body))
        number = {key: _number(parameter[key]) for key in parameter if key != "MEMID"}
        ports = number["RD_PORTS"]
        synchronous = number["RD_CLK_ENABLE"] == (1 << ports) - 1 and not number["RD_TRANSPARENCY_MASK"]
        plain = number["WR_PORTS"] == 1 and not number["RD_WIDE_CONTINUATION"] and number["SIZE"] > 0
        resets = connect["RD_ARST"] + connect["RD_SRST"]
        if (
            number["SIZE"] < smallest_words
            or not (ports and synchronous and plain)
            or "1" in re.sub(r"\d+'", "", resets)
            or "\\" in resets
        ):
            return match[0]
        sram = Sram(number["SIZE"], number["WIDTH"], ports)
        if number["ABITS"] != sram.address_bits:
            return match[0]
        kinds.add(sram)
        clock = re.findall(r"\\\S+", connect["WR_CLK"])[0]
        lines = [
            ("clk", clock),
            ("r_en", connect["RD_EN"]),
            ("r_addr", connect["RD_ADDR"]),
            ("r_data", connect["RD_DATA"]),
            ("w_en", connect["WR_EN"]),
            ("w_addr", connect["WR_ADDR"]),
            ("w_data", connect["WR_DATA"]),
        ]
        cell = "\\" + parameter["MEMID"].strip('"').lstrip("\\")
        wired = "".join(f"    connect \\{port} {signal}\n" for port, signal in lines)
        return f"{attributes}  cell \\{sram.name} {cell}_sram\n{wired}  end\n"

    text = _CELL.sub(replace, rtlil)
    boxes = "".join(_box(sram) for sram in sorted(kinds))
    return text + boxes, sorted(kinds)


def _number(text: str) -> int:
    """An RTLIL constant: decimal, or `width'bits`; undefined bits count as 0."""
    if "'" not in text:
        return int(text)
    return int(text.split("'")[1].replace("x", "0") or "0", 2)


def _box(sram: Sram) -> str:
    wires = "".join(
        f"  wire width {width} {direction} {index} \\{name}\n"
        for index, (name, direction, width) in enumerate(sram.ports, 1)
    )
    return f"attribute \\blackbox 1\nmodule \\{sram.name}\n{wires}end\n"


def sram_verilog(sram: Sram, *, behaviour: bool) -> str:
    """Verilog of a memory: a black box, or a model for simulation (reads and writes at the rising edge; a
    word that is written while it is read is read as unknown)."""
    declared = ",\n".join(
        f"  {direction} {'reg ' if direction == 'output' and behaviour else ''}"
        f"{f'[{width - 1}:0] ' if width > 1 else ''}{name}"
        for name, direction, width in sram.ports
    )
    head = f"module {sram.name} (\n{declared}\n);\n"
    if not behaviour:
        return f"(* blackbox *)\n{head}endmodule\n"
    a, b = sram.address_bits, sram.bits
    reads = "".join(
        f"    if (r_en[{n}]) r_data[{n * b} +: {b}] <= (|w_en && w_addr == r_addr[{n * a} +: {a}])"
        f" ? {{{b}{{1'bx}}}} : words[r_addr[{n * a} +: {a}]];\n"
        if sram.reads > 1
        else f"    if (r_en) r_data <= (|w_en && w_addr == r_addr) ? {{{b}{{1'bx}}}} : words[r_addr];\n"
        for n in range(sram.reads)
    )
    return (
        f"{head}  reg [{b - 1}:0] words [0:{sram.words - 1}];\n"
        "  always @(posedge clk) begin\n"
        f"{reads}"
        "    if (|w_en) words[w_addr] <= (words[w_addr] & ~w_en) | (w_data & w_en);\n"
        "  end\nendmodule\n"
    )

"""Registers: one SystemRDL source, the hardware, and what software reads of it."""

from lnpu.regs.description import Field, Register, compile_registers, registers
from lnpu.regs.files import c_header, html_page, ip_xact, markdown_table, python_constants, write_all

__all__ = [
    "Field",
    "Register",
    "c_header",
    "compile_registers",
    "html_page",
    "ip_xact",
    "markdown_table",
    "python_constants",
    "registers",
    "write_all",
]

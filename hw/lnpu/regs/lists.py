"""Counters and causes of errors as lists for C: what the PeakRDL header has no names for."""

from systemrdl.node import AddrmapNode

from lnpu.regs.description import registers

__all__ = ["c_lists"]


def c_lists(top: AddrmapNode) -> str:
    """C header with two X macros: `LNPU_COUNTERS(X)` calls X(register) for each counter, by address;
    `LNPU_CAUSES(X)` calls X(number, name, "text") for each value of `ERROR_CAUSE`."""
    encoding = top.find_by_path("ERROR_CAUSE.cause").get_property("encode")
    causes = [
        f'X({item.value}, {item.name}, "{" ".join((item.rdl_desc or item.name).split())}")'
        for item in encoding
    ]
    counters = [f"X({register.name})" for register in registers(top) if register.external]
    lines = ["/* Generated from lnpu.rdl. */", "#ifndef LNPU_LISTS_H", "#define LNPU_LISTS_H", ""]
    for name, calls in (("LNPU_COUNTERS(X)", counters), ("LNPU_CAUSES(X)", causes)):
        lines += [f"#define {name} \\", " \\\n".join(f"    {call}" for call in calls), ""]
    return "\n".join([*lines, "#endif", ""])

"""Block RAM as mappers may build it where nothing says what a read that meets a write returns."""

import re


def hostile(verilog):
    """The Verilog, but a memory with `no_rw_check` returns the inverted word when it is written meanwhile."""
    for name in re.findall(r"\(\* no_rw_check \*\) reg \[[^]]*\] (\w+) \[", verilog):
        writes = re.findall(rf"if \((.*)\)\n *{name}\[(.*?)\](?:\[[^]]*\])? <= ", verilog)
        assert writes, f"{name} is never written"
        verilog, reads = re.subn(
            rf"<= ({name}\[(\w+(?:\[[^]]*\])?|\{{[^}}]*\}})\]);",
            lambda read, writes=writes: "<= {1} ? ~{0} : {0};".format(
                read[1], "||".join(f"({enable} && {at} == {read[2]})" for enable, at in writes)
            ),
            verilog,
        )
        assert reads, f"{name} is never read"
    return verilog


def blank(verilog):
    """The Verilog, but its RAMs start with anything instead of zeros; compiles in a fraction of the time."""
    return re.sub(r"^ *initial begin\n(?: *\w+\[\d+\] = \d+'h0+;\n)+ *end\n", "", verilog, flags=re.M)

"""Verilog that others can use: flat port names, no absolute paths, byte-identical from run to run.

Amaranth's own writer leaves `always @*` blocks that stay X under Icarus until an input toggles, and joins
port paths with double underscores; here processes become plain assignments and the caller names the ports.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Module, Signal, Value, ValueLike, _ir

from lnpu.export.modules import Merged, merge_modules
from lnpu.synth import yosys

__all__ = ["PortMap", "to_rtlil", "to_verilog"]

PortMap = Mapping[str, tuple[ValueLike, bool]]
"""Port name -> (signal or field of a payload, whether the component drives it)."""

LINT_WAIVERS = {
    "WIDTH": "operators extend and results truncate as Verilog defines it",
    "UNUSED": "some bits of a word may have no reader in a given configuration",
}
"""Verilator lint rules that the exported files switch off, with the reason."""

SHARE_WAIVERS = {
    "CASEOVERLAP": "parallel multiplexers are written with one-hot patterns, whose overlaps cannot occur",
    "DECLFILENAME": "repeated blocks stand in the file of the top module",
    "UNSIGNED": "a bound may be 0 in a given configuration",
}
"""Further ones of files with several modules."""

_KEPT = "no_rw_check"
"""Attribute of memories in which a word that is read and written in the same cycle is not used: without it,
mappers surround the RAM with what returns the old word. The only one that the exported files keep."""

_ONCE = "/* verilator no_inline_module */"
"""Makes Verilator compile a repeated block once, not for each instance: a third of the time, equal speed."""


class _Flat(Elaboratable):
    """Wraps a component so that every named value, fields of payloads included, is a port of its own."""

    def __init__(self, component: Elaboratable, ports: PortMap):
        self.component = component
        self.values = {name: (Value.cast(value), output) for name, (value, output) in ports.items()}
        self.ports = {
            name: (
                Signal(value.shape(), name=name),
                _ir.PortDirection.Output if output else _ir.PortDirection.Input,
            )
            for name, (value, output) in self.values.items()
        }

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = self.component
        for name, (value, output) in self.values.items():
            port, _ = self.ports[name]
            m.d.comb += port.eq(value) if output else value.eq(port)
        return m


def to_rtlil(component: Elaboratable, top: str, ports: PortMap, *, platform: object = None) -> str:
    """The component as RTLIL text with the given flat ports (clock and reset appear as `clk`, `rst`)."""
    flat = _Flat(component, ports)
    return rtlil.convert(flat, name=top, ports=flat.ports, platform=platform, emit_src=False)


def to_verilog(
    component: Elaboratable,
    top: str,
    ports: PortMap,
    *,
    flatten: bool = True,
    share: bool = False,
    passes: Sequence[str] = (),
) -> str:
    """The component as Verilog-2005 text.

    Args:
        component: what to elaborate.
        top: name of the top module.
        ports: flat ports; clock and reset are added as `clk` and `rst` when the design is clocked.
        flatten: one module (wires keep their hierarchical names); else one module an instance.
        share: with `flatten`: larger blocks that are repeated are modules of their own, written once.
        passes: further Yosys passes before writing.
    """
    with tempfile.TemporaryDirectory(prefix="lnpu-") as folder:
        work = Path(folder)
        design = to_rtlil(component, top, ports)
        merged = merge_modules(design, top) if share else Merged(design, ())
        (work / "design.il").write_text(merged.rtlil)
        script = [
            "read_rtlil design.il",
            f"hierarchy -top {top}",
            *(f"setattr -mod -set keep_hierarchy 1 {name}" for name in merged.kept),
            "proc",
            *(["flatten"] if flatten else []),
            "opt_expr",
            "opt_merge",
            # Fields of packed payloads become wires of their own: simulators see no false loops.
            *(["opt_clean -purge", "splitnets -driver"] if flatten else []),
            "opt_clean -purge" if flatten else "opt_clean",
            "memory_collect",
            *passes,
            # Registers start from `rst`, as in an ASIC; an initial value beside it is a lint error.
            "setattr -unset init w:*",
            "setattr -mod -unset src -unset hdlname -unset amaranth.hierarchy",
            "rename -enumerate -pattern _%_",
            f"tee -q -o marked.txt select -list a:{_KEPT}",
            "write_verilog -noattr design.v",
        ]
        yosys.run("\n".join(script) + "\n", work, "export")
        verilog = (work / "design.v").read_text()
        marked = (work / "marked.txt").read_text().split()
    verilog = _mark(verilog, marked)
    for name in merged.kept:
        verilog = re.sub(rf"^module {name}\([^;]*\);", rf"\g<0> {_ONCE}", verilog, flags=re.M)
    verilog = re.sub(r"\A/\* Generated by .*?\*/\n", "", verilog)
    return _header({**LINT_WAIVERS, **(SHARE_WAIVERS if share else {})}) + _plain_names(verilog)


def _header(waivers: Mapping[str, str]) -> str:
    return (
        "// Generated by OpenLNPU.\n"
        + "".join(f"// Lint waiver {rule}: {reason}.\n" for rule, reason in waivers.items())
        + "".join(f"/* verilator lint_off {rule} */\n" for rule in waivers)
    )


def _mark(verilog: str, memories: Sequence[str]) -> str:
    """Give the attribute back to memories ("module/memory"), which `-noattr` has dropped."""
    for path in memories:
        module, memory = map(re.escape, path.split("/", 1))
        start = re.search(rf"^module \\?{module} *\(", verilog, re.M)
        assert start is not None, path
        begin, end = start.start(), verilog.index("endmodule", start.end())
        declaration = rf"^( *)(reg \[[^]]*\] \\?{memory} +\[)"
        body = re.sub(declaration, rf"\1(* {_KEPT} *) \2", verilog[begin:end], flags=re.M)
        verilog = verilog[:begin] + body + verilog[end:]
    return verilog


def _plain_names(verilog: str) -> str:
    """Escaped hierarchical names as plain identifiers (`\\core.add.sum ` becomes `core_add_sum`)."""
    escaped = sorted(set(re.findall(r"\\(\S+)\s", verilog)))
    taken = set(re.findall(r"(?<![\\\w.])[A-Za-z_]\w*", verilog))
    plain: dict[str, str] = {}
    for name in escaped:
        base = re.sub(r"_+", "_", re.sub(r"\W", "_", name.replace("__payload", ""))).strip("_")
        candidate, n = base, 1
        while candidate in taken:
            n += 1
            candidate = f"{base}_{n}"
        taken.add(candidate)
        plain[name] = candidate
    return re.sub(r"\\(\S+)(\s)", lambda m: plain[m[1]] + m[2].strip(" "), verilog)

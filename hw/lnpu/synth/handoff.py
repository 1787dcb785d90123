"""Files for a layout flow: RTL with memories as black boxes, their models, constraints, configuration.

OpenROAD-flow-scripts reads `config.mk`, LibreLane (and OpenLane 2) `config.json`. Memories have to be made
by a memory compiler; until then `sram.lib` says area and timing by the SRAM model, and `sram.v` simulates
them.
"""

import json
from fnmatch import fnmatchcase

from lnpu.synth.area import AreaReport
from lnpu.synth.blocks import BlockDesign
from lnpu.synth.conditions import Conditions
from lnpu.synth.library import Library
from lnpu.synth.sram import Sram, SramModel, sram_verilog

__all__ = ["handoff"]

_PLATFORMS = (
    ("sky130_fd_sc_hd*", "sky130hd"),
    ("sky130_fd_sc_hs*", "sky130hs"),
    ("nangate*", "nangate45"),
    ("*sg13g2*", "ihp-sg13g2"),
    ("gf180*", "gf180"),
    ("asap7*", "asap7"),
)
"""Names of platforms of OpenROAD-flow-scripts by the name of the library."""

_PDKS = {"sky130hd": "sky130A", "sky130hs": "sky130A", "gf180": "gf180mcuD", "ihp-sg13g2": "ihp-sg13g2"}


def handoff(
    design: BlockDesign,
    library: Library,
    conditions: Conditions,
    sram: SramModel,
    area: AreaReport,
    period_ns: float,
    clock: str = "clk",
) -> dict[str, str]:
    """The files by name.

    Args:
        design, library, conditions, sram: as mapped. area: of it. period_ns: clock period. clock: clock port.
    """
    top = design.netlist.top
    kinds = sorted({memory.kind for memory in design.memories})
    name = library.name.lower()
    platform = next((found for pattern, found in _PLATFORMS if fnmatchcase(name, pattern)), "")
    files = {
        "rtl.v": design.source,
        "netlist.v": design.verilog,
        "sram.v": "\n".join(sram_verilog(kind, behaviour=True) for kind in kinds),
        "sram_boxes.v": "\n".join(sram_verilog(kind, behaviour=False) for kind in kinds),
        "sram.lib": _liberty(kinds, sram, library),
        "constraints.sdc": _sdc(top, conditions, period_ns, clock),
        "config.mk": _make(top, platform, kinds),
        "config.json": _json(top, platform, kinds, period_ns, clock),
    }
    return files


def _sdc(top: str, conditions: Conditions, period_ns: float, clock: str) -> str:
    drive = conditions.driving_cell
    cell = f"set_driving_cell -lib_cell {drive} [all_inputs]\n" if drive else ""
    return (
        f"# {top}: one clock; a quarter of the period is outside at inputs and outputs.\n"
        f"current_design {top}\n"
        f"create_clock -name {clock} -period {period_ns:g} [get_ports {clock}]\n"
        f"set inputs [all_inputs -no_clocks]\n"
        f"set_input_delay {period_ns / 4:g} -clock {clock} $inputs\n"
        f"set_output_delay {period_ns / 4:g} -clock {clock} [all_outputs]\n"
        f"{cell}set_load {conditions.load_ff / 1000:g} [all_outputs]\n"
    )


def _make(top: str, platform: str, kinds: list[Sram]) -> str:
    names = " ".join(kind.name for kind in kinds)
    lines = [
        "# OpenROAD-flow-scripts: make DESIGN_CONFIG=.../config.mk",
        "HERE := $(dir $(lastword $(MAKEFILE_LIST)))",
        f"export DESIGN_NAME = {top}",
        f"export PLATFORM = {platform or '# name of the platform'}",
        "export VERILOG_FILES = $(HERE)rtl.v $(HERE)sram_boxes.v",
        "export SDC_FILE = $(HERE)constraints.sdc",
        "export CORE_UTILIZATION = 40",
        "export PLACE_DENSITY = 0.60",
    ]
    if kinds:
        lines += [
            f"# Memories: {names}",
            "# LEF and GDS come from your memory compiler; sram.lib is an estimate, good for a first timing.",
            "export ADDITIONAL_LIBS = $(HERE)sram.lib",
            f"export ADDITIONAL_LEFS = {' '.join(f'$(HERE){kind.name}.lef' for kind in kinds)}",
            f"export ADDITIONAL_GDS = {' '.join(f'$(HERE){kind.name}.gds' for kind in kinds)}",
        ]
    return "\n".join(lines) + "\n"


def _json(top: str, platform: str, kinds: list[Sram], period_ns: float, clock: str) -> str:
    found: dict[str, object] = {
        "meta": {"version": 2, "flow": "Classic"},
        "DESIGN_NAME": top,
        "VERILOG_FILES": ["dir::rtl.v", "dir::sram_boxes.v"],
        "CLOCK_PORT": clock,
        "CLOCK_PERIOD": period_ns,
        "PNR_SDC_FILE": "dir::constraints.sdc",
        "SIGNOFF_SDC_FILE": "dir::constraints.sdc",
        "FP_CORE_UTIL": 40,
        "PL_TARGET_DENSITY_PCT": 60,
        "USE_LIGHTER": True,
    }
    if platform in _PDKS:
        found["PDK"] = _PDKS[platform]
    if kinds:
        found["MACROS"] = {
            kind.name: {
                "lef": [f"dir::{kind.name}.lef"],
                "gds": [f"dir::{kind.name}.gds"],
                "lib": {"*": ["dir::sram.lib"]},
                "instances": {},
            }
            for kind in kinds
        }
    return json.dumps(found, indent=2) + "\n"


def _liberty(kinds: list[Sram], sram: SramModel, library: Library) -> str:
    """Area, timing and leakage of the SRAM model as a Liberty file: constants instead of tables. Energies are
    not in it: Liberty cannot say what a write with a mask costs."""
    widths = sorted({width for kind in kinds for _, _, width in kind.ports if width > 1})
    types = "".join(
        f"  type (bus{width}) {{ base_type : array; data_type : bit; bit_width : {width}; "
        f"bit_from : {width - 1}; bit_to : 0; }}\n"
        for width in widths
    )
    cells = "".join(_cell(kind, sram) for kind in kinds)
    volts = library.volts or 1.0
    return (
        "library (lnpu_sram) {\n"
        '  delay_model : table_lookup;\n  time_unit : "1ns";\n  voltage_unit : "1V";\n'
        '  current_unit : "1mA";\n  leakage_power_unit : "1nW";\n  capacitive_load_unit (1, ff);\n'
        '  pulling_resistance_unit : "1kohm";\n'
        f"  nom_voltage : {volts:g};\n  nom_temperature : 25;\n  nom_process : 1;\n{types}{cells}}}\n"
    )


def _cell(kind: Sram, sram: SramModel) -> str:
    pins = []
    for name, direction, width in kind.ports:
        group = f"bus ({name}) {{\n      bus_type : bus{width};" if width > 1 else f"pin ({name}) {{"
        body = f"      direction : {direction};\n"
        if name == "clk":
            body += f"      clock : true;\n      capacitance : {sram.pin_ff:g};\n"
        elif direction == "input":
            body += f"      capacitance : {sram.pin_ff:g};\n"
            for edge, value in (("setup_rising", sram.setup_ns), ("hold_rising", 0.0)):
                body += (
                    f"      timing () {{ related_pin : clk; timing_type : {edge};\n"
                    f'        rise_constraint (scalar) {{ values ("{value:g}"); }}\n'
                    f'        fall_constraint (scalar) {{ values ("{value:g}"); }} }}\n'
                )
        else:
            body += "      timing () { related_pin : clk; timing_type : rising_edge;\n"
            for table, value in (("cell", sram.access_ns), ("transition", 0.1)):
                for edge in ("rise", "fall"):
                    kindname = f"cell_{edge}" if table == "cell" else f"{edge}_transition"
                    body += f'        {kindname} (scalar) {{ values ("{value:g}"); }}\n'
            body += "      }\n"
        pins.append(f"    {group}\n{body}    }}\n")
    return (
        f"  cell ({kind.name}) {{\n    area : {sram.area(kind):.1f};\n    interface_timing : true;\n"
        f"    is_macro_cell : true;\n    cell_leakage_power : {sram.leakage_nw(kind):g};\n"
        f"{''.join(pins)}  }}\n"
    )

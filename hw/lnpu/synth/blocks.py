"""Mapping of a large design block by block: modules of the source stay apart, memories are black boxes, idle
registers have no clock."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lnpu.synth.conditions import Conditions
from lnpu.synth.library import Library
from lnpu.synth.mapping import Recipe
from lnpu.synth.netlist import Bit, Instance, Netlist, Port
from lnpu.synth.sram import Sram, extract, sram_verilog
from lnpu.synth.yosys import check_sources, quoted, read_sources, run

__all__ = ["BlockDesign", "Memory", "map_blocks"]


@dataclass(frozen=True)
class Memory:
    """One memory of a mapped design: its path, its kind, the block it belongs to, the bits at its ports."""

    name: str
    kind: Sram
    block: int
    pins: dict[str, tuple[Bit, ...]]

    @property
    def inputs(self) -> tuple[Bit, ...]:
        """Nets at its inputs, one entry a pin; bits of the mask that are always equal are one pin."""
        single = [bit for pin in ("r_en", "r_addr", "w_addr", "w_data") for bit in self.pins[pin]]
        return (*single, *dict.fromkeys(self.pins["w_en"]))


@dataclass(frozen=True)
class BlockDesign:
    """A mapped design without hierarchy, in which every cell knows its block.

    Args:
        netlist: all cells of the library; memories are taken out.
        blocks: names of the modules.
        block_of: for each instance of the netlist, the index of its module.
        copies: how often each module occurs.
        memories: the memories.
        verilog: the mapped netlist with its modules, memories as instances of black boxes.
        source: the design before mapping, memories as instances of black boxes.
        library_of_memories: Verilog of the black boxes, as models for simulation.
    """

    netlist: Netlist
    blocks: tuple[str, ...]
    block_of: tuple[int, ...]
    copies: tuple[int, ...]
    memories: tuple[Memory, ...]
    verilog: str
    source: str
    library_of_memories: str


def map_blocks(
    files: list[Path],
    top: str,
    library: Library,
    conditions: Conditions,
    work: Path,
    *,
    period_ns: float,
    clock_gates: bool = True,
    smallest_sram: int = 32,
    recipe: Recipe = Recipe.AREA,
    tell: Callable[[str], None] = lambda what: None,
) -> BlockDesign:
    """Map a design, each module by itself.

    Args:
        files: Verilog. top: its top module. library, conditions: the target.
        work: directory for intermediate files.
        period_ns: clock period that gates are sized for.
        clock_gates: registers with an enable get their clock through a clock gate, four or more to one.
        smallest_sram: words from which a memory is a black box; smaller ones become registers.
        recipe: of the mapping.
        tell: told what begins.

    Raises:
        SynthError: wrong sources, or a library that cannot carry the design or has no clock gate.
    """
    paths = check_sources(files, top)
    library.check()
    tell("front end")
    (work / "cells.lib").write_text(library.for_mapper(), encoding="utf-8")
    front = (
        f"{read_sources(paths)}hierarchy -check -top {top}\n"
        "proc\nopt_expr\nopt_clean\nopt_dff -nosdff\nopt_clean\nmemory -nomap\nopt_clean\n"
        "write_rtlil collected.il\n"
    )
    run(front, work, "front")
    text, kinds = extract((work / "collected.il").read_text(encoding="utf-8"), smallest_sram)
    (work / "boxed.il").write_text(text, encoding="utf-8")
    boxes = "".join(f"blackbox {kind.name}\n" for kind in kinds)
    tell("registers and clock gates")
    gating = ""
    if clock_gates:
        _ = library.clock_gate  # refuses a library without one
        (work / "gates.lib").write_text(library.text, encoding="utf-8")
        gating = "opt_merge\nclockgate -liberty gates.lib -min_net_size 4\n"
    drive = f"set_driving_cell {conditions.driving_cell}\n" if conditions.driving_cell else ""
    (work / "abc.constr").write_text(
        f"{drive}set_load {conditions.load_ff:g} [all_outputs]\n", encoding="utf-8"
    )
    commands = "\n".join(recipe.script).format(target=max(1, round(period_ns * 1000)))
    (work / "blocks.abc").write_text(commands + "\n", encoding="utf-8")
    middle = (
        f"read_rtlil boxed.il\n{boxes}write_verilog -noattr source.v\nmemory_map\nsetattr -unset init w:*\n"
        "opt -nodffe -nosdff\nwreduce\npeepopt\nopt_clean\nalumacc\nshare\nopt -nodffe -nosdff\n"
        "opt_dff -nosdff\nopt_merge\nopt_clean\n"
        "techmap\nopt -fast -full -nodffe -nosdff\nopt -full -nodffe -nosdff\nsimplemap\n"
        f"opt_merge\nopt_dff -nosdff\nopt_clean -purge\n{gating}opt_clean -purge\n"
        f"dfflibmap -liberty {quoted('cells.lib')}\nopt_clean -purge\nwrite_rtlil gates.il\n"
    )
    run(middle, work, "middle")
    tell("gates")
    low, high = library.ties
    ties = f"hilomap -hicell {' '.join(high)} -locell {' '.join(low)}\n" if low and high else ""
    back = (
        "read_rtlil gates.il\nabc -liberty cells.lib -constr abc.constr -script blocks.abc\n"
        f"opt_clean -purge\nsetundef -zero\n{ties}opt_clean -purge\nrename -enumerate\n"
        "write_verilog -noattr -noexpr -nohex -nodec mapped.v\nwrite_json mapped.json\n"
    )
    run(back, work, "back")
    modules = json.loads((work / "mapped.json").read_text(encoding="utf-8"))["modules"]
    flat = _Flattener(modules, {kind.name: kind for kind in kinds}, library)
    flat.place(top, "", None)
    flat.resolve()
    blocks = tuple(flat.blocks)
    return BlockDesign(
        netlist=Netlist(top, flat.ports, flat.instances, flat.names),
        blocks=blocks,
        block_of=tuple(flat.block_of),
        copies=tuple(flat.blocks.values()),
        memories=tuple(flat.memories),
        verilog=(work / "mapped.v").read_text(encoding="utf-8"),
        source=(work / "source.v").read_text(encoding="utf-8"),
        library_of_memories="\n".join(sram_verilog(kind, behaviour=True) for kind in kinds),
    )


class _Flattener:
    """Cells of all instances of all modules, with nets of one numbering."""

    def __init__(self, modules: dict[str, Any], kinds: dict[str, Sram], library: Library) -> None:
        self._modules, self._kinds, self._library = modules, kinds, library
        self._next = 2
        self._same: dict[int, Bit] = {}
        self.ports: list[Port] = []
        self.instances: list[Instance] = []
        self.block_of: list[int] = []
        self.blocks: dict[str, int] = {}
        self.memories: list[Memory] = []
        self.names: dict[int, str] = {}

    def place(self, name: str, path: str, outside: dict[str, tuple[Bit, ...]] | None) -> None:
        """One instance of a module; `outside`: the bits at its ports, None for the top."""
        module = self._modules[name]
        self.blocks[name] = self.blocks.get(name, 0) + 1
        block = list(self.blocks).index(name)
        number: dict[int, Bit] = {}
        for port, described in module["ports"].items():
            bits = described["bits"]
            given = outside.get(port) if outside is not None else None
            for i, bit in enumerate(bits):
                if given is not None:
                    # A port that is wired through, or constant, makes one net of two outside.
                    inner = number.setdefault(bit, given[i]) if isinstance(bit, int) else bit
                    self._join(inner, given[i])
                elif isinstance(bit, int) and bit not in number:
                    number[bit] = self._fresh()
            if outside is None:
                self.ports.append(Port(port, described["direction"], self._bits(number, bits)))
        for label, net in module["netnames"].items():
            for i, bit in enumerate(net["bits"]):
                if isinstance(bit, int):
                    if bit not in number:
                        number[bit] = self._fresh()
                    known = number[bit]
                    if isinstance(known, int) and (
                        known not in self.names or self.names[known].rsplit("/")[-1][0] == "_"
                    ):
                        self.names[known] = f"{path}{label}" + (f"[{i}]" if len(net["bits"]) > 1 else "")
        for label, cell in module["cells"].items():
            kind = cell["type"]
            pins = {pin: self._bits(number, bits) for pin, bits in cell["connections"].items()}
            if kind in self._kinds:
                self.memories.append(Memory(f"{path}{label}", self._kinds[kind], block, pins))
            elif kind in self._modules and kind not in self._library.cells:
                self.place(kind, f"{path}{label}/", pins)
            else:
                outputs = frozenset(p for p, d in cell.get("port_directions", {}).items() if d == "output")
                self.instances.append(Instance(f"{path}{label}", kind, pins, outputs, {}))
                self.block_of.append(block)

    def _join(self, a: Bit, b: Bit) -> None:
        a, b = self._root(a), self._root(b)
        if a == b:
            return
        if isinstance(b, int):
            self._same[b] = a
        elif isinstance(a, int):
            self._same[a] = b

    def _root(self, bit: Bit) -> Bit:
        while isinstance(bit, int) and bit in self._same:
            bit = self._same[bit]
        return bit

    def resolve(self) -> None:
        """Write every net by the number that all its parts share."""

        def of(bits: tuple[Bit, ...]) -> tuple[Bit, ...]:
            return tuple(self._root(bit) for bit in bits)

        def pins(found: dict[str, tuple[Bit, ...]]) -> dict[str, tuple[Bit, ...]]:
            return {name: of(bits) for name, bits in found.items()}

        self.ports = [replace(port, bits=of(port.bits)) for port in self.ports]
        self.instances = [replace(i, pins=pins(i.pins)) for i in self.instances]
        self.memories = [replace(m, pins=pins(m.pins)) for m in self.memories]
        for bit, label in list(self.names.items()):
            root = self._root(bit)
            if isinstance(root, int):
                self.names.setdefault(root, label)

    def _fresh(self) -> int:
        self._next += 1
        return self._next

    def _bits(self, number: dict[int, Bit], bits: list[Bit]) -> tuple[Bit, ...]:
        out: list[Bit] = []
        for bit in bits:
            if isinstance(bit, int) and bit not in number:
                number[bit] = self._fresh()
            out.append(number[bit] if isinstance(bit, int) else bit)
        return tuple(out)

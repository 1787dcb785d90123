"""Area and longest path of a design that was mapped block by block."""

import dataclasses
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from lnpu.synth.blocks import BlockDesign
from lnpu.synth.cells import Kind
from lnpu.synth.library import Library
from lnpu.synth.sram import Sram, SramModel
from lnpu.synth.sta import Stage, Timing

__all__ = ["AreaReport", "BlockArea", "SramArea", "area_report"]


@dataclass(frozen=True)
class BlockArea:
    """All copies of one module, without the modules inside it.

    Args:
        name: of the module. copies: how often it occurs. cells, registers: in all copies.
        area_um2, kge: of all copies.
    """

    name: str
    copies: int
    cells: int
    registers: int
    area_um2: float
    kge: float


@dataclass(frozen=True)
class SramArea:
    """All memories of one kind; `area_um2` of all of them."""

    words: int
    bits: int
    reads: int
    count: int
    area_um2: float


@dataclass(frozen=True)
class AreaReport:
    """Area by block and the longest path.

    Args:
        top, library: names. blocks: largest first. srams: largest first.
        area_um2, kge: of all cells. sram_area_um2, sram_bits: of all memories.
        delay_ns, start, end, stages: the longest path with setup, memories included, wires not.
        clock_gates, gated: clock gates, and registers behind them.
    """

    top: str
    library: str
    blocks: tuple[BlockArea, ...]
    srams: tuple[SramArea, ...]
    area_um2: float
    kge: float
    sram_area_um2: float
    sram_bits: int
    delay_ns: float
    start: str
    end: str
    stages: tuple[Stage, ...]
    clock_gates: int
    registers: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def area_report(design: BlockDesign, library: Library, sram: SramModel, timing: Timing) -> AreaReport:
    """The figures of a mapped design."""
    cells: Counter[int] = Counter()
    registers: Counter[int] = Counter()
    area: defaultdict[int, float] = defaultdict(float)
    gates = 0
    for instance, block in zip(design.netlist.instances, design.block_of, strict=True):
        cell = library.cells[instance.type]
        cells[block] += 1
        area[block] += cell.area
        registers[block] += cell.kind is Kind.FLIP_FLOP
        gates += cell.kind is Kind.CLOCK_GATE
    unit = library.nand2.area * 1000
    blocks = [
        BlockArea(name, design.copies[n], cells[n], registers[n], area[n], area[n] / unit)
        for n, name in enumerate(design.blocks)
    ]
    kinds: Counter[Sram] = Counter(memory.kind for memory in design.memories)
    srams = [SramArea(k.words, k.bits, k.reads, n, n * sram.area(k)) for k, n in kinds.items()]
    total = sum(area.values())
    return AreaReport(
        top=design.netlist.top,
        library=library.name,
        blocks=tuple(sorted(blocks, key=lambda b: -b.area_um2)),
        srams=tuple(sorted(srams, key=lambda s: -s.area_um2)),
        area_um2=total,
        kge=total / unit,
        sram_area_um2=sum(s.area_um2 for s in srams),
        sram_bits=sum(k.capacity * n for k, n in kinds.items()),
        delay_ns=timing.delay_ns,
        start=timing.start,
        end=timing.end,
        stages=timing.stages,
        clock_gates=gates,
        registers=sum(registers.values()),
    )

"""What the sequencer hands to the units: commands with addresses."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from lnpu.bus.axi import ADDRESS_BITS, command_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import drain_command, fill_command, load_command
from lnpu.machine.commands import WORD_BITS, Opcode, places, words_of

__all__ = ["drain_task", "element_task", "fill_task", "load_task", "record_layout"]

SIZE_BITS = 16
"""Rows and elements of a load."""


def record_layout(opcode: Opcode) -> data.FlexibleLayout:
    """A command as it stands in memory."""
    fields = {
        name: data.Field(signed(place.bits) if place.signed else unsigned(place.bits), place.low)
        for name, place in places(opcode).items()
    }
    return data.FlexibleLayout(WORD_BITS * words_of(opcode), fields)


def element_task() -> data.StructLayout:
    """An element-wise command: `opcode`, and all of its words as `record` (see `record_layout`)."""
    return data.StructLayout({"opcode": 8, "record": WORD_BITS * max(map(words_of, Opcode))})


def fill_task(config: EngineConfig) -> data.StructLayout:
    """A row of the sparse input: `command` for the engine, `memory`: where its words are."""
    return data.StructLayout({"command": fill_command(config), "memory": command_layout()})


def load_task(config: EngineConfig) -> data.StructLayout:
    """Operands: `command` for the engine; `rows` rows of `elements` fp16 elements from byte `address`,
    `stride` bytes apart; `pad` rows of zeros behind them (in each run of a transposed load)."""
    return data.StructLayout(
        {
            "command": load_command(config),
            "address": ADDRESS_BITS,
            "stride": ADDRESS_BITS,
            "rows": SIZE_BITS,
            "elements": SIZE_BITS,
            "pad": 8,
        }
    )


def drain_task(config: EngineConfig) -> data.StructLayout:
    """Results: `command` for the engine; item `n` (pixel or entry) goes to byte `address + n * stride`,
    `elements` fp32 numbers."""
    return data.StructLayout(
        {
            "command": drain_command(config),
            "address": ADDRESS_BITS,
            "stride": ADDRESS_BITS,
            "elements": range(config.lanes + 1),
        }
    )

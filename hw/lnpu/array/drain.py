"""Drain of a complete accumulator bank, and the clear that starts a pass."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lnpu.array.config import LineConfig
from lnpu.array.payloads import drain_command
from lnpu.buffer.file import address_layout

__all__ = ["Drain"]


class Drain(wiring.Component):
    """Addresses of the accumulator file beside the slots: reads a bank, writes zero behind, or clears both.

    Args:
        config: geometry of the line.

    Members:
        start: `In(1)`: give up what is under way and clear all entries of both banks; clearing: `Out(1)`.
        command: `In(stream(drain_command))`, one a bank, taken with the bank's last word.
        complete: `In(2)`, a bit a bank: may be drained. done: `Out(2)`, one cycle: drained and zero.
        drain, fetch: `Out(1)`, at: `Out(address)`: to the file's drain port.
        clear: `Out(2)`, clear_entry: `Out`: to the file's clear port.
        valid, last: `Out(1)`, ready: `In(1)`: handshake of the words at the file's drain port.

    Timing: one word a cycle, first word one cycle after the command and `complete`.
    """

    def __init__(self, config: LineConfig):
        self.config = config
        bits = config.entry_bits
        super().__init__(
            {
                "start": In(1),
                "clearing": Out(1),
                "command": In(stream.Signature(drain_command(config))),
                "complete": In(2),
                "done": Out(2),
                "drain": Out(1),
                "fetch": Out(1),
                "at": Out(address_layout(bits)),
                "clear": Out(2),
                "clear_entry": Out(bits),
                "valid": Out(1),
                "last": Out(1),
                "ready": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, command = self.config, self.command.payload
        end = max(config.tile_entries, config.row_entries) - 1
        entry = Signal(config.entry_bits)
        clearing = Signal()
        fetched = Signal()
        last = Signal()
        behind = Signal()
        previous = Signal(config.entry_bits, reset_less=True)
        finished = Signal()
        selected = Signal(2)
        m.d.comb += [
            self.clearing.eq(clearing),
            selected.eq(Mux(command.bank, 0b10, 0b01)),
            self.drain.eq(self.command.valid & (self.complete & selected).any()),
            self.at.entry.eq(entry),
            self.at.bank.eq(command.bank),
            # The RAM's output register holds a word until it is taken; after the last one there is no next.
            self.fetch.eq(self.drain & (~fetched | (self.ready & ~last))),
            finished.eq(fetched & last & self.ready),
            self.command.ready.eq(finished),
            self.done.eq(Mux(finished, selected, 0)),
            self.clear.eq(Mux(clearing, 0b11, Mux(behind, selected, 0))),
            self.clear_entry.eq(Mux(clearing, entry, previous)),
            self.valid.eq(fetched),
            self.last.eq(last),
        ]
        m.d.sync += [behind.eq(self.fetch), previous.eq(entry)]
        with m.If(self.fetch):
            m.d.sync += [fetched.eq(1), last.eq(entry == command.end), entry.eq(entry + 1)]
        with m.Elif(self.ready):
            m.d.sync += fetched.eq(0)
        with m.If(finished):
            m.d.sync += [entry.eq(0), last.eq(0)]
        with m.If(clearing):
            m.d.sync += entry.eq(entry + 1)
            with m.If(entry == end):
                m.d.sync += [entry.eq(0), clearing.eq(0)]
        with m.If(self.start):
            m.d.sync += [entry.eq(0), clearing.eq(1), fetched.eq(0), last.eq(0), behind.eq(0)]
        return m

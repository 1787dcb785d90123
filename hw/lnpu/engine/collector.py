"""Collector: results from the lines' accumulator files, in order."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from lnpu.engine.claims import Claims, flags_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import drain_command, line_drain, line_word, result_beat

__all__ = ["Collector", "table_layout"]


def table_layout(config: EngineConfig) -> data.StructLayout:
    """Address in the assignment table: which one, and a pixel of the walk that dealt."""
    return data.StructLayout({"pixel": config.pixel_bits, "bank": 1})


class Collector(wiring.Component):
    """Drains accumulator banks: Row pixel by pixel from the line that has it (FP, BP), Tile entry by entry
    as the sum of several lines (WG).

    Requests run ahead of the words by up to `depth` pixels or entries; words are taken in the order of the
    requests.

    Args:
        config: geometry.

    Members:
        commands: `In(stream(drain_command))`. A command waits until the bank is complete in its lines (Row:
            in all lines).
        complete: `In(flags_layout)`: per line, which banks are closed and written; must be low in the cycle
            after `drained`.
        table_at: `Out(table_layout)`; table_line: `In(line_bits)`, the line of that pixel one cycle later.
            A bank's entries must not change until the bank is drained.
        drain: `Out(stream(line_drain))` a line. words: `In(stream(line_word))` a line: the words of its
            requests in order.
        o: `Out(stream(result_beat))`.
        drained: `Out(flags_layout)`: one-cycle pulses in the cycle after the last word of a command with
            `last` was taken: to its lines (Row: to all lines).

    Timing: a request a cycle, a word a cycle, from one line or from several; 1 idle request cycle between
    commands. A result comes 1 + ceil(log2(lines)) cycles after its words. A command may begin while words of
    the one before are under way.
    """

    depth = 8

    def __init__(self, config: EngineConfig):
        flags = flags_layout(config.lines)
        super().__init__(
            {
                "commands": In(stream.Signature(drain_command(config))),
                "complete": In(flags),
                "table_at": Out(table_layout(config)),
                "table_line": In(config.line_bits),
                "drain": Out(stream.Signature(line_drain(config))).array(config.lines),
                "words": In(stream.Signature(line_word(config))).array(config.lines),
                "o": Out(stream.Signature(result_beat(config))),
                "drained": Out(flags),
            }
        )
        self.config = config
        self.levels = (config.lines - 1).bit_length()
        self._order = data.StructLayout({"lines": config.lines, "end": 1, "close": 1, "tile": 1, "bank": 1})

    def elaborate(self, platform):
        m = Module()
        m.submodules.claims = claims = Claims(self.config.lines)
        m.submodules.order = order = SyncFIFO(width=self._order.size, depth=self.depth)
        m.d.comb += [claims.offers.eq(self.complete), self.drained.eq(claims.done)]
        self._request(m, claims, order)
        self._forward(m, claims, order)
        return m

    def _request(self, m, claims, order):
        """Pixels or entries of a command, a request each."""
        config = self.config
        every = (1 << config.lines) - 1
        head = self.commands.payload
        command = Signal(drain_command(config), reset_less=True)
        active = Signal()
        number = Signal.like(head.count, reset_less=True)
        sent = Signal(config.lines)  # lines that have taken the present request already
        accept = Signal()
        step = Signal()
        ends = Signal()
        target = Signal(config.lines)
        turned = Signal(range(2 * config.lines))
        line = Signal(config.line_bits)
        m.d.comb += [
            claims.lines.eq(Mux(head.tile, head.lines, every)),
            claims.bank.eq(head.bank),
            self.commands.ready.eq(~active & claims.free),
            accept.eq(self.commands.valid & self.commands.ready),
            claims.claim.eq(accept & head.last),
            ends.eq(step & (number == command.count)),
            turned.eq(self.table_line + command.turn),
            line.eq(Mux(turned >= config.lines, turned - config.lines, turned)),
            target.eq(Mux(command.tile, command.lines, Const(1, config.lines) << line)),
        ]
        # The table answers one cycle later: it sees the number of the next cycle.
        m.d.comb += [
            self.table_at.pixel.eq(Mux(accept, 0, number + step)),
            self.table_at.bank.eq(Mux(accept, head.table, command.table)),
        ]
        m.d.sync += number.eq(Mux(accept, 0, number + step))
        with m.If(accept):
            m.d.sync += [active.eq(1), command.eq(head)]
        with m.Elif(ends):
            m.d.sync += active.eq(0)

        taken = Signal(config.lines)
        entry = Signal(self._order)
        for n, drain in enumerate(self.drain):
            address = Signal.like(head.first, name=f"address{n}", reset_less=True)
            with m.If(accept):
                m.d.sync += address.eq(head.first)
            with m.Elif(step & target[n]):
                m.d.sync += address.eq(address + Mux(command.tile, 1, command.step))
            m.d.comb += [
                drain.valid.eq(active & order.w_rdy & target[n] & ~sent[n]),
                drain.payload.address.eq(address),
                drain.payload.groups.eq(command.groups),
                taken[n].eq(sent[n] | drain.ready | ~target[n]),
            ]
            with m.If(active & order.w_rdy):
                m.d.sync += sent[n].eq(taken[n] & target[n] & ~step)
        m.d.comb += [
            step.eq(active & order.w_rdy & taken.all()),
            entry.lines.eq(target),
            entry.end.eq(number == command.count),
            entry.close.eq(entry.end & command.last),
            entry.tile.eq(command.tile),
            entry.bank.eq(command.bank),
            order.w_en.eq(step),
            order.w_data.eq(entry),
        ]

    def _forward(self, m, claims, order):
        """Words of the oldest request: one line's, or the sum of several."""
        config = self.config
        every = (1 << config.lines) - 1
        head = data.View(self._order, order.r_data)
        room = Signal()
        take = Signal()
        end = Signal()
        missing = Signal(config.lines)
        last = Signal(config.lines)
        parts = []
        for n, words in enumerate(self.words):
            # Zero where the line does not count: by the register's reset, not by a gate before the adder.
            part = Signal(words.payload.lanes.shape(), name=f"part0_{n}", reset_less=True)
            with m.If(take):
                with m.If(head.lines[n]):
                    m.d.sync += part.eq(words.payload.lanes)
                with m.Else():
                    m.d.sync += part.eq(0)
            parts.append(part)
            m.d.comb += [
                missing[n].eq(head.lines[n] & ~words.valid),
                last[n].eq(head.lines[n] & words.payload.last),
                words.ready.eq(take & head.lines[n]),
            ]
        valid = Signal(1 + self.levels)
        ends = Signal(1 + self.levels, reset_less=True)
        m.d.comb += [
            room.eq(~valid[-1] | self.o.ready),
            take.eq(order.r_rdy & room & (missing == 0)),
            end.eq(take & last.any()),
            order.r_en.eq(end),
            self.o.valid.eq(valid[-1]),
            self.o.payload.last.eq(ends[-1]),
        ]
        with m.If(room):
            m.d.sync += [valid.eq(Cat(take, valid)), ends.eq(Cat(last.any() & head.end, ends))]
        # One register an adder: mappers would else join them to a tree of carry-save adders, which is larger.
        for level in range(self.levels):
            sums = []
            for n in range(0, len(parts), 2):
                pair = parts[n : n + 2]
                # Sums of all lines are `sum_bits` wide, sums of fewer lines less.
                shape = data.ArrayLayout(signed(32 + level + 1), config.row_lanes)
                total = Signal(shape, name=f"part{level + 1}_{n // 2}", reset_less=True)
                with m.If(room):
                    for lane in range(config.row_lanes):
                        m.d.sync += total[lane].eq(sum((part[lane] for part in pair[1:]), pair[0][lane]))
                sums.append(total)
            parts = sums
        for lane in range(config.row_lanes):
            m.d.comb += self.o.payload.lanes[lane].eq(parts[0][lane])

        done_lines = Signal(config.lines)
        done_bank = Signal(reset_less=True)
        closed = Mux(head.tile, head.lines, every) & (end & head.close).replicate(config.lines)
        m.d.sync += [done_lines.eq(closed), done_bank.eq(head.bank)]
        m.d.comb += [claims.done_lines.eq(done_lines), claims.done_bank.eq(done_bank)]

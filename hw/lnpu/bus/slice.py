"""A register slice: cuts every path of an AXI4 connection, where distance or multiplexers slow the clock."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import Axi4

__all__ = ["RegisterSlice"]

_FORWARD, _BACK = ("aw", "w", "ar"), ("b", "r")


class RegisterSlice(wiring.Component):
    """Registers in all five channels, valid, payload and ready alike.

    Members:
        i: `In(Axi4)`: from a manager. o: `Out(Axi4)`: to a subordinate.

    Timing: a beat a cycle in each channel, one cycle later. Each channel has room for two beats, so that
    `ready` is a register too.
    """

    def __init__(self):
        super().__init__({"i": In(Axi4()), "o": Out(Axi4())})

    def elaborate(self, platform):
        m = Module()
        names = list(Axi4().members)
        for channel in (*_FORWARD, *_BACK):
            fields = [
                name
                for name in names
                if name.startswith(channel) and name not in (f"{channel}valid", f"{channel}ready")
            ]
            source, target = (self.i, self.o) if channel in _FORWARD else (self.o, self.i)
            given = Cat(*(getattr(source, name) for name in fields))
            shown, spare = (
                Signal(len(given), name=f"{channel}_{what}", reset_less=True) for what in ("shown", "spare")
            )
            valid, full = (Signal(name=f"{channel}_{what}") for what in ("valid", "full"))
            offered = getattr(source, f"{channel}valid")
            m.d.comb += [
                getattr(source, f"{channel}ready").eq(~full),
                getattr(target, f"{channel}valid").eq(valid),
                Cat(*(getattr(target, name) for name in fields)).eq(shown),
            ]
            with m.If(getattr(target, f"{channel}ready") | ~valid):
                m.d.sync += [valid.eq(full | offered), full.eq(0), shown.eq(Mux(full, spare, given))]
            with m.Elif(offered & ~full):
                m.d.sync += [full.eq(1), spare.eq(given)]
        return m

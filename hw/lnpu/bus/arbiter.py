"""Several AXI clients on one port."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from lnpu.bus.axi import Axi4Read, Axi4Write
from lnpu.bus.read import constants

__all__ = ["ReadArbiter", "WriteArbiter"]


def _check(clients: int, outstanding: int) -> None:
    if not 2 <= clients <= 8:
        raise ValueError(f"`clients` must be 2 to 8, not {clients}")
    if not 2 <= outstanding <= 64:
        raise ValueError(f"`outstanding` must be 2 to 64 bursts, not {outstanding}")


def _of(clients, name: str, index: Value) -> Value:
    """A client's signal; filled up to a power of two, so that no index is without a client."""
    signals = [getattr(client, name) for client in clients]
    signals += signals[-1:] * ((1 << len(index)) - len(signals))
    return Array(signals)[index]


def _pick(m: Module, requests: Value, taken: Value) -> Signal:
    """Round robin: the number of a requesting client, after the one that was served last."""
    count = len(requests)
    served = Signal(range(count), name="served")
    chosen = Signal(range(count), name="chosen")
    later = Signal(count, name="later")
    m.d.comb += later.eq(requests & Cat(Const(0, 1), *(served < n for n in range(1, count))))
    for pool in (requests, later):  # the later assignment wins
        for n in reversed(range(count)):
            with m.If(pool[n]):
                m.d.comb += chosen.eq(n)
    with m.If(taken):
        m.d.sync += served.eq(chosen)
    return chosen


def _request(m: Module, clients, port, prefix: str, room: Value) -> tuple[Signal, Signal]:
    """Pass requests on through a register.

    Returns:
        `(chosen, take)`: the client, and whether its request is taken in this cycle.
    """
    valid = getattr(port, f"{prefix}valid")
    requests, take = Signal(len(clients)), Signal()
    chosen = _pick(m, requests, take)
    m.d.comb += [
        requests.eq(Cat(getattr(client, f"{prefix}valid") for client in clients)),
        take.eq(requests.any() & ~valid & room),
        *constants(port, prefix),
    ]
    with m.If(getattr(port, f"{prefix}ready")):
        m.d.sync += valid.eq(0)
    with m.If(take):
        m.d.sync += valid.eq(1)
        for name in ("addr", "len"):
            source = _of(clients, f"{prefix}{name}", chosen)
            m.d.sync += getattr(port, f"{prefix}{name}").eq(source)
    for n, client in enumerate(clients):
        m.d.comb += getattr(client, f"{prefix}ready").eq(take & (chosen == n))
    return chosen, take


class ReadArbiter(wiring.Component):
    """Read bursts of several clients, round robin; answers go back by the order of requests.

    Args:
        clients: 2 to 8. outstanding: bursts requested and not answered at most, 2 to 64.

    Members:
        clients: `In(Axi4Read)` for each. They must take every word at once (`rready` is not looked at), as
            `ReadDma` does.
        m_axi: `Out(Axi4Read)`; every output comes from a register.
        busy: `Out(1)`: an answer is awaited.

    Timing: a request passes in one cycle, one every two cycles; answers pass without delay.
    """

    def __init__(self, clients: int, *, outstanding: int = 16):
        _check(clients, outstanding)
        self.outstanding = outstanding
        super().__init__({"clients": In(Axi4Read()).array(clients), "m_axi": Out(Axi4Read()), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        axi = self.m_axi
        count = len(self.clients)
        m.submodules.order = order = SyncFIFO(width=(count - 1).bit_length(), depth=self.outstanding)
        chosen, take = _request(m, self.clients, axi, "ar", order.w_rdy)
        m.d.comb += [
            order.w_en.eq(take),
            order.w_data.eq(chosen),
            order.r_en.eq(axi.rvalid & axi.rlast),
            axi.rready.eq(1),
            self.busy.eq(order.r_rdy),
        ]
        for n, client in enumerate(self.clients):
            m.d.comb += [
                client.rdata.eq(axi.rdata),
                client.rresp.eq(axi.rresp),
                client.rlast.eq(axi.rlast),
                client.rvalid.eq(axi.rvalid & order.r_rdy & (order.r_data == n)),
            ]
        return m


class WriteArbiter(wiring.Component):
    """Write bursts of several clients, round robin; words follow in the order of requests, answers go back
    by it.

    A client that requested a burst and has no words for it holds up the others.

    Args:
        clients: 2 to 8. outstanding: bursts requested and not answered at most, 2 to 64.

    Members:
        clients: `In(Axi4Write)` for each. They must take every answer at once (`bready` is not looked at), as
            `WriteDma` does.
        m_axi: `Out(Axi4Write)`; every output comes from a register.
        busy: `Out(1)`: an answer is awaited.

    Timing: requests and words pass in one cycle; a request every two cycles, a word a cycle.
    """

    def __init__(self, clients: int, *, outstanding: int = 16):
        _check(clients, outstanding)
        self.outstanding = outstanding
        super().__init__(
            {"clients": In(Axi4Write()).array(clients), "m_axi": Out(Axi4Write()), "busy": Out(1)}
        )

    def elaborate(self, platform):
        m = Module()
        axi = self.m_axi
        bits = (len(self.clients) - 1).bit_length()
        m.submodules.senders = senders = SyncFIFO(width=bits, depth=self.outstanding)
        m.submodules.order = order = SyncFIFO(width=bits, depth=self.outstanding)
        # `senders` is never fuller than `order`: a burst's words come before its answer.
        chosen, take = _request(m, self.clients, axi, "aw", order.w_rdy)
        m.d.comb += [
            *(fifo.w_en.eq(take) for fifo in (senders, order)),
            *(fifo.w_data.eq(chosen) for fifo in (senders, order)),
            order.r_en.eq(axi.bvalid),
            axi.bready.eq(1),
            self.busy.eq(order.r_rdy),
        ]
        free = Signal()
        offered = Signal()
        last = Signal()
        m.d.comb += [
            free.eq(senders.r_rdy & (~axi.wvalid | axi.wready)),
            offered.eq(_of(self.clients, "wvalid", senders.r_data)),
            last.eq(_of(self.clients, "wlast", senders.r_data)),
            senders.r_en.eq(free & offered & last),
        ]
        m.d.sync += axi.wvalid.eq(Mux(free, offered, axi.wvalid & ~axi.wready))
        with m.If(free & offered):
            m.d.sync += axi.wlast.eq(last)
            for name in ("wdata", "wstrb"):
                source = _of(self.clients, name, senders.r_data)
                m.d.sync += getattr(axi, name).eq(source)
        for n, client in enumerate(self.clients):
            m.d.comb += [
                client.wready.eq(free & (senders.r_data == n)),
                client.bresp.eq(axi.bresp),
                client.bvalid.eq(axi.bvalid & order.r_rdy & (order.r_data == n)),
            ]
        return m

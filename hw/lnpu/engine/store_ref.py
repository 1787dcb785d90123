"""Stop-gap X store."""

from amaranth.hdl import Array, Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lnpu.codec.config import CAUSE_BITS
from lnpu.codec.payloads import word
from lnpu.codec.sparse import SparseDecoder
from lnpu.engine.block_payloads import fetch_layout, look_layout, word_layout
from lnpu.engine.config import EngineConfig
from lnpu.engine.payloads import UNIT_BITS, fill_command, span_layout


class XStore(wiring.Component):
    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "clear": In(1),
                "fills": In(stream.Signature(fill_command(config))),
                "words": In(stream.Signature(word())),
                "filled": Out(2),
                "claim": In(2),
                "free": In(2),
                "look": In(stream.Signature(look_layout(config))),
                "span": Out(span_layout(config)),
                "fetch": In(stream.Signature(fetch_layout(config))).array(config.lines),
                "data": Out(word_layout(config)),
                "errors": Out(CAUSE_BITS),
                "full": Out(1),
            }
        )

    def elaborate(self, platform):
        outer = Module()
        outer.submodules.core = ResetInserter(self.clear)(self._core())
        return outer

    def _core(self):
        m = Module()
        c = self.config
        D = c.decoders
        wbits = c.word_bits
        region = c.words // D
        m.submodules.spans = spans = Memory(shape=span_layout(c), depth=2 << c.block_bits, init=[])
        m.submodules.mem = mem = Memory(shape=c.units * UNIT_BITS, depth=2 << wbits, init=[])
        sw, sr = spans.write_port(), spans.read_port()
        mw, mr = mem.write_port(), mem.read_port()
        # reads
        m.d.comb += [
            self.look.ready.eq(1),
            sr.en.eq(1),
            sr.addr.eq(Cat(self.look.payload.block, self.look.payload.bank)),
            self.span.eq(sr.data),
        ]
        turn = Signal(range(c.lines))
        grant = Signal(range(c.lines))
        for k in reversed(range(c.lines)):
            for t in range(c.lines):
                idx = (t + 1 + k) % c.lines
                with m.If((turn == t) & self.fetch[idx].valid):
                    m.d.comb += grant.eq(idx)
        for n in range(c.lines):
            hit = self.fetch[n].valid & (grant == n)
            m.d.comb += self.fetch[n].ready.eq(grant == n)
            with m.If(hit):
                m.d.sync += turn.eq(n)
                m.d.comb += mr.addr.eq(Cat(self.fetch[n].payload.word, self.fetch[n].payload.bank))
        m.d.comb += [mr.en.eq(1), self.data.eq(mr.data)]
        # fills: one row at a time is handed to decoder cur; words follow
        filled, claimed = Signal(2), Signal(2)
        m.d.comb += self.filled.eq(filled & ~claimed)
        cur = Signal(range(max(2, D)))
        feeding = Signal()
        fill = self.fills.payload
        wbank = Signal()
        rows_open = Signal(16)
        lastseen = Signal()
        accept = Signal()
        starting = Signal(init=1)
        decs = []
        for d in range(D):
            m.submodules[f"dec{d}"] = dec = SparseDecoder(3)
            m.submodules[f"fifo{d}"] = fifo = SyncFIFOBuffered(width=65, depth=256)
            m.d.comb += [dec.i.valid.eq(fifo.r_rdy), dec.i.payload.eq(fifo.r_data), fifo.r_en.eq(dec.i.ready)]
            decs.append((dec, fifo))
        busys = []
        can = Signal()
        m.d.comb += can.eq(~feeding & ~lastseen & ~(filled.bit_select(fill.bank, 1)))
        fires = []
        finished_rows = []
        spanreqs, wordreqs = [], []
        for d, (dec, fifo) in enumerate(decs):
            mine = Signal(name=f"mine{d}")
            m.d.comb += mine.eq(cur == d)
            busy = Signal(name=f"busy{d}")
            base = Signal(c.block_bits, name=f"base{d}")
            bank = Signal(name=f"bank{d}")
            left = Signal(16, name=f"left{d}")
            held = Signal(fill.row.shape(), name=f"held{d}")
            hv = Signal(name=f"hv{d}")
            m.d.comb += [dec.command.valid.eq(hv), dec.command.payload.eq(held)]
            fire = Signal(name=f"fire{d}")
            m.d.comb += fire.eq(self.fills.valid & can & mine & ~busy & ~hv)
            with m.If(fire):
                m.d.sync += [held.eq(fill.row), hv.eq(1)]
            with m.Elif(dec.command.ready):
                m.d.sync += hv.eq(0)
            fires.append(fire)
            wp = Signal(wbits + 1, name=f"wp{d}")
            blockstart = Signal(wbits + 1, name=f"bs{d}")
            unit = Signal(range(c.units + 1), name=f"unit{d}")
            reg = Signal(c.units * UNIT_BITS, name=f"reg{d}")
            n8, n16 = Signal(7, name=f"n8_{d}"), Signal(7, name=f"n16_{d}")
            with m.If(fire):
                m.d.sync += [busy.eq(1), base.eq(fill.base), bank.eq(fill.bank), left.eq(fill.row.blocks)]
                with m.If(starting):
                    pass
            # packer state: 0 accept, 1 write word then continue with same beat, 2 end block
            flush, ending = Signal(name=f"flush{d}"), Signal(name=f"ending{d}")
            over = Signal(name=f"over{d}")
            blockover = Signal(name=f"bo{d}")
            b = dec.o.payload
            pos = Signal(range(c.units + 2), name=f"pos{d}")
            m.d.comb += pos.eq(Mux(b.wide, unit + unit[0], unit))
            fits = Signal(name=f"fits{d}")
            m.d.comb += fits.eq(pos + b.wide < c.units)
            wreq, wgnt = Signal(name=f"wreq{d}"), Signal(name=f"wgnt{d}")
            sreq, sgnt = Signal(name=f"sreq{d}"), Signal(name=f"sgnt{d}")
            done = Signal(name=f"done{d}")
            with m.If(ending):
                with m.If(unit != 0):
                    m.d.comb += wreq.eq(1)
                    with m.If(wgnt):
                        m.d.sync += [unit.eq(0), wp.eq(wp + 1)]
                with m.Else():
                    m.d.comb += sreq.eq(1)
                    with m.If(sgnt):
                        m.d.sync += [
                            ending.eq(0),
                            base.eq(base + 1),
                            left.eq(left - 1),
                            n8.eq(0),
                            n16.eq(0),
                            blockover.eq(0),
                        ]
                        with m.If(blockover):
                            m.d.sync += wp.eq(blockstart)
                        with m.Else():
                            m.d.sync += blockstart.eq(wp)
                        with m.If(left == 1):
                            m.d.sync += busy.eq(0)
                            m.d.comb += done.eq(1)
            with m.Elif(dec.o.valid):
                with m.If(b.entry & ~fits):
                    m.d.comb += wreq.eq(1)
                    with m.If(wgnt):
                        m.d.sync += [unit.eq(0), wp.eq(wp + 1)]
                with m.Else():
                    m.d.comb += dec.o.ready.eq(1)
                    with m.If(b.entry):
                        for u in range(c.units):
                            with m.If(pos == u):
                                m.d.sync += reg[u * 14 : u * 14 + 14].eq(Cat(b.index, b.value[:8]))
                            with m.If(b.wide & (pos + 1 == u)):
                                m.d.sync += reg[u * 14 : u * 14 + 14].eq(Cat(b.index ^ b.index, b.value[8:]))
                        m.d.sync += unit.eq(pos + 1 + b.wide)
                        m.d.sync += [n8.eq(n8 + ~b.wide), n16.eq(n16 + b.wide)]
                    with m.If(b.last):
                        m.d.sync += ending.eq(1)
            with m.If(wreq & (wp >= region)):
                m.d.sync += [self.full.eq(1), blockover.eq(1)]
            finished_rows.append(done)
            wordreqs.append((wreq, wgnt, Cat((wp + d * region)[:wbits], bank), reg, wp < region))
            sp = Signal(span_layout(c), name=f"sp{d}")
            m.d.comb += [
                sp.start.eq(blockstart + d * region),
                sp.n8.eq(Mux(blockover, 0, n8)),
                sp.n16.eq(Mux(blockover, 0, n16)),
            ]
            spanreqs.append((sreq, sgnt, Cat(base, bank), sp))
            with m.If(fire & starting):
                pass
            self_reset = Signal(name=f"rst{d}")
            busys.append((busy, wp, blockstart, self_reset))
            with m.If(self_reset):
                m.d.sync += [wp.eq(0), blockstart.eq(0)]
        taken = 0
        for req, gnt, addr, value, ok in wordreqs:
            m.d.comb += gnt.eq(req & ~taken)
            with m.If(gnt):
                m.d.comb += [mw.addr.eq(addr), mw.data.eq(value), mw.en.eq(ok)]
            taken = taken | req
        taken = 0
        for req, gnt, addr, value in spanreqs:
            m.d.comb += gnt.eq(req & ~taken)
            with m.If(gnt):
                m.d.comb += [sw.addr.eq(addr), sw.data.eq(value), sw.en.eq(1)]
            taken = taken | req
        anyfire = Signal()
        m.d.comb += [anyfire.eq(Cat(*fires).any()), self.fills.ready.eq(anyfire)]
        ndone = sum(finished_rows)
        m.d.sync += rows_open.eq(rows_open + anyfire - ndone)
        fillbank = Signal()
        with m.If(anyfire):
            m.d.sync += [feeding.eq(1), fillbank.eq(fill.bank)]
            with m.If(fill.last):
                m.d.sync += lastseen.eq(1)
        # words to fifo cur
        for d, (dec, fifo) in enumerate(decs):
            sel = feeding & (cur == d)
            m.d.comb += [fifo.w_data.eq(self.words.payload), fifo.w_en.eq(sel & self.words.valid)]
            with m.If(sel):
                m.d.comb += self.words.ready.eq(fifo.w_rdy)
        with m.If(self.words.valid & self.words.ready & self.words.payload.last):
            m.d.sync += [feeding.eq(0), cur.eq(Mux(cur == D - 1, 0, cur + 1))]
        fin = Signal()
        m.d.comb += fin.eq(lastseen & ~feeding & (rows_open == 0))
        with m.If(fin):
            m.d.sync += [lastseen.eq(0), cur.eq(0)]
            for *_, r in busys:
                m.d.comb += r.eq(1)
        setbits = Mux(fin, Mux(fillbank, 0b10, 0b01), 0)
        m.d.sync += [
            filled.eq((filled | setbits) & ~self.free),
            claimed.eq((claimed | self.claim) & ~self.free),
        ]
        allerr = 0
        for dec, _ in decs:
            allerr = allerr | dec.errors
        m.d.comb += self.errors.eq(allerr)
        return m

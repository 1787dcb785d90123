"""AXI memory for simulations in Python: latency, stalls, planted errors; checks the rules of the manager."""

import random
from dataclasses import dataclass, field


@dataclass
class Memory:
    """A memory behind `m_axi`; `reads` and `writes` are endless test benches.

    `data`: 64-bit words by word address; a word never written reads as a hash of its address. `bad`: word
    addresses that answer `response`. `limit`: beats of a burst. `latency`: cycles, at least. `rate`:
    probability that a channel moves in a cycle. `answers`: False: nothing is answered (a hung bus).
    """

    axi: object
    seed: int = 1
    latency: int = 1
    rate: float = 1.0
    limit: int = 16
    response: int = 2
    bad: set = field(default_factory=set)
    data: dict = field(default_factory=dict)
    bursts: list = field(default_factory=list)
    outstanding: int = 0
    most: int = 0

    def read(self, word):
        return self.data.get(word, word * 0x9E3779B97F4A7C15 & (1 << 64) - 1)

    def _check(self, address, length, prefix, ctx):
        assert address % 8 == 0, f"{prefix}: address {address:#x} is not aligned"
        assert length < self.limit, f"{prefix}: burst of {length + 1} beats, at most {self.limit} allowed"
        assert address // 4096 == (address + length * 8) // 4096, f"{prefix}: {address:#x} crosses 4 KiB"
        assert ctx.get(getattr(self.axi, f"{prefix}size")) == 3
        assert ctx.get(getattr(self.axi, f"{prefix}burst")) == 1
        self.bursts.append((prefix, address, length + 1))

    def _held(self, held, now, ready, name):
        """Whether an offer stays; returns what must stay in the next cycle."""
        assert held is None or held == now, f"{name}: {held} was withdrawn or changed to {now}"
        return now if now is not None and not ready else None

    async def reads(self, ctx):
        axi, rng, queue, held, cycle, index = self.axi, random.Random(self.seed), [], None, 0, 0
        while True:
            ready = rng.random() < self.rate
            ctx.set(axi.arready, ready)
            now = (ctx.get(axi.araddr), ctx.get(axi.arlen)) if ctx.get(axi.arvalid) else None
            held = self._held(held, now, ready, "AR")
            offers = bool(queue) and queue[0][0] <= cycle and rng.random() < self.rate
            assert ctx.get(axi.rready) == 1
            ctx.set(axi.rvalid, offers)
            ctx.set(axi.rdata, rng.getrandbits(64))
            if offers:
                _, address, length = queue[0]
                word, last = address // 8 + index, index == length
                ctx.set(axi.rdata, self.read(word))
                ctx.set(axi.rresp, self.response if word in self.bad else 0)
                ctx.set(axi.rlast, last)
                index = 0 if last else index + 1
                if last:
                    queue.pop(0)
            if now is not None and ready:
                self._check(*now, "ar", ctx)
                queue.append((cycle + self.latency, *now))
            self.outstanding = len(queue)
            self.most = max(self.most, len(queue))
            await ctx.tick()
            cycle += 1

    async def writes(self, ctx):
        axi, rng, cycle = self.axi, random.Random(self.seed + 1), 0
        asked, words, answers, held_aw, held_w = [], [], [], None, None
        while True:
            ready_aw, ready_w = rng.random() < self.rate, rng.random() < self.rate
            ctx.set(axi.awready, ready_aw)
            ctx.set(axi.wready, ready_w)
            aw = (ctx.get(axi.awaddr), ctx.get(axi.awlen)) if ctx.get(axi.awvalid) else None
            held_aw = self._held(held_aw, aw, ready_aw, "AW")
            w = None
            if ctx.get(axi.wvalid):
                w = (ctx.get(axi.wdata), ctx.get(axi.wstrb), ctx.get(axi.wlast))
            held_w = self._held(held_w, w, ready_w, "W")
            assert ctx.get(axi.bready) == 1
            offers = bool(answers) and answers[0][0] <= cycle and rng.random() < self.rate
            ctx.set(axi.bvalid, offers)
            if offers:
                ctx.set(axi.bresp, answers.pop(0)[1])
            if aw is not None and ready_aw:
                self._check(*aw, "aw", ctx)
                asked.append(aw)
            if w is not None and ready_w:
                words.append(w)
            while asked and len(words) > asked[0][1]:
                (address, length), run = asked.pop(0), []
                for n in range(length + 1):
                    value, strobe, last = words.pop(0)
                    assert last == (n == length), f"WLAST is {last} at beat {n} of {length + 1}"
                    run.append((address // 8 + n, value, strobe))
                fault = any(word in self.bad for word, _, _ in run)
                for word, value, strobe in run:
                    mask = sum(0xFF << 8 * n for n in range(8) if strobe >> n & 1)
                    self.data[word] = self.read(word) & ~mask | value & mask
                answers.append((cycle + self.latency, self.response if fault else 0))
            self.outstanding = len(asked) + len(answers)
            self.most = max(self.most, self.outstanding)
            await ctx.tick()
            cycle += 1


async def put(ctx, stream, beats, rng=None, rate=1.0):
    """Offer beats (dictionaries of fields) on a stream, with stalls."""
    for beat in beats:
        while rng is not None and rng.random() >= rate:
            await ctx.tick()
        ctx.set(stream.payload, beat)
        ctx.set(stream.valid, 1)
        while True:
            _, _, ready = await ctx.tick().sample(stream.ready)
            if ready:
                break
        ctx.set(stream.valid, 0)


async def take(ctx, stream, count, rng=None, rate=1.0):
    """Take beats from a stream, with stalls; an offered one must stay."""
    beats, held, idle = [], None, 0
    while len(beats) < count:
        ready = rng is None or rng.random() < rate
        ctx.set(stream.ready, ready)
        _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
        assert held is None or (valid and payload == held), "an offered beat changed"
        held = payload if valid and not ready else None
        idle = 0 if valid else idle + 1
        assert idle < 2000, f"hang after {len(beats)} of {count} beats"
        if valid and ready:
            beats.append(payload)
    ctx.set(stream.ready, 0)
    return beats

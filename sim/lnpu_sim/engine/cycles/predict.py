"""The engine's counters without the engine."""

from lnpu.engine.config import EngineConfig, EngineError
from lnpu_sim.engine.cycles.banks import block_lists
from lnpu_sim.engine.cycles.collector import Collector
from lnpu_sim.engine.cycles.counters import FILL, STARVED, TAIL, Counters
from lnpu_sim.engine.cycles.dealer import Dealer
from lnpu_sim.engine.cycles.feed import Feed
from lnpu_sim.engine.cycles.fill import FillSide
from lnpu_sim.engine.cycles.line import EMPTY, Line
from lnpu_sim.engine.cycles.loader import Loader
from lnpu_sim.engine.cycles.turns import Turns
from lnpu_sim.engine.program import EngineProgram, Ints

__all__ = ["predict"]


def _records(stream: dict[str, Ints]) -> list[dict[str, int]]:
    """A stream's beats as dictionaries."""
    names = list(stream)
    columns = (stream[name].tolist() for name in names)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def predict(program: EngineProgram, config: EngineConfig, idle_limit: int = 200_000) -> dict[str, int]:
    """The counters that the engine has after a program, when no stream from outside ever waits.

    Args:
        idle_limit: cycles without an issue or the end of a drain after which the program counts as hung.

    Returns:
        As `Played.counts`: line cycles by cause, `cycles`, `lead` and `total`.

    Raises:
        EngineError: nothing moves any more.
    """
    wg = program.constants["wg"]
    feeds = [Feed(config, wg) for _ in range(config.lines)]
    lines = [Line(config, wg, feed) for feed in feeds]
    dealer = Dealer(config, program.constants, _records(program.walks), block_lists(program, config))
    loader = Loader(config, _records(program.loads))
    collector = Collector(config, _records(program.drains), dealer.table)
    fill = FillSide(program, config)
    readers, counters = Turns(config.lines), Counters()
    causes = [TAIL] * config.lines
    now = moved = 0
    while collector.left:
        free, filled = dealer.free, fill.filled
        loaded, drained = loader.claims.done, collector.claims.done
        collector.take(lines, now)
        dealer.step(feeds, filled, drained[0])
        loader.step(lines, now)
        granted = readers.grant([feed.wants for feed in feeds])
        requests, took = collector.requests, collector.took
        for n, (line, feed) in enumerate(zip(lines, feeds, strict=True)):
            cause, taken = line.step(now, requests[n], took[n], loaded[n], drained[n])
            if cause == EMPTY:
                if feed.idle:
                    cause = FILL if dealer.filling else STARVED if dealer.looking else TAIL
                else:
                    cause = STARVED
            elif cause < 2:
                moved = now
            causes[n] = cause
            feed.step(granted == n, taken)
        for feed, block in zip(feeds, dealer.given, strict=True):
            if block is not None:
                feed.give(block)
        collector.step(lines)
        fill.step(dealer.claim, free)
        counters.step(now, causes)
        now += 1
        if now - max(moved, collector.ended) > idle_limit:
            raise EngineError(
                f"hang in cycle {now}: {collector.left} of {len(program.drains['last'])} drains left"
            )
    return counters.counts(collector.ended)

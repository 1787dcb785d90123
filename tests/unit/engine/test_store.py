# amaranth: UnusedElaboratable=no
"""The X buffer's compiled Verilog against its model: blocks, malformed rows, full regions, ports, rates."""

import numpy as np
import pytest

from lnpu.codec.config import Cause, FgmpFormat
from lnpu.engine.config import EngineConfig
from lnpu_sim.codec.tensor import encode
from lnpu_sim.engine.store import row_fills, store_bank
from lnpu_sim.rtl import STALL_PATTERNS, Source
from support.codec import FORMATS, Rows, array, code_rows, encode_array, mutate, overlap_rows
from support.engine_store import Bank, clear, compiled_store, composed_row, inputs, make_bank, play_store

CONFIGS = {
    "edge": EngineConfig(),
    "one": EngineConfig(lines=1, decoders=1, units=2, words=4096),
    "four": EngineConfig(lines=3, decoders=4, units=6, words=512, blocks=300),
}
EDGE = CONFIGS["edge"]
SIZES = (1, 2, 3, 5, 8, 10, 16, 31, 32, 40, 63, 64)


@pytest.fixture(scope="module", params=CONFIGS)
def store(request):
    config = CONFIGS[request.param]
    return compiled_store(config), config


def random_bank(config, rng, *, size=None, fmt=None, malformed=0.0, rows=None, wide=0.1):
    """A bank of random rows; a share of them is malformed, some are read with a shorter block length."""
    fmt = fmt or FORMATS[int(rng.integers(len(FORMATS)))]
    size = size or int(rng.choice(SIZES))
    width = int(rng.integers(1, 6))
    rows = rows or int(rng.integers(1, min(9, config.blocks // width)))
    zeros = rng.choice([0, 0.5, 0.95])
    good = encode_array(
        array((rows, width, size), fmt, zeros=zeros, wide=wide, seed=int(rng.integers(999))), fmt
    )
    words = [row if rng.random() >= malformed else mutate(row, rng) for row in good.rows]
    if malformed and rng.random() < 0.5:
        words = [composed_row(rng, fmt, width, size, good.count_bits) for _ in range(rows)]
    length = int(rng.integers(1, size + 1)) if malformed and rng.random() < 0.2 else None
    order = rng.permutation(rows)
    return make_bank(
        config, Rows(fmt, width, size, good.count_bits, words), int(rng.integers(2)), length, order
    )


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_equals_model(store, pattern):
    """All formats, every block size, rows in any place, both banks and the same one again."""
    unit, config = store
    rng = np.random.default_rng(3)
    banks = [random_bank(config, rng, size=size) for size in range(1, 65)]
    banks += [
        random_bank(config, rng, size=64, fmt=fmt, wide=wide) for fmt in FORMATS for wide in (0.0, 0.4, 1.0)
    ]
    play_store(unit, config, banks, pattern, 5)


@pytest.mark.parametrize("fmt", [FgmpFormat(0, 1, 4), FgmpFormat(0, 2, 6), FgmpFormat(0, 4, 6)], ids=str)
def test_every_code_and_overlap(fmt):
    """Reserved codes and their neighbours, an element in both groups at each place."""
    unit = compiled_store(EDGE)
    for rows in (code_rows(fmt), overlap_rows(fmt)):
        for n, row in enumerate(rows.rows):
            one = Rows(fmt, rows.blocks, rows.length, rows.count_bits, [row])
            play_store(unit, EDGE, [make_bank(EDGE, one, n % 2)])


def fuzz(config, banks, seed, pattern):
    rng = np.random.default_rng(seed)
    unit = compiled_store(config)
    parts = [random_bank(config, rng, malformed=0.5 if n % 5 == 0 else 1.0, rows=50) for n in range(banks)]
    play_store(unit, config, parts, pattern, seed, fetches=0)


@pytest.mark.parametrize("seed", range(4))
def test_malformed_rows(seed):
    """What is left of rows with any defect, and of the ones around them."""
    fuzz(EDGE, 125, seed, list(STALL_PATTERNS)[seed % len(STALL_PATTERNS)])


def test_causes():
    """The causes of each malformed row, alone; all of them occur."""
    rng = np.random.default_rng(17)
    unit, counts = compiled_store(EDGE), dict.fromkeys((c for c in Cause if c), 0)
    for _ in range(2000):
        bank = random_bank(EDGE, rng, malformed=1.0, rows=1)
        play_store(unit, EDGE, [bank], fetches=None)
        for cause in counts:
            counts[cause] += bool(bank.want.errors & cause)
    assert min(counts.values()) >= 50, counts


@pytest.mark.full
@pytest.mark.parametrize("name", CONFIGS)
def test_many_malformed_rows(name):
    for seed in range(10):
        fuzz(CONFIGS[name], 80, 1000 + seed, list(STALL_PATTERNS)[seed % len(STALL_PATTERNS)])


def test_a_full_region(store):
    """Blocks until a region is full to the last word, one more, and empty or short blocks behind it."""
    unit, config = store
    region = config.words // config.decoders
    fmt = FgmpFormat()
    block = np.zeros((1, 1, 64), np.float32)
    block[0, 0, : config.units] = 1.0
    for more in range(3):
        width = config.blocks // config.decoders
        count = min(64 // config.units, -(-region // (width - 8)))
        full = np.zeros((config.decoders, width, 64), np.float32)
        full[:, :, : count * config.units] = 1.0
        blocks, rest = divmod(region, count)
        full[:, blocks + (rest > 0) :] = 0
        if rest:
            full[:, blocks, rest * config.units :] = 0
        full[0, blocks + (rest > 0) + 1, : (0, 1, 64)[more]] = 1.0
        full[0, blocks + (rest > 0) + 3, 3:5] = 1.0 if more else 0.0
        bank = make_bank(config, encode_array(full, fmt), 1)
        assert bank.want.full == (more > 0)
        # What is lost in one bank says nothing about the next one.
        after = random_bank(config, np.random.default_rng(more), size=16)
        play_store(unit, config, [bank, after, bank], seed=more)


def test_malformed_blocks_do_not_fill_a_region():
    """A bad block that is longer than what is left of the region is no overflow."""
    config, fmt, width = CONFIGS["four"], FgmpFormat(), 5
    rows = encode_array(np.full((8, width, 64), 1000.0, np.float32), fmt)
    used = width * -(-128 // config.units)
    assert used < config.words // config.decoders < used * (width + 1) // width
    words = [row.copy() for row in rows.rows]
    for row in words[4:]:
        row[10] = 0  # entries that name no element
    bank = make_bank(config, Rows(fmt, width, 64, rows.count_bits, words), 0)
    assert bank.want.errors == Cause.VALUE
    assert not bank.want.full
    play_store(compiled_store(config), config, [bank, bank])


def test_clear_in_the_middle(store):
    """Rows, blocks and words are cut off anywhere; what comes behind `clear` is as after reset."""
    unit, config = store
    rng = np.random.default_rng(8)
    source, _ = STALL_PATTERNS["none"]
    for stop in range(1, 25):
        bank = random_bank(config, rng, size=64, malformed=0.3, rows=2, wide=0.3)
        fills, words = inputs([bank])
        cut = min(stop, len(bank.rows[0]) + 3, len(words["words_data"]) - 1)
        rows = 1 if cut < len(bank.rows[0]) else 2
        clear(unit)
        unit.run_streams(
            [
                Source({k: v[:rows] for k, v in fills.items()}, "fills_valid", "fills_ready", source),
                Source({k: v[:cut] for k, v in words.items()}, "words_valid", "words_ready", source),
            ],
            [],
            settle=int(rng.integers(0, 40)),
        )
        play_store(unit, config, [random_bank(config, rng) for _ in range(3)], seed=stop)


def test_lines_take_turns():
    """With requests of all lines, each of four cycles belongs to another line, and none is lost."""
    unit = compiled_store(EDGE)
    rng = np.random.default_rng(1)
    bank = random_bank(EDGE, rng, size=64, rows=8)
    result = play_store(unit, EDGE, [bank], fetches=300)
    lines = np.log2(result["got_line"].astype(float)).astype(int)
    busy = lines[: 4 * 300]
    assert (busy[1:] == (busy[:-1] + 1) % 4).all()


def filling_cycles(config, rows, banks=4):
    """Cycles to fill banks that are freed at once."""
    parts = [make_bank(config, rows, n % 2) for n in range(banks)]
    return play_store(compiled_store(config), config, parts, fetches=None).cycles


@pytest.mark.parametrize("wide", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("zeros", [0.0, 0.5, 1.0])
def test_an_entry_a_cycle(zeros, wide):
    """One decoder: an entry a cycle, a header a cycle, at most two for a row's end."""
    fmt, rows, blocks = FgmpFormat(-3, 2, 6), 7, 8
    x = array((rows, blocks, 64), fmt, zeros=zeros, wide=wide)
    counts = encode(x, fmt).descriptor.statistics
    work = counts.entries8 + counts.entries16 + rows * blocks
    cycles = filling_cycles(CONFIGS["one"], encode_array(x, fmt))
    assert 4 * (work + rows) <= cycles <= 4 * (work + 2 * rows) + 16


@pytest.mark.parametrize("name", ["edge", "four"])
def test_decoders_work_together(name):
    """Rows of nearly equal work: each decoder has its share of the cycles."""
    config, fmt = CONFIGS[name], FgmpFormat(-3, 2, 6)
    rows = encode_array(array((24, 8, 64), fmt, zeros=0.3, wide=0.05), fmt)
    alone = filling_cycles(CONFIGS["one"], rows)
    assert filling_cycles(config, rows) < alone / config.decoders * 1.12


def test_rows_of_a_tensor():
    """Planes of a tensor, the last one short, as the planner asks for them."""
    fmt = FgmpFormat()
    tensor = encode(array((2, 3, 4, 100), fmt, zeros=0.4, wide=0.1), fmt)
    banks = []
    for bank, rows in enumerate(([0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11])):
        fills, words = row_fills(tensor, rows, bank % 2)
        banks.append(Bank(fills, words, store_bank(fills, words, EDGE)))
    assert {int(b.fills["row_length"][0]) for b in banks} == {64, 36}
    play_store(compiled_store(EDGE), EDGE, banks)

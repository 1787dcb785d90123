# amaranth: UnusedElaboratable=no
"""The Loader's compiled Verilog against its model: layouts, banks, stalls, rate."""

import numpy as np
import pytest

from lnpu.buffer.scheme import Scheme
from lnpu.engine.config import EngineConfig
from lnpu_sim.engine.loading import load
from lnpu_sim.rtl import STALL_PATTERNS
from support.engine_loads import check_loads, compiled_loader, random_loads, with_vectors

SMALL = {"tile_entries": 40, "row_entries": 12}
GEOMETRIES = {
    "edge": EngineConfig(),
    "one-pe": EngineConfig(lines=1, pes=1, group=1, vector=4, **SMALL),
    "vector-5": EngineConfig(lines=2, pes=4, group=2, vector=5, **SMALL),
    "registers": EngineConfig(lines=3, pes=5, group=2, vector=4, transposer=Scheme.REGISTERS, **SMALL),
    "wide": EngineConfig(lines=8, pes=16, group=5, vector=16, **SMALL),
}
WIDEST = {
    "vector-32": EngineConfig(lines=2, pes=8, group=1, vector=32, **SMALL),
    "pes-5-vector-8": EngineConfig(lines=3, pes=5, group=3, vector=8, **SMALL),
    "pes-16-vector-32": EngineConfig(lines=8, pes=16, group=4, vector=32, **SMALL),
    "pes-16-vector-5": EngineConfig(lines=4, pes=16, group=16, vector=5, **SMALL),
    "registers-16": EngineConfig(lines=1, pes=4, group=1, vector=16, transposer=Scheme.REGISTERS, **SMALL),
}


@pytest.fixture(scope="module", params=GEOMETRIES)
def loader(request):
    config = GEOMETRIES[request.param]
    return compiled_loader(config), config


@pytest.mark.parametrize("pattern", STALL_PATTERNS)
def test_equals_model(loader, pattern):
    """Straight, transposed and Row commands in any order, split banks, partial runs and chunks."""
    unit, config = loader
    for seed in range(4):
        unit.reset()
        loads, vectors = random_loads(config, 20, np.random.default_rng(seed))
        check_loads(unit, config, loads, vectors, pattern, seed)


@pytest.mark.full
@pytest.mark.parametrize("name", WIDEST)
def test_more_geometries(name):
    config = WIDEST[name]
    unit = compiled_loader(config)
    for pattern in STALL_PATTERNS:
        for seed in range(20):
            unit.reset()
            loads, vectors = random_loads(config, 30, np.random.default_rng(seed))
            check_loads(unit, config, loads, vectors, pattern, seed)


@pytest.mark.parametrize("kind", ["straight", "transposed", "row"])
def test_one_vector_a_cycle(loader, kind):
    """Every vector has its cycle; a command costs none (straight, Row) or one (transposed)."""
    unit, config = loader
    row, transposed = kind == "row", kind == "transposed"
    count = 12 if row else 40 // config.vector * config.vector
    records = [
        {
            "lines": (1 << config.lines) - 1,
            "row": int(row),
            "bank": n % 2,
            "first": n % 2 * (config.row_entries * config.groups if row else config.tile_entries),
            "entries": count - 1,
            "chunks": config.chunks - 1,
            "transposed": int(transposed),
            "tail": config.vector - 1,
            "last": 1,
        }
        for n in range(8)
    ]
    loads, vectors = with_vectors(config, records, np.random.default_rng(1))
    unit.reset()
    result = check_loads(unit, config, loads, vectors)
    work = 8 * count * max(config.chunks, config.operand_words) if row else len(vectors)
    # Once: the first tile is written before it is read, and the last one read after it is written.
    once = 8 + (config.vector if transposed else 0) + (config.operand_words if row else 0)
    assert result.cycles <= work + (8 if transposed else 0) + once


def test_model_places_transposed_weights():
    """The model against the definition: Tile[entry][lane] = W[lane][entry]."""
    config = EngineConfig(lines=2, pes=5, group=2, vector=4, **SMALL)
    rng = np.random.default_rng(2)
    lanes, entries = 10, 11
    weights = rng.integers(1, 2**16, (lanes, entries))
    padded = np.zeros((lanes, 12), np.int64)
    padded[:, :entries] = weights
    runs = [padded[:, run : run + 4] for run in range(0, 12, 4)]  # lanes after lanes: chunks 4, 4, 2
    record = {
        "lines": 3,
        "row": 0,
        "bank": 1,
        "first": config.tile_entries,
        "entries": entries - 1,
        "chunks": 2,
        "transposed": 1,
        "tail": 1,
        "last": 1,
    }
    loads = {name: np.array([value]) for name, value in record.items()}
    got = load(config, loads, np.concatenate(runs))
    file = np.zeros((entries, 12), np.int64)
    for entry, chunk, elements in zip(got.tile["entry"], got.tile["chunk"], got.tile_elements, strict=True):
        file[entry - config.tile_entries, 4 * chunk : 4 * chunk + 4] = elements
    np.testing.assert_array_equal(file[:, :lanes], weights.T)
    assert not file[:, lanes:].any()
    with pytest.raises(ValueError, match="`vectors` must be 30, not 31"):
        load(config, loads, np.zeros((31, 4), np.int64))
    with pytest.raises(ValueError, match="`vectors` must be at least 30, not 29"):
        load(config, loads, np.zeros((29, 4), np.int64))

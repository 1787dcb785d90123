"""The codec's exported Verilog, compiled, played against the golden model: beats, sticky causes, cycles."""

import dataclasses

import numpy as np

from lnpu.codec.config import CodecConfig
from lnpu.export.codec import codec_verilog
from lnpu_sim.codec.tensor import encode, geometry_of
from lnpu_sim.rtl import STALL_PATTERNS, Sink, Source, build
from support import codec as s

SETTLE = 200
"""Cycles after the last beat in which late errors would show."""


def compiled(name, config=None, *, coverage=False):
    """One instance of a block."""
    top = "lnpu_" + name.replace("-", "_")
    return build([codec_verilog(name, config or CodecConfig())], top, coverage=coverage)


def _decode(unit, batches, beats, bias, pattern, seed):
    source, sink = STALL_PATTERNS[pattern]
    decoded = [s.decode_batch(rows, length) for rows, length in batches]
    commands = s.joined([s.row_commands(rows, length, bias=bias) for rows, length in batches])
    words = s.joined([s.word_beats(rows) for rows, _ in batches])
    want = s.joined(
        [beats(d, rows, length or rows.length) for d, (rows, length) in zip(decoded, batches, strict=True)]
    )
    unit["clear"] = 1
    unit.step()
    unit["clear"] = 0
    result = unit.run_streams(
        [
            Source(commands, "command_valid", "command_ready", source),
            Source(words, "i_valid", "i_ready", source),
        ],
        [Sink([f"o_{name}" for name in want], "o_valid", "o_ready", sink, len(want["last"]))],
        seed=seed,
    )
    s.same_beats(result, want, f"pattern {pattern}, seed {seed}")
    unit.step(SETTLE)
    causes = int(np.bitwise_or.reduce(np.concatenate([d.causes for d in decoded])))
    assert unit["errors"] == causes, f"errors {unit['errors']:#x}, not {causes:#x} (seed {seed})"
    assert unit["o_valid"] == 0
    return result


def check_sparse(unit, batches, pattern="none", seed=1):
    """Play (rows, length or None) batches through the sparse decoder."""
    return _decode(unit, batches, lambda d, rows, _: s.sparse_beats(d, rows.fmt), False, pattern, seed)


def check_dense(unit, batches, pattern="none", seed=1, lanes=4):
    """Play (rows, length or None) batches through the dense decoder."""
    return _decode(unit, batches, lambda d, _, length: s.dense_beats(d, length, lanes), True, pattern, seed)


def check_encoder(unit, x, fmt, pattern="none", seed=1, lanes=4):
    """Encode an array; words, pointers and descriptor must be the model's bytes."""
    source, sink = STALL_PATTERNS[pattern]
    tensor = encode(x, fmt, check=False)
    pointers, data = (int(a) for a in np.random.default_rng(seed).integers(2**29, size=2) * 8)
    placed = dataclasses.replace(tensor.descriptor, pointer_address=pointers, data_address=data)
    words, meta = s.encoded_beats(dataclasses.replace(tensor, descriptor=placed))
    shape = geometry_of(x.shape)
    command = s.encoder_command_beats(shape, fmt, pointer_address=pointers, data_address=data)
    result = unit.run_streams(
        [
            Source(s.element_beats(x, lanes), "i_valid", "i_ready", source),
            Source(command, "command_valid", "command_ready", source),
        ],
        [
            Sink(["o_data", "o_last"], "o_valid", "o_ready", sink, len(words["data"])),
            Sink([f"meta_{n}" for n in meta], "meta_valid", "meta_ready", sink, len(meta["data"])),
        ],
        seed=seed,
    )
    context = f"shape {x.shape}, {fmt}, pattern {pattern}, seed {seed}"
    s.same_beats(result, words, context)
    s.same_beats(result, meta, f"meta, {context}", "meta")
    return result


def mutated_batches(rng, count, blocks=4, sizes=(1, 3, 10, 16, 64)):
    """Batches of 50 malformed rows each, of random shape and format; some with a shorter block length."""
    batches = []
    for _ in range(count):
        fmt = s.FORMATS[int(rng.integers(len(s.FORMATS)))]
        size = int(rng.choice(sizes))
        x = s.array(
            (50, blocks, size), fmt, zeros=rng.choice([0, 0.5, 0.95]), wide=0.1, seed=int(rng.integers(99))
        )
        rows = s.encode_array(x, fmt)
        bad = s.Rows(rows.fmt, blocks, size, rows.count_bits, [s.mutate(row, rng) for row in rows.rows])
        batches.append((bad, int(rng.integers(1, size + 1)) if rng.random() < 0.2 else None))
    return batches

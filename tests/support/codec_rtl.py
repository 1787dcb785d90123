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


@dataclasses.dataclass(frozen=True)
class Play:
    """Beats for a block and what it must answer, computed once, playable on many instances.

    Args:
        sources, sinks: name -> ports of a stream. want: name -> beats of each sink, as `prefix_field` ports.
        pattern: stall pattern. seed: of stalls. causes: sticky errors afterwards, None for the encoder.
    """

    sources: dict
    want: dict
    pattern: str
    seed: int
    context: str
    causes: int | None = None

    def run(self, unit):
        """Play it; the driver's result.

        Raises:
            AssertionError, StreamError: something is wrong.
        """
        source, sink = STALL_PATTERNS[self.pattern]
        if self.causes is not None:
            unit["clear"] = 1
            unit.step()
            unit["clear"] = 0
        sources = [Source(d, f"{n}_valid", f"{n}_ready", source) for n, d in self.sources.items()]
        sinks = [
            Sink([f"{n}_{field}" for field in d], f"{n}_valid", f"{n}_ready", sink, len(d["last"]))
            for n, d in self.want.items()
        ]
        result = unit.run_streams(sources, sinks, seed=self.seed)
        for name, beats in self.want.items():
            s.same_beats(result, beats, f"{name}, {self.context}, {self.pattern}, seed {self.seed}", name)
        if self.causes is not None:
            unit.step(SETTLE)
            assert unit["errors"] == self.causes, f"errors {unit['errors']:#x}, not {self.causes:#x}"
            assert unit["o_valid"] == 0
        return result


def _decode(batches, beats, bias, pattern, seed):
    decoded = [s.decode_batch(rows, length) for rows, length in batches]
    commands = s.joined([s.row_commands(rows, length, bias=bias) for rows, length in batches])
    words = s.joined([s.word_beats(rows) for rows, _ in batches])
    want = s.joined(
        [beats(d, rows, length or rows.length) for d, (rows, length) in zip(decoded, batches, strict=True)]
    )
    causes = int(np.bitwise_or.reduce(np.concatenate([d.causes for d in decoded])))
    return Play({"command": commands, "i": words}, {"o": want}, pattern, seed, "rows", causes)


def sparse_play(batches, pattern="none", seed=1):
    """(rows, length or None) batches for the sparse decoder."""
    return _decode(batches, lambda d, rows, _: s.sparse_beats(d, rows.fmt), False, pattern, seed)


def dense_play(batches, pattern="none", seed=1, lanes=4):
    """(rows, length or None) batches for the dense decoder."""
    return _decode(batches, lambda d, _, length: s.dense_beats(d, length, lanes), True, pattern, seed)


def encoder_play(x, fmt, pattern="none", seed=1, lanes=4):
    """An array for the encoder; words, pointers and descriptor must be the model's bytes."""
    tensor = encode(x, fmt, check=False)
    pointers, data = (int(a) for a in np.random.default_rng(seed).integers(2**29, size=2) * 8)
    placed = dataclasses.replace(tensor.descriptor, pointer_address=pointers, data_address=data)
    words, meta = s.encoded_beats(dataclasses.replace(tensor, descriptor=placed))
    command = s.encoder_command_beats(geometry_of(x.shape), fmt, pointer_address=pointers, data_address=data)
    sources = {"i": s.element_beats(x, lanes), "command": command}
    return Play(sources, {"o": words, "meta": meta}, pattern, seed, f"shape {x.shape}, {fmt}")


def check_sparse(unit, *args, **options):
    """`sparse_play`, run."""
    return sparse_play(*args, **options).run(unit)


def check_dense(unit, *args, **options):
    """`dense_play`, run."""
    return dense_play(*args, **options).run(unit)


def check_encoder(unit, *args, **options):
    """`encoder_play`, run."""
    return encoder_play(*args, **options).run(unit)


def mutated_batches(rng, count, blocks=4, sizes=(1, 3, 5, 10, 16, 40, 64)):
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

"""DECODE: a compressed tensor to fp16 elements."""

from collections.abc import Mapping

import numpy as np

from lnpu.bus.limits import MAX_WORDS
from lnpu.codec.config import FgmpFormat, Geometry
from lnpu_sim.codec.rows import decode_rows, lengths
from lnpu_sim.codec.tensor import to_nhwc
from lnpu_sim.vector.memory import Flags, read, write_runs

__all__ = ["decode"]


def decode(memory: bytearray, fields: Mapping[str, int]) -> Flags:
    """fp16 [N, H, W, C] at `target`; malformed blocks, and rows whose pointers name no row, are zeros.

    Raises:
        MemoryRangeError: an address is outside of the memory.
    """
    g = Geometry(*(fields[name] for name in "nhwc"))
    fmt = FgmpFormat(fields["bias"], fields["k8"], fields["k16"])
    table = read(memory, fields["pointers"], 8 * ((g.rows + 2) // 2)).view("<u4")[: g.rows + 1]
    pointers = table.astype(np.int64)
    sizes = np.diff(pointers) & 0xFFFF_FFFF
    # A row that cannot be one is read as a word of zeros: empty blocks, and TRUNCATED for more than that.
    named = (sizes > 0) & (sizes <= MAX_WORDS)
    parts = [
        read(memory, fields["source"] + 8 * int(pointers[row]), 8 * int(sizes[row])).view("<u8")
        if named[row]
        else np.zeros(1, np.uint64)
        for row in range(g.rows)
    ]
    places = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    words = np.concatenate(parts).astype(np.uint64)
    rows = decode_rows(words, places, lengths(g), g.w, g.block, g.count_bits, fmt)
    codes = to_nhwc(np.where(named[:, None, None], rows.codes, 0).astype(np.uint16), g)
    content = np.ascontiguousarray(codes.reshape(-1, g.c)).view(np.uint8)
    pitch = 2 * -(-g.c // 4) * 4
    write_runs(memory, fields["target"], (0, pitch), (1, len(content)), content)
    return Flags(bad=bool(rows.causes.any() or not named.all()))

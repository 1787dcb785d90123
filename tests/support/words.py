"""Lanes of wide ports as 64-bit words and back."""

import numpy as np


def packed(lanes, bits):
    """[beats, lanes] as the words of a wide port, lane 0 low."""
    per = 64 // bits
    n, count = lanes.shape
    padded = np.zeros((n, -(-count // per) * per), np.uint64)
    padded[:, :count] = lanes & ((1 << bits) - 1)
    shifts = np.uint64(bits) * np.arange(per, dtype=np.uint64)
    words = (padded.reshape(n, -1, per) << shifts).sum(axis=2, dtype=np.uint64)
    return words[:, 0] if words.shape[1] == 1 else words


def unpacked(words, lanes, bits):
    """The signed lanes of a wide port's words."""
    words = words.reshape(len(words), -1)
    shifts = np.uint64(bits) * np.arange(64 // bits, dtype=np.uint64)
    fields = (words[:, :, None] >> shifts).reshape(len(words), -1)[:, :lanes]
    return fields.astype(np.int64) << (64 - bits) >> (64 - bits)

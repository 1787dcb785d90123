"""A reader of .fgmp files written from `docs/formats.md` alone: standard library only, shares no code.

Returns floats; used as an independent judge of the encoder.
"""

import struct
import zlib


def read(data):
    """(shape, dtype name, list of floats in array order) of a file's bytes."""
    assert data[:8] == bytes.fromhex("4c4e5055 46474d50")
    version, rank, dtype, crc = struct.unpack_from("<HBBI", data, 8)
    assert version == 1
    assert crc == zlib.crc32(data[16:])
    shape = struct.unpack_from("<4I", data, 16)[:rank]
    (at,) = struct.unpack_from("<I", data, 32)
    assert data[at : at + 8] == b"FGMP\x01\x01\x00\x00"
    n, h, w, c = struct.unpack_from("<4H", data, at + 8)
    bias, k8, k16 = struct.unpack_from("<bBB", data, at + 16)
    pointer_address, data_address, _, rows = struct.unpack_from("<4I", data, at + 24)
    pointers = struct.unpack_from(f"<{rows + 1}I", data, pointer_address)

    block = c if c < 64 else 64
    planes = (c + 63) // 64
    header = len(f"{block:b}")
    out = [0.0] * (n * h * w * c)
    for image in range(n):
        for plane in range(planes):
            for y in range(h):
                row = (image * planes + plane) * h + y
                first = data_address + 8 * pointers[row]
                last = data_address + 8 * pointers[row + 1]
                take = _Bits(data[first:last])
                for x in range(w):
                    counts = take(header), take(header)
                    base = ((image * h + y) * w + x) * c + 64 * plane
                    for count, k, eight in ((counts[0], k8, True), (counts[1], k16, False)):
                        position = 0
                        for _ in range(count):
                            run = take(k)
                            code = take(8 if eight else 16)
                            if code == 0:
                                assert run == 2**k - 1
                                position += 2**k
                                continue
                            position += run
                            assert out[base + position] == 0.0
                            out[base + position] = _fp8(code) * 2.0**bias if eight else _fp16(code)
                            position += 1
                assert take.rest_is_padding()
    return shape, {1: "float16", 2: "float32"}[dtype], out


class _Bits:
    """The bits of a row, first one first."""

    def __init__(self, data):
        self.bits = "".join(f"{byte:08b}"[::-1] for byte in data)
        self.at = 0

    def __call__(self, width):
        field = self.bits[self.at : self.at + width]
        assert len(field) == width
        self.at += width
        return int(field[::-1], 2)

    def rest_is_padding(self):
        return "1" not in self.bits[self.at :] and len(self.bits) - self.at < 64


def _fp8(code):
    return (-1) ** (code >> 7) * (1 + code % 8 / 8) * 2.0 ** (code // 8 % 16 - 7)


def _fp16(code):
    return (-1) ** (code >> 15) * (1 + code % 1024 / 1024) * 2.0 ** (code // 1024 % 32 - 15)

"""Signatures of AXI4 and AXI4-Lite ports (AMBA AXI, ARM IHI 0022), seen from the manager.

A component with a member `m_axi` of such a signature exports as `m_axi_awaddr` and so on. All
transactions of a port have ID 0, so that responses come in the order of requests.
"""

import enum

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lnpu.bus.limits import MAX_WORDS

__all__ = [
    "ADDRESS_BITS",
    "DATA_BITS",
    "PAGE_BYTES",
    "WORD_BYTES",
    "Axi4",
    "Axi4Read",
    "Axi4Write",
    "AxiLite",
    "Response",
    "check_burst",
    "command_layout",
]

ADDRESS_BITS = 32
"""Bits of a byte address on AXI4 ports."""
DATA_BITS = 64
"""Bits of a word on AXI4 ports."""
WORD_BYTES = DATA_BITS // 8
ID_BITS = 1
"""Bits of IDs, which are 0: agents and interconnects want the ports."""
PAGE_BYTES = 4096
"""No burst crosses a multiple of this (section A3.4.1)."""


class Response(enum.IntEnum):
    """RRESP and BRESP (section A3.4.4); bit 1 says error."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


def command_layout() -> data.StructLayout:
    """What a DMA shall move.

    Fields: `address`: of the first byte, multiple of 8 (the low three bits are ignored). `words`: of 64 bits,
    1 to 2^20; a command of 0 words is taken and does nothing: no word, no `last`, not counted as done.
    """
    return data.StructLayout({"address": ADDRESS_BITS, "words": MAX_WORDS.bit_length()})


def check_burst(burst: int) -> None:
    """Raise ValueError unless `burst` is a power of two from 2 to 256.

    Bursts end at multiples of their size, which divides 4 KiB, so that none crosses such a boundary.
    """
    if burst not in (2, 4, 8, 16, 32, 64, 128, 256):
        raise ValueError(f"`burst` must be a power of two from 2 to 256 beats, not {burst}")


def _request(prefix: str) -> dict[str, wiring.Member]:
    return {
        f"{prefix}id": Out(ID_BITS),
        f"{prefix}addr": Out(ADDRESS_BITS),
        f"{prefix}len": Out(8),
        f"{prefix}size": Out(3),
        f"{prefix}burst": Out(2),
        f"{prefix}cache": Out(4),
        f"{prefix}prot": Out(3),
        f"{prefix}valid": Out(1),
        f"{prefix}ready": In(1),
    }


def _read() -> dict[str, wiring.Member]:
    return {
        **_request("ar"),
        "rid": In(ID_BITS),
        "rdata": In(DATA_BITS),
        "rresp": In(2),
        "rlast": In(1),
        "rvalid": In(1),
        "rready": Out(1),
    }


def _write() -> dict[str, wiring.Member]:
    return {
        **_request("aw"),
        "wdata": Out(DATA_BITS),
        "wstrb": Out(WORD_BYTES),
        "wlast": Out(1),
        "wvalid": Out(1),
        "wready": In(1),
        "bid": In(ID_BITS),
        "bresp": In(2),
        "bvalid": In(1),
        "bready": Out(1),
    }


class Axi4Read(wiring.Signature):
    """AR and R channels, 64-bit data, 32-bit address."""

    def __init__(self):
        super().__init__(_read())


class Axi4Write(wiring.Signature):
    """AW, W and B channels, 64-bit data, 32-bit address."""

    def __init__(self):
        super().__init__(_write())


class Axi4(wiring.Signature):
    """All five channels, 64-bit data, 32-bit address."""

    def __init__(self):
        super().__init__({**_write(), **_read()})


class AxiLite(wiring.Signature):
    """AXI4-Lite, 32-bit data.

    Args:
        address_bits: of a byte address, 3 to 32.
    """

    def __init__(self, address_bits: int):
        if not 3 <= address_bits <= 32:
            raise ValueError(f"`address_bits` must be 3 to 32, not {address_bits}")
        self.address_bits = address_bits
        super().__init__(
            {
                "awaddr": Out(address_bits),
                "awprot": Out(3),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(32),
                "wstrb": Out(4),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
                "araddr": Out(address_bits),
                "arprot": Out(3),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(32),
                "rresp": In(2),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )

"""Golden model of the machine: executes a command list on an image of the memory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.engine.config import EngineConfig
from lnpu.machine.commands import ELEMENTWISE, Cause, Opcode, known, places, refused, words_of
from lnpu_sim.engine.files import lane_order
from lnpu_sim.engine.model import EngineModel
from lnpu_sim.engine.program import EngineProgram, columns
from lnpu_sim.vector.combine import combine
from lnpu_sim.vector.decode import decode
from lnpu_sim.vector.encode import encode, mask
from lnpu_sim.vector.memory import Flags, MemoryRangeError
from lnpu_sim.vector.update import update

__all__ = ["Ended", "MachineModel", "to_fp32"]

Ints = NDArray[np.int64]
Fields = dict[str, int]


# Fields that the engine does not see.
OWN: dict[Opcode, tuple[str, ...]] = {
    Opcode.WALK: (),
    Opcode.FILL: ("address", "words"),
    Opcode.LOAD: ("address", "stride", "rows", "elements", "pad"),
    Opcode.DRAIN: ("address", "stride", "elements"),
}


EXECUTE: dict[Opcode, Callable[[bytearray, Fields], Flags]] = {
    Opcode.ENCODE: encode,
    Opcode.MASK: mask,
    Opcode.DECODE: decode,
    Opcode.COMBINE: combine,
}


@dataclass(frozen=True)
class Ended:
    """How a list ended: cause, index of the command, address that the cause speaks of (0: none)."""

    cause: Cause
    index: int
    address: int = 0


class _StopError(Exception):
    def __init__(self, cause: Cause, address: int = 0) -> None:
        self.cause, self.address = cause, address


def to_fp32(sums: Ints, top: int) -> NDArray[np.uint32]:
    """fp32 codes of `sums * 2^(top - 31)`, rounded to nearest even; below 2^-126 +0, saturating.

    Args:
        sums: magnitudes below 2^52.
    """
    magnitude = np.abs(sums)
    length = np.zeros(sums.shape, np.int64)  # bits of the magnitude
    for bit in range(52):
        length = np.where(magnitude >> bit & 1 == 1, bit + 1, length)
    down = np.maximum(length - 24, 0)
    rounded = magnitude >> down
    rest = magnitude - (rounded << down)
    half = np.int64(1) << down >> 1
    up = (down > 0) & ((rest > half) | ((rest == half) & (rounded & 1 == 1)))
    significand = (rounded << np.maximum(24 - length, 0)) + up
    exponent = length - 1 + top - 31 + 127
    code = np.clip(exponent, 0, 255).astype(np.int64) - 1 << 23
    code = np.minimum(code + significand, 0x7F7FFFFF)
    code = np.where(exponent >= 255, 0x7F7FFFFF, code)
    code = np.where((magnitude == 0) | (exponent <= 0), 0, code | (sums < 0) * (np.int64(1) << 31))
    return np.asarray(code, np.uint32)


class MachineModel:
    """What a machine does with a memory.

    A pass reads everything before it writes anything: a list whose pass reads what it writes itself has no
    defined result.

    Args:
        config: geometry.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.order = lane_order(config)

    def run(self, memory: bytearray, address: int, words: int) -> Ended:
        """Execute the list of `words` words at byte `address`; memory changes in place.

        After the causes NONE, BLOCK, FULL and OVERFLOW every byte is as hardware leaves it; after others,
        only passes that ended before are.

        Raises:
            EngineError: commands of a pass do not fit together; hardware would wait for ever.
        """
        self.memory = memory
        index, at, end = 0, 0, words
        pending: list[tuple[Opcode, Fields]] = []
        self.found, self.saturated = Cause.NONE, False
        try:
            while True:
                opcode, fields = self._parse(address, at, end)
                at += words_of(opcode)
                if opcode in (Opcode.END, Opcode.PASS, *ELEMENTWISE):
                    self._finish(pending)
                    pending = []
                elif not pending:
                    raise _StopError(Cause.OPCODE)
                if opcode is Opcode.END:
                    return Ended(Cause.NONE, index)
                if (cause := refused(opcode, fields, self.config)) is not None:
                    raise _StopError(*cause)
                if opcode in ELEMENTWISE:
                    self._element(opcode, fields)
                else:
                    pending.append((opcode, fields))
                index += 1
        except _StopError as stop:
            return Ended(stop.cause, index, stop.address)

    def _word(self, address: int) -> int:
        return int.from_bytes(self._bytes(address, 8), "little")

    def _bytes(self, address: int, count: int) -> bytearray:
        if address + count > len(self.memory):
            raise _StopError(Cause.READ, max(address, len(self.memory)) & ~7)
        return self.memory[address : address + count]

    def _parse(self, address: int, at: int, end: int) -> tuple[Opcode, Fields]:
        if at >= end:
            raise _StopError(Cause.LIST)
        head = self._word(address + 8 * at)
        if head & 255 not in known(self.config):
            raise _StopError(Cause.OPCODE)
        opcode = Opcode(head & 255)
        count = words_of(opcode)
        if head >> 8 & 255 != count:
            raise _StopError(Cause.SHAPE)
        if at + count > end:
            raise _StopError(Cause.LIST)
        value = int.from_bytes(self._bytes(address + 8 * at, 8 * count), "little")
        fields = {}
        for name, place in places(opcode).items():
            number = value >> place.low & (1 << place.bits) - 1
            fields[name] = number - (place.signed and number >> place.bits - 1 << place.bits)
        return opcode, fields

    def _finish(self, pending: list[tuple[Opcode, Fields]]) -> None:
        """The pass before: results to memory, then its errors."""
        if self.found is not Cause.NONE:
            raise _StopError(self.found)
        if not pending:
            return
        kinds: dict[Opcode, list[Fields]] = {op: [f for o, f in pending if o is op] for op in Opcode}
        data, last = self._rows(kinds[Opcode.FILL])
        vectors = [self._vectors(fields) for fields in kinds[Opcode.LOAD]]
        drains = kinds[Opcode.DRAIN]
        streams = {
            op: columns([{k: v for k, v in fields.items() if k not in own} for fields in kinds[op]])
            for op, own in OWN.items()
        }
        constants = kinds[Opcode.PASS][0]
        result = EngineModel(self.config).run(
            EngineProgram(
                constants=constants,
                walks=streams[Opcode.WALK],
                fills=streams[Opcode.FILL],
                words={"data": data, "last": last},
                loads=streams[Opcode.LOAD],
                vectors=np.concatenate(vectors),
                drains=streams[Opcode.DRAIN],
                places=np.zeros((0, 4), np.int64),
            )
        )
        parts = np.split(result.beats, np.flatnonzero(result.last)[:-1] + 1)
        for fields, beats in zip(drains, parts, strict=True):
            self._write(fields, beats, constants["top"])
        for found, cause in (
            (result.errors, Cause.BLOCK),
            (result.full, Cause.FULL),
            (result.overflow, Cause.OVERFLOW),
        ):
            if found:
                raise _StopError(cause)

    def _element(self, opcode: Opcode, fields: Fields) -> None:
        """An element-wise command; what it found stops the next command that waits."""
        try:
            if opcode is Opcode.UPDATE:
                flags = update(self.memory, fields, self.saturated)
            else:
                flags = EXECUTE[opcode](self.memory, fields)
        except MemoryRangeError as error:
            raise _StopError(Cause.WRITE if error.writing else Cause.READ, error.address) from None
        self.saturated |= flags.saturated
        if flags.bad and self.found is Cause.NONE:
            self.found = Cause.BLOCK
        if flags.invalid:
            self.found = Cause.INVALID

    def _rows(self, fills: list[Fields]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        rows = [np.frombuffer(self._bytes(f["address"], 8 * f["words"]), "<u8") for f in fills]
        ends = np.cumsum([len(row) for row in rows]) - 1
        last = np.zeros(int(ends[-1]) + 1, np.uint64)
        last[ends] = 1
        return np.concatenate(rows).astype(np.uint64), last

    def _vectors(self, fields: Fields) -> Ints:
        """The vectors of a LOAD."""
        size, elements, pad = self.config.vector, fields["elements"], fields["pad"]
        transposed = fields["transposed"]
        width = -(-elements // size) * size if transposed else (fields["chunks"] + 1) * size
        rows = np.zeros((fields["rows"] + pad, width), np.int64)
        for n in range(fields["rows"]):
            raw = self._bytes(fields["address"] + n * fields["stride"], 2 * elements)
            rows[n, : min(width, elements)] = np.frombuffer(raw, "<u2")[:width]
        if not transposed:
            return rows.reshape(-1, size)
        return rows.reshape(len(rows), -1, size).swapaxes(0, 1).reshape(-1, size)

    def _write(self, fields: Fields, beats: Ints, top: int) -> None:
        """The results of a DRAIN."""
        config, elements = self.config, fields["elements"]
        items, groups = fields["count"] + 1, fields["groups"] + 1
        places_ = self.order[: groups * config.row_lanes]
        lanes = np.zeros((items, config.lanes), np.int64)
        lanes[:, places_[places_ >= 0]] = beats.reshape(items, -1)[:, places_ >= 0]
        codes = to_fp32(lanes, top)[:, :elements].astype("<u4")
        for n in range(items):
            start = fields["address"] + n * fields["stride"]
            if start + 4 * elements > len(self.memory):
                raise _StopError(Cause.WRITE, start)
            self.memory[start : start + 4 * elements] = codes[n].tobytes()

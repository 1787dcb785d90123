"""Engine programs to command lists, and back to records."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lnpu.codec.config import BLOCK
from lnpu.engine.config import EngineConfig, EngineError, Pass
from lnpu.machine.commands import Opcode, check_machine, places, words_of
from lnpu_sim.codec.tensor import EncodedTensor
from lnpu_sim.engine.layer import Layer
from lnpu_sim.engine.planner import OperandBanks, Walk, lane_groups, plan, walks_of
from lnpu_sim.engine.program import EngineProgram
from lnpu_sim.engine.tiles import PixelTile, most_pixels, pixel_tiles

__all__ = ["Addresses", "command", "command_list", "padded", "partial_bytes", "pass_commands", "to_memory"]

ONE = 0x3F800000
"""Code of 1.0 in fp32."""

Fields = dict[str, int]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Addresses:
    """Where a pass finds and leaves its tensors: byte addresses, multiples of 8.

    Args:
        sparse: rows of the sparse input. dense: W or d, fp16. result: y, dX or dW, fp32.
        bias: FP with the constant-1 channel: its weights, fp16 [K]. bias_result: WG with it: db, fp32 [K].
        partial: WG with several flushes: room for dW and db of all but the first, `partial_bytes` of each.
    """

    sparse: int
    dense: int
    result: int
    bias: int = 0
    bias_result: int = 0
    partial: int = 0


def padded(channels: int) -> int:
    """Elements from one row of channels to the next in memory: rows begin at whole words."""
    return -(-channels // 4) * 4


def partial_bytes(layer: Layer) -> int:
    """Bytes of the dW and db of one flush."""
    rows = layer.shape.taps * layer.shape.inputs + layer.ones
    return 4 * rows * padded(layer.shape.outputs)


def to_memory(array: NDArray[np.generic]) -> bytes:
    """An array with its last axis padded as memory has it, zeros between."""
    widths = [(0, 0)] * (array.ndim - 1) + [(0, padded(array.shape[-1]) - array.shape[-1])]
    return np.pad(array, widths).tobytes()


def command(opcode: Opcode, fields: Fields) -> list[int]:
    """A command as 64-bit words.

    Raises:
        EngineError: a field is missing, unknown or out of range.
    """
    slots = places(opcode)
    if set(slots) != set(fields):
        raise EngineError(f"{opcode.name} has the fields {', '.join(slots)}, not {', '.join(fields)}")
    count = words_of(opcode)
    value = int(opcode) | count << 8
    for name, place in slots.items():
        number = int(fields[name])
        half = 1 << place.bits - 1
        low, high = (-half, half - 1) if place.signed else (0, 2 * half - 1)
        if not low <= number <= high:
            raise EngineError(f"`{name}` of {opcode.name} must be {low} to {high}, not {number}")
        value |= (number & (1 << place.bits) - 1) << place.low
    return [value >> 64 * n & 0xFFFF_FFFF_FFFF_FFFF for n in range(count)]


def command_list(passes: list[list[list[int]]]) -> NDArray[np.uint64]:
    """The commands of passes one after the other, and END."""
    words = [word for commands in passes for record in commands for word in record]
    return np.array(words + command(Opcode.END, {}), np.uint64)


class _Stream:
    """Beats of a program's stream, taken in order."""

    def __init__(self, values: dict[str, Ints]) -> None:
        self.values, self.at = values, 0

    def take(self) -> Fields:
        """The next beat."""
        beat = {name: int(column[self.at]) for name, column in self.values.items()}
        self.at += 1
        return beat


class _Encoder:
    """Puts the streams of a program into one order in which every command waits for earlier ones only."""

    def __init__(self, layer: Layer, tensor: EncodedTensor, config: EngineConfig, at: Addresses) -> None:
        check_machine(config)
        self.layer, self.tensor, self.config, self.at = layer, tensor, config, at
        self.program: EngineProgram = plan(layer, tensor, config)
        shared = 1 if layer.kind is Pass.WG else max(map(len, lane_groups(layer, config)))
        self.tiles = pixel_tiles(layer, config, most_pixels(layer, config, shared))
        streams = self.program
        self.fills, self.loads, self.drains = map(_Stream, (streams.fills, streams.loads, streams.drains))
        self.filled: tuple[int, int] | None = None
        self.flushes: Counter[int] = Counter()  # drains to an address
        self.records: list[list[int]] = []

    def add(self, opcode: Opcode, fields: Fields) -> None:
        """One more command."""
        self.records.append(command(opcode, fields))

    def run(self) -> list[list[int]]:
        """All commands of the pass."""
        self.add(Opcode.PASS, self.program.constants)
        walks, banks = _Stream(self.program.walks), OperandBanks(self.layer.kind)
        for walk in walks_of(self.layer, self.config, self.tiles):
            if self.filled != (walk.tile, walk.plane):
                self.filled = walk.tile, walk.plane
                self._fill(self.tiles[walk.tile], walk.plane)
            _, load = banks.take(walk)
            if load and self.layer.kind is Pass.WG:
                self._load_rows(walk)
            elif load:
                self._load_tile(walk)
            self.add(Opcode.WALK, walks.take())
            if walk.last:
                if self.layer.kind is Pass.WG:
                    self._drain_tile(walk)
                else:
                    self._drain_rows(walk)
        self._add_up()
        return self.records

    def _fill(self, tile: PixelTile, plane: int) -> None:
        g, pointers = self.tensor.descriptor.geometry, self.tensor.pointers
        last = 0
        while not last:
            fields = self.fills.take()
            last = fields["last"]
            image, y = divmod(tile.first + fields["base"] // g.w, g.h)
            row = (image * g.planes + plane) * g.h + y
            start, end = int(pointers[row]), int(pointers[row + 1])
            place = {"address": self.at.sparse + 8 * start, "words": end - start}
            self.add(Opcode.FILL, {**fields, **place})

    def _lanes(self, block: int) -> int:
        return min(self.config.lanes, self.layer.sides[1] - block * self.config.lanes)

    def _length(self, plane: int) -> int:
        return min(BLOCK, self.layer.sides[0] - plane * BLOCK)

    def _load(
        self, fields: Fields, address: int, stride: int, rows: int, elements: int, pad: int = 0
    ) -> None:
        place = {"address": address, "stride": stride, "rows": rows, "elements": elements, "pad": pad}
        self.add(Opcode.LOAD, {**fields, **place})

    def _load_tile(self, walk: Walk) -> None:
        """W of a rectangle, tap by tap."""
        layer, config, part = self.layer, self.config, walk.rectangle
        block, length, lanes = walk.blocks[0], self._length(walk.plane), self._lanes(walk.blocks[0])
        stride = 2 * padded(layer.shape.outputs)
        backward = layer.kind is Pass.BP
        fields = {} if backward else self.loads.take()
        for n, (ky, kx) in enumerate(part.taps):
            row = (ky * layer.shape.kernel + kx) * layer.shape.inputs
            if backward:
                place = (row + block * config.lanes) * stride + 2 * BLOCK * walk.plane
                pad = config.lanes - lanes
                self._load(self.loads.take(), self.at.dense + place, stride, lanes, length, pad)
                continue
            place = (row + BLOCK * walk.plane) * stride + 2 * block * config.lanes
            tap = {
                "first": fields["first"] + n * length,
                "entries": length - 1,
                "last": int(n == len(part.taps) - 1 and not part.one),
            }
            self._load({**fields, **tap}, self.at.dense + place, stride, length, lanes)
        if part.one and not backward:
            self._load(self.loads.take(), self.at.bias + 2 * block * config.lanes, 0, 1, lanes)

    def _load_rows(self, walk: Walk) -> None:
        """d of a tile."""
        tile, stride = self.tiles[walk.tile], 2 * padded(self.layer.shape.outputs)
        for block in walk.blocks:
            place = tile.start * stride + 2 * block * self.config.lanes
            lanes = self._lanes(block)
            self._load(self.loads.take(), self.at.dense + place, stride, tile.pixels, lanes)

    def _drain(
        self, fields: Fields, address: int, stride: int, elements: int, first: int, start: int
    ) -> None:
        """Results to `address`, those of a later flush to its partial sums: `start` is where its part begins
        there, `first` the address of the tensor's first element."""
        flush = self.flushes[address]
        self.flushes[address] += 1
        if flush:
            if not self.at.partial:
                raise EngineError(
                    f"`partial` must be given: {self.layer.flush} pixels a flush are fewer than the layer has"
                )
            address += self.at.partial + (flush - 1) * partial_bytes(self.layer) + start - first
        self.add(Opcode.DRAIN, {**fields, "address": address, "stride": stride, "elements": elements})

    def _add_up(self) -> None:
        """The sums of all flushes."""
        layer, at = self.layer, self.at
        flushes = max(self.flushes.values(), default=1)
        width, rows = padded(layer.shape.outputs), layer.shape.taps * layer.shape.inputs
        for flush in range(1, flushes):
            place = at.partial + (flush - 1) * partial_bytes(layer)
            self._sum(at.result, place, layer.shape.inputs, layer.shape.taps)
            if layer.ones:
                self._sum(at.bias_result, place + 4 * rows * width, 1, 1)

    def _sum(self, target: int, other: int, columns: int, rows: int) -> None:
        """`target += other`, rows x columns runs of output channels."""
        outputs = self.layer.shape.outputs
        step = 4 * padded(outputs)
        if step == 4 * outputs and columns * outputs < 1 << 16:
            outputs, columns, step = columns * outputs, 1, columns * step
        strides = {"_column": step, "_row": step * columns}
        arrays = {"a": target, "b": other, "target": target}
        self.add(
            Opcode.COMBINE,
            {
                "single": 0,
                "elements": outputs,
                "columns": columns,
                "rows": rows,
                "scale_a": ONE,
                "scale_b": ONE,
                **arrays,
                **{f"{array}{name}": value for array in arrays for name, value in strides.items()},
            },
        )

    def _drain_rows(self, walk: Walk) -> None:
        tile, stride = self.tiles[walk.tile], 4 * padded(self.layer.sides[1])
        for block in walk.group:
            place = tile.start * stride + 4 * block * self.config.lanes
            fields = {"address": self.at.result + place, "stride": stride, "elements": self._lanes(block)}
            self.add(Opcode.DRAIN, {**self.drains.take(), **fields})

    def _drain_tile(self, walk: Walk) -> None:
        """dW of a rectangle, tap by tap, and db."""
        layer, part, length = self.layer, walk.rectangle, self._length(walk.plane)
        stride = 4 * padded(layer.shape.outputs)
        for block in walk.blocks:
            fields, lane = self.drains.take(), 4 * block * self.config.lanes
            for n, (ky, kx) in enumerate(part.taps):
                row = (ky * layer.shape.kernel + kx) * layer.shape.inputs + BLOCK * walk.plane
                tap = {
                    "first": fields["first"] + n * length,
                    "count": length - 1,
                    "last": int(n == len(part.taps) - 1 and not part.one),
                }
                address = self.at.result + row * stride + lane
                self._drain({**fields, **tap}, address, stride, self._lanes(block), self.at.result, 0)
            if part.one:
                tap = {"first": fields["first"] + len(part.taps) * length, "count": 0, "last": 1}
                start = layer.shape.taps * layer.shape.inputs * stride
                self._drain(
                    {**fields, **tap},
                    self.at.bias_result + lane,
                    0,
                    self._lanes(block),
                    self.at.bias_result,
                    start,
                )


def pass_commands(
    layer: Layer, tensor: EncodedTensor, config: EngineConfig, at: Addresses
) -> list[list[int]]:
    """The commands of a pass, without END.

    Args:
        layer, tensor, config: as for `plan`. at: where its tensors are.

    Raises:
        EngineError: as `plan`; the engine's vectors or lane blocks are no whole words; WG needs more than one
            flush, and there is no room for partial sums.
    """
    return _Encoder(layer, tensor, config, at).run()

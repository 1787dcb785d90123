"""A layer of a network in a device's memory: its tensors, and the commands of its three passes."""

from dataclasses import replace

from lnpu.codec.config import Geometry
from lnpu.engine.config import Pass
from lnpu_host.elementwise import add, encode, mask, pool, unpool
from lnpu_host.errors import HostError
from lnpu_host.layers import LayerShape
from lnpu_host.memory import Memory
from lnpu_host.parameters import Parameters
from lnpu_host.passes import PassPlanner, Words, partial_flushes, top_of
from lnpu_host.tensors import Compressed, Dense, Mask
from lnpu_sim.machine.commands import Addresses

__all__ = ["Stage"]

Commands = list[Words]

MOST_ROWS = (1 << 16) - 1
"""Rows of a COMBINE."""


class Stage:
    """One layer, for a batch of `images`.

    Attributes:
        x: input, compressed; the layer before (or the loader) encodes it.
        y: output before ReLU, fp32 [N, H, W, K]. mask: of the ReLU behind it (None: no ReLU).
        out: output in fp32, where it is pooled or added somewhere (elsewhere it exists encoded only).
        skip: stage whose output is added before the ReLU. sinks: stages that add this one's.
        d: gradient of y, compressed; d16: the same, dense fp16. dx: gradient of x, fp32 (None: not needed).

    Args:
        memory: of the device. planner: of all stages. layer: name and shape. last: no ReLU follows.
        first: dx is not needed.

    Raises:
        OutOfMemoryError: it does not fit.
        HostError: `images` are too many for what is added or pooled.
    """

    def __init__(
        self,
        memory: Memory,
        planner: PassPlanner,
        layer: LayerShape,
        images: int,
        *,
        first: bool,
        last: bool,
    ) -> None:
        rows = images * layer.shape.output_height
        if (layer.add is not None or layer.pool > 1) and rows > MOST_ROWS:
            most = MOST_ROWS // layer.shape.output_height
            raise HostError(
                f"`batch` must be at most {most} for `add` or `pool` of {layer.name}, not {images}"
            )
        self.planner, self.layer, self.shape, self.images = planner, layer, layer.shape, images
        self.name = name = layer.name
        inner, outer = (images, *layer.input), (images, *layer.output)
        self.parameters = Parameters(memory, name, self.shape)
        self.x = Compressed(memory, f"{name} X", Geometry(*inner))
        self.y = Dense.take(memory, f"{name} y", outer)
        self.d = Compressed(memory, f"{name} d", Geometry(*outer))
        self.d16 = Dense.take(memory, f"{name} d, dense", outer, "<f2")
        self.dx = None if first else Dense.take(memory, f"{name} dX", inner)
        self.mask = None if last else Mask.take(memory, f"{name} mask", self.d.geometry)
        self.skip: Stage | None = None
        self.sinks: list[Stage] = []
        pooled = (images, *layer.pooled)
        self.out = self.y if layer.pool == 1 else Dense.take(memory, f"{name} output", pooled)
        self.dout = Dense.take(memory, f"{name} gradient behind pooling", outer) if layer.pool > 1 else None
        self.dsum = None if layer.add is None else Dense.take(memory, f"{name} gradient of the sum", outer)
        flushes = partial_flushes(self.shape, images)
        size = flushes * self.parameters.gradient.size
        self.partial = memory.take(f"{name} partial dW", size).address if flushes else 0

    def _pass(self, kind: Pass, sparse: Compressed, dense: int, at: Addresses) -> Commands:
        top = top_of(kind, self.shape, self.images, sparse.exponent, dense, self.planner.config)
        return [self.planner.commands(kind, self.shape, sparse, top, at)]

    def forward(self, following: Compressed | None) -> Commands:
        """FP, then what is added, ReLU, pooling, and ENCODE to the input of the following layer."""
        p = self.parameters
        at = Addresses(self.x.rows, p.weights.address, self.y.address, bias=p.bias_of(p.weights))
        commands = self._pass(Pass.FP, self.x, p.exponent, at)
        if following is None or self.mask is None:
            return commands
        g = self.d.geometry
        if self.skip is not None:
            commands.append(add(self.y, self.skip.out))
        if self.sinks or self.layer.pool > 1:
            commands.append(mask(self.y, (g.n, g.h, g.w, g.c), self.mask, target=self.y, relu=True))
            if self.layer.pool > 1:
                commands += pool(self.y, self.out, self.layer.pool)
            return [*commands, encode(self.out, following)]
        # Both shapes give the same order of elements, so one command does both.
        if following.geometry == g or (g.planes == 1 and g.c % 4 == 0):
            return [*commands, encode(self.y, following, relu=True, mask_out=self.mask)]
        relu = mask(self.y, (g.n, g.h, g.w, g.c), self.mask, target=self.y, relu=True)
        return [*commands, relu, encode(self.y, following)]

    def gradient(self, source: Dense) -> Commands:
        """The gradient of y in both forms that the passes take.

        Args:
            source: gradient of the output, as far as the following layer knows it, fp32; it is added to.
        """
        commands: Commands = []
        output = replace(source, shape=self.out.shape)
        for sink in self.sinks:
            assert sink.dsum is not None
            commands.append(add(output, sink.dsum))
        if self.dout is not None:
            commands += unpool(output, self.dout, self.layer.pool)
            output = self.dout
        bits = self.mask
        if self.dsum is not None and bits is not None:
            g = self.d.geometry
            commands.append(mask(output, (g.n, g.h, g.w, g.c), bits, target=self.dsum))
            output, bits = self.dsum, None
        return [*commands, encode(output, self.d, mask_in=bits, copy=self.d16, gradient=True)]

    def weight_gradient(self) -> Commands:
        """WG."""
        p = self.parameters
        at = Addresses(
            self.x.rows,
            self.d16.address,
            p.gradient.address,
            bias_result=p.bias_of(p.gradient),
            partial=self.partial,
        )
        return self._pass(Pass.WG, self.x, self.d.exponent, at)

    def backward(self) -> Commands:
        """BP; none where dx is not needed."""
        if self.dx is None:
            return []
        at = Addresses(self.d.rows, self.parameters.weights.address, self.dx.address)
        return self._pass(Pass.BP, self.d, self.parameters.exponent, at)

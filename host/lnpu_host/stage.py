"""A layer of a network in a device's memory: its tensors, and the commands of its three passes."""

from lnpu.codec.config import Geometry
from lnpu.engine.config import Pass
from lnpu_host.elementwise import encode, mask_out
from lnpu_host.layers import LayerShape
from lnpu_host.memory import Memory
from lnpu_host.parameters import Parameters
from lnpu_host.passes import PassPlanner, Words, partial_flushes, top_of
from lnpu_host.tensors import Compressed, Dense, Mask
from lnpu_sim.machine.commands import Addresses

__all__ = ["Stage"]

Commands = list[Words]


class Stage:
    """One layer, for a batch of `images`.

    Attributes:
        x: input, compressed; the layer before (or the loader) encodes it.
        y: output before ReLU, fp32 [N, H, W, K]. mask: of the ReLU behind it (None: no ReLU).
        d: gradient of y, compressed; d16: the same, dense fp16. dx: gradient of x, fp32 (None: not needed).

    Args:
        memory: of the device. planner: of all stages. layer: name and shape. last: no ReLU follows.
        first: dx is not needed.

    Raises:
        OutOfMemoryError: it does not fit.
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
        flushes = partial_flushes(self.shape, images)
        size = flushes * self.parameters.gradient.size
        self.partial = memory.take(f"{name} partial dW", size).address if flushes else 0

    def _pass(self, kind: Pass, sparse: Compressed, dense: int, at: Addresses) -> Commands:
        top = top_of(kind, self.shape, self.images, sparse.exponent, dense, self.planner.config)
        return [self.planner.commands(kind, self.shape, sparse, top, at)]

    def forward(self, following: Compressed | None) -> Commands:
        """FP, then ReLU and ENCODE to the input of the following layer."""
        p = self.parameters
        at = Addresses(self.x.rows, p.weights.address, self.y.address, bias=p.bias_of(p.weights))
        commands = self._pass(Pass.FP, self.x, p.exponent, at)
        if following is None or self.mask is None:
            return commands
        g = self.d.geometry
        # Both shapes give the same order of elements, so one command does both.
        if following.geometry == g or (g.planes == 1 and g.c % 4 == 0):
            return [*commands, encode(self.y, following, relu=True, mask_out=self.mask)]
        return [*commands, mask_out(self.y, (g.n, g.h, g.w, g.c), self.mask), encode(self.y, following)]

    def gradient(self, source: Dense) -> Commands:
        """The gradient of y from fp32 memory, through the ReLU, in both forms that the passes take."""
        return [encode(source, self.d, mask_in=self.mask, copy=self.d16, gradient=True)]

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

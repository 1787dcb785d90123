"""Networks as data: chains of convolutions and linear layers, with ReLU, pooling and skips between them."""

from dataclasses import dataclass

from lnpu.engine.config import Convolution
from lnpu_host.errors import HostError

__all__ = [
    "NETWORKS",
    "Conv",
    "LayerShape",
    "Linear",
    "Network",
    "shapes_of",
    "small_cnn",
    "small_resnet",
    "smallest_cnn",
]


@dataclass(frozen=True)
class Conv:
    """A convolution: `outputs` channels, `kernel`, `stride`, `padding` as in `Convolution`.

    Args:
        add: number of an earlier layer whose output is added before the ReLU.
        pool: behind the ReLU, the average of each `pool` x `pool` window is taken.
    """

    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    add: int | None = None
    pool: int = 1


@dataclass(frozen=True)
class Linear:
    """A linear layer over all that comes before it, flattened."""

    outputs: int


@dataclass(frozen=True)
class Network:
    """Layers in order; a ReLU follows each but the last.

    Args:
        image: height, width, channels of the input. layers: at least one, the last one linear.
    """

    image: tuple[int, int, int]
    layers: tuple[Conv | Linear, ...]


@dataclass(frozen=True)
class LayerShape:
    """A layer with everything known: its name, shape, and the input's height, width and channels as the
    encoder sees them (a linear layer's input is one pixel); `add` and `pool` as in `Conv`."""

    name: str
    shape: Convolution
    add: int | None = None
    pool: int = 1

    @property
    def input(self) -> tuple[int, int, int]:
        """Height, width, channels of the input."""
        return self.shape.height, self.shape.width, self.shape.inputs

    @property
    def output(self) -> tuple[int, int, int]:
        """Height, width, channels of the output, before pooling."""
        return self.shape.output_height, self.shape.output_width, self.shape.outputs

    @property
    def pooled(self) -> tuple[int, int, int]:
        """Height, width, channels of the output."""
        height, width, channels = self.output
        return height // self.pool, width // self.pool, channels


def shapes_of(network: Network) -> list[LayerShape]:
    """The layers of a network with their shapes.

    Raises:
        EngineError: a size is out of range.
        HostError: the last layer is not linear, a convolution follows a linear layer, what a linear layer
            flattens has padding between its pixels, windows of `pool` do not fill the image, or what `add`
            names is no earlier layer or of another shape.
    """
    if not network.layers or not isinstance(network.layers[-1], Linear):
        raise HostError("`layers`: the last one must be linear")
    height, width, channels = network.image
    found: list[LayerShape] = []
    flat = False
    for n, layer in enumerate(network.layers):
        if isinstance(layer, Linear):
            if height * width > 1 and channels % 4:
                raise HostError(
                    f"layer {n}: channels before a linear layer must be a multiple of 4, not {channels}"
                )
            shape = Convolution(1, 1, height * width * channels, layer.outputs)
            found.append(LayerShape(f"linear{n + 1}", shape))
            flat = True
        else:
            if flat:
                raise HostError(f"layer {n}: a convolution must not follow a linear layer")
            shape = Convolution(
                height, width, channels, layer.outputs, layer.kernel, layer.stride, layer.padding
            )
            made = LayerShape(f"conv{n + 1}", shape, layer.add, layer.pool)
            _check_conv(n, made, found)
            found.append(made)
        height, width, channels = found[-1].pooled
    return found


def _check_conv(n: int, made: LayerShape, before: list[LayerShape]) -> None:
    height, width, _ = made.output
    if made.pool < 1 or height % made.pool or width % made.pool:
        raise HostError(f"layer {n}: `pool` must divide {height} and {width}, not be {made.pool}")
    if made.add is None:
        return
    if not 0 <= made.add < n:
        raise HostError(f"layer {n}: `add` must be an earlier layer, not {made.add}")
    if before[made.add].pooled != made.output:
        other = before[made.add].pooled
        raise HostError(f"layer {n}: `add` must name an output of the shape {made.output}, not {other}")


def small_cnn(image: tuple[int, int, int] = (8, 8, 1), classes: int = 10) -> Network:
    """A small CNN: 16 channels at half the resolution, 32, linear; images of 16 pixels and more are halved by
    the second layer, too."""
    stride = 2 if min(image[:2]) >= 16 else 1
    return Network(image, (Conv(16, stride=2), Conv(32, stride=stride), Linear(classes)))


def small_resnet(image: tuple[int, int, int] = (8, 8, 1), classes: int = 10) -> Network:
    """A small ResNet: 16 channels with a residual block, 32 at half the resolution with another one, average
    pooling, linear; images of 16 pixels and more are halved by the first layer, too."""
    stride = 2 if min(image[:2]) >= 16 else 1
    layers = (Conv(16, stride=stride), Conv(16), Conv(16, add=0), Conv(32, stride=2), Conv(32))
    height, width, _ = shapes_of(Network(image, (*layers, Linear(classes))))[-2].output
    pool = 2 if height % 2 == width % 2 == 0 else 1
    return Network(image, (*layers, Conv(32, add=3, pool=pool), Linear(classes)))


def smallest_cnn(image: tuple[int, int, int] = (8, 8, 1), classes: int = 10) -> Network:
    """As `small_cnn` with half the channels, for boards whose memory is on the chip."""
    stride = 2 if min(image[:2]) >= 16 else 1
    return Network(image, (Conv(8, stride=2), Conv(16, stride=stride), Linear(classes)))


NETWORKS = {"cnn": small_cnn, "small": smallest_cnn, "resnet": small_resnet}
"""Networks that the command line knows."""

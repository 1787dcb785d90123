"""Networks as data: chains of convolutions and linear layers, ReLU between them."""

from dataclasses import dataclass

from lnpu.engine.config import Convolution
from lnpu_host.errors import HostError

__all__ = ["Conv", "LayerShape", "Linear", "Network", "shapes_of", "small_cnn"]


@dataclass(frozen=True)
class Conv:
    """A convolution: `outputs` channels, `kernel`, `stride`, `padding` as in `Convolution`."""

    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


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
    encoder sees them (a linear layer's input is one pixel)."""

    name: str
    shape: Convolution

    @property
    def input(self) -> tuple[int, int, int]:
        """Height, width, channels of the input."""
        return self.shape.height, self.shape.width, self.shape.inputs

    @property
    def output(self) -> tuple[int, int, int]:
        """Height, width, channels of the output."""
        return self.shape.output_height, self.shape.output_width, self.shape.outputs


def shapes_of(network: Network) -> list[LayerShape]:
    """The layers of a network with their shapes.

    Raises:
        EngineError: a size is out of range.
        HostError: the last layer is not linear, a convolution follows a linear layer, or what a linear layer
            flattens has padding between its pixels.
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
            found.append(LayerShape(f"conv{n + 1}", shape))
        height, width, channels = found[-1].output
    return found


def small_cnn(image: tuple[int, int, int] = (8, 8, 1), classes: int = 10) -> Network:
    """A small CNN: 16 channels, 32 at half the resolution, linear; images of 16 pixels and more are halved
    by the first layer, too."""
    stride = 2 if min(image[:2]) >= 16 else 1
    return Network(image, (Conv(16, stride=stride), Conv(32, stride=2), Linear(classes)))

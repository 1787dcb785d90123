"""OpenLNPU: a generator of accelerators that train neural networks on the device."""

__version__ = "0.1.0"

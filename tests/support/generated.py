"""The tiny machine as `lnpu generate` makes it, once a process."""

import functools

from lnpu.export.generate import Bundle, generate
from lnpu.presets import configuration, load, preset_path

__all__ = ["TINY", "tiny_bundle"]

TINY = configuration(load(preset_path("tiny"), ["target.clock_mhz=80"]))


@functools.cache
def tiny_bundle() -> Bundle:
    """Everything that is generated for `TINY`."""
    return generate(TINY)

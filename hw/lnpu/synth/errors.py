"""The error of every step of a synthesis run."""

__all__ = ["SynthError"]


class SynthError(Exception):
    """Input that cannot be synthesised or measured: one line that names what is wrong and what is allowed."""

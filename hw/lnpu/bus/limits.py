"""Limits of the bus units that models and hosts need, too."""

__all__ = ["MAX_WORDS"]

MAX_WORDS = 1 << 20
"""Words of one transfer."""

"""Arithmetic units: unpack, multiply, align and add, normalise and round, FMA."""

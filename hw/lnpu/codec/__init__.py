"""Compressed tensors: run-length and FGMP encoder and decoders."""

"""Element-wise commands: encode, decode, masks, weighted sums, optimiser."""

"""AXI: port signatures, DMAs between memory and streams, arbiters. Knows nothing about accelerators."""

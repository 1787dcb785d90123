"""Host runtime of the accelerator. Imports no gateware."""

"""Golden models (integer-exact) and the simulation devices. Imports no gateware."""

"""Golden models of the compressed tensor formats."""

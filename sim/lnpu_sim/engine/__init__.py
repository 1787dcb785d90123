"""Golden models of the engine: tile programs, values, cycles."""

"""Golden models of the number formats and arithmetic units."""

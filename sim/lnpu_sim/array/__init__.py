"""Golden models of the PE array: slots, lines, layer passes."""

"""Golden models of the element-wise commands (`docs/programming.md`): functions on memory and fields."""

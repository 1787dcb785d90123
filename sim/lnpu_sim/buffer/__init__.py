"""Golden models of the storage beside the array."""

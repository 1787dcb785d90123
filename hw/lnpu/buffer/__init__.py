"""Storage beside the array: Tile and Row files, the transposing weight buffer."""

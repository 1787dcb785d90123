"""The machine: an engine behind AXI, run by command lists in memory."""

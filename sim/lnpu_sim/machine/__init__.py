"""The machine in software: command lists, their golden model, and compiled hardware with a memory."""

"""Exported Verilog as an executable: Verilator builds, coverage, mutation."""

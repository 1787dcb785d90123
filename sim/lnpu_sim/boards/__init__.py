"""Boards without boards: the wrapper's Verilog behind a pseudo-terminal."""

"""Boards: the machine with memory on the chip and a host link over a UART; knows no particular board."""

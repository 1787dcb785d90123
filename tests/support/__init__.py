"""Shared by the tests: cocotb benches, coverage, mutation, formal proofs."""

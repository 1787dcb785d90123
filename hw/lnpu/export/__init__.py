"""From components to files: Verilog, manifest, reports and the command line."""

"""What the program costs, measured on this machine; see ``python -m benchmarks --help``."""

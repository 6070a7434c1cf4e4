"""Measurements of batchio against its peers and floors; `python -m benchmarks` runs them all."""

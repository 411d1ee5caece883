"""Measurements, each beside a peer or a limit of the same run: ``python -m benchmarks``."""

"""Pools, workers and groups of processes: how they start, on how many threads, and that they end with their parent."""

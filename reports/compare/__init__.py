"""Comparison of runs, cell by cell."""

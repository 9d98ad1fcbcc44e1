"""The comparison of runs, cell by cell."""

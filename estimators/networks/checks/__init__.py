"""Checks of a network before a run: the usual faults of wrapping, outputs and gradients."""
